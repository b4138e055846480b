//! Refunds at the provider: asked for under a key of ours, noted when they arrive or fail, and asked about when they
//! take long.

use sutler_domain::{
    event::EventKind,
    ids::OrderId,
    ledger::{Purpose, refund_failed, refund_paid},
    order::Change,
    problem::Problem,
    refund::{PartRefund, Refund},
};
use sutler_gateways::payment::{ProviderRefund, RefundPayment, RefundStatus};
use sutler_store::{
    StoreError, Transaction, Versioned, events,
    orders::{self, OrderAggregate},
    refunds,
};

use crate::{App, Error, gateways::Gateways, orders::post, payments::gateway_error};

/// How often a change is decided anew after losing a race.
const RACES_MAX: usize = 8;

/// Asks the provider to give a refund's money back, or how that stands, and notes the answer. The provider's key is
/// made of ours, so a repetition after a crash is the same refund.
///
/// # Errors
/// [`Error`] when provider or database do not answer; the command is then repeated.
pub async fn refund(
    app: &App,
    gateways: &Gateways,
    id: &OrderId,
    attempt: u32,
    number: u32,
) -> Result<Change, Error> {
    let aggregate = app.store.order(id).await?;
    let aggregate = aggregate.ok_or_else(|| Error::Internal("a refund of an unknown order".into()))?;
    let (payment, refund) = both(&aggregate, attempt, number)?;
    if refund.value.undecided_since().is_none() {
        return Ok(Change::AlreadyApplied);
    }
    let request = RefundPayment {
        payment: payment.value.provider_id.clone(),
        order_id: id.to_string(),
        attempt,
        number,
        amount_minor: refund.value.amount.minor(),
        currency: refund.value.amount.currency().code().to_owned(),
    };
    let gateway = gateways.of(&payment.value.gateway)?;
    let answered = match &refund.value.provider_id {
        Some(known) => gateway.look_up_refund(&request, known).await,
        None => gateway.refund(&request).await,
    };
    let answered = answered.map_err(gateway_error)?;
    for _ in 0..RACES_MAX {
        let aggregate = app.store.order(id).await?.ok_or(Problem::NotFound)?;
        let Some(transaction) = note(app, aggregate, (attempt, number), &answered)? else {
            return Ok(Change::AlreadyApplied);
        };
        match app.store.transact(transaction).await {
            Ok(()) => {
                if has_failed(&answered) {
                    tracing::error!(alarm = "refund_failed", order.id = %id, "The refund of {id} failed");
                }
                return Ok(Change::Applied);
            }
            Err(StoreError::Refused(_)) => tracing::warn!(order.id = %id, "Lost a race to note a refund"),
            Err(other) => return Err(other.into()),
        }
    }
    Err(StoreError::Unavailable("too many lost races".into()).into())
}

fn both(
    aggregate: &OrderAggregate,
    attempt: u32,
    number: u32,
) -> Result<(&Versioned<sutler_domain::payment::Payment>, &Versioned<Refund>), Error> {
    let found = aggregate.payment(attempt).zip(aggregate.refund(attempt, number));
    found.ok_or_else(|| Error::Internal("a refund that was never noted".into()))
}

fn has_failed(answered: &ProviderRefund) -> bool {
    match answered.status {
        RefundStatus::Failed | RefundStatus::Cancelled => true,
        RefundStatus::Succeeded | RefundStatus::Pending => false,
    }
}

/// What the provider's answer changes; nothing when it says what is known.
fn note(
    app: &App,
    mut aggregate: OrderAggregate,
    (attempt, number): (u32, u32),
    answered: &ProviderRefund,
) -> Result<Option<Transaction>, Error> {
    let (payment, refund) = both(&aggregate, attempt, number)?;
    let (mut payment, mut refund) = (payment.clone(), refund.clone());
    let now = app.now();
    let mut transaction = Transaction::new();
    let id = refund.value.order.clone();
    if refund.value.undecided_since().is_none() {
        return Ok(None);
    }
    if answered.status == RefundStatus::Pending {
        if refund.value.provider_id.is_some() {
            return Ok(None);
        }
        refund.value.provider_id = Some(answered.provider_id.clone());
        refunds::save(&mut transaction, &refund)?;
        return Ok(Some(transaction));
    }
    let Refund { amount, reason, destination, .. } = refund.value;
    let event = if has_failed(answered) {
        payment.value.refund_failed(&mut refund.value, now).map(drop)?;
        take_back(app, &mut transaction, &mut aggregate, &refund.value)?;
        EventKind::RefundFailed { attempt, number, amount, reason }
    } else {
        payment.value.refund_arrived(&mut refund.value, now).map(drop)?;
        let legs = refund_paid(&payment.value.gateway, amount);
        post(app, &mut transaction, &id, Purpose::RefundPaid, legs)?;
        EventKind::PaymentRefunded { attempt, number, amount, reason, destination }
    };
    refund.value.provider_id = Some(answered.provider_id.clone());
    refunds::save(&mut transaction, &refund)?;
    orders::save_payment(&mut transaction, &payment.value, Some(payment.version))?;
    events::append(&mut transaction, &mut aggregate.order.value, event, now, app.ids.as_ref())?;
    orders::save(&mut transaction, &aggregate.order)?;
    Ok(Some(transaction))
}

/// Money that could not be given back is again where it was taken from. What was never the order's stays owed.
fn take_back(
    app: &App,
    transaction: &mut Transaction,
    aggregate: &mut OrderAggregate,
    refund: &Refund,
) -> Result<(), Error> {
    if refund.parts.is_empty() {
        return Ok(());
    }
    for PartRefund { seller, shares } in &refund.parts {
        for part in aggregate.parts.iter_mut().filter(|part| part.value.seller == *seller) {
            part.value.refunded = part.value.refunded.try_sub(shares)?;
            orders::save_part(transaction, part)?;
        }
    }
    aggregate.order.value.refund_failed(refund.amount)?;
    let legs = refund_failed(&refund.parts, refund.amount);
    post(app, transaction, &refund.order, Purpose::RefundFailed, legs)
}
