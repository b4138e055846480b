//! What is asked of providers after the fact: to make an attempt unpayable, to tell what nobody told us, and to carry
//! out what an event asks for.

use sutler_domain::{
    event::EventKind,
    ids::OrderId,
    order::{Change, OrderState},
    payment::PaymentState,
    problem::Problem,
};
use sutler_gateways::payment::PaymentGateway;
use sutler_store::{
    Versioned,
    orders::{self, OrderAggregate},
};

use super::{Report, finalise, gateway_error, news_of};
use crate::{
    App, Error,
    gateways::{Gateways, opened_id, settle_attempt},
    refund_calls::refund,
};

/// Makes the open attempt of a cancelled order unpayable. If the buyer was faster, the money is dealt with.
///
/// # Errors
/// [`Error`] when provider or database do not answer; the command is then repeated.
pub async fn close_attempt(
    app: &App,
    gateways: &Gateways,
    id: &OrderId,
    attempt: u32,
) -> Result<Change, Error> {
    let Some(aggregate) = app.store.order(id).await? else { return Ok(Change::AlreadyApplied) };
    let recorded = aggregate.payment(attempt).map(|payment| payment.value.gateway.as_str());
    let open = aggregate.order.value.open_attempt.as_ref().map(|open| open.gateway.as_str());
    let Some(name) = recorded.or(open) else { return Ok(Change::AlreadyApplied) };
    end_attempt_at(app, gateways.of(name)?, &aggregate, attempt).await
}

/// Makes an attempt unpayable at its provider, and finalises how it then stands.
pub(crate) async fn end_attempt_at(
    app: &App,
    gateway: &dyn PaymentGateway,
    aggregate: &OrderAggregate,
    attempt: u32,
) -> Result<Change, Error> {
    let id = &aggregate.order.value.id;
    let provider_id = match aggregate.payment(attempt) {
        Some(known) if known.value.state != PaymentState::RequiresAction => {
            return Ok(Change::AlreadyApplied);
        }
        Some(known) => known.value.provider_id.clone(),
        // The call that opened it did not come back to record it.
        None => opened_id(app, gateway, aggregate, attempt).await?,
    };
    let key = format!("{id}/{attempt}/cancel");
    let answered = gateway.cancel(&provider_id, &key).await.map_err(gateway_error)?;
    // The provider is at it, and will tell how it ended.
    let news = news_of(&answered)?.ok_or(Problem::PaymentInProgress)?;
    let report =
        Report { gateway: gateway.gateway(), message: None, order: id.clone(), attempt, provider_id, news };
    finalise(app, &report).await
}

/// How long a payment or a refund may wait for the provider's word before we ask.
const ASK_AFTER_S: i64 = 120;

/// Asks the provider about payments it should have told us of, and repeats what it should have done: a webhook that
/// never came and a command that was given up leave nothing undecided. One failure does not keep the others from it.
///
/// # Errors
/// The first failure, after all the others were tried; what was decided stays decided.
pub async fn resolve_all(app: &App, gateways: &Gateways) -> Result<u32, Error> {
    /// How many payments of a shard one run looks at; the next run goes on.
    const PER_SHARD_MAX: u16 = 100;
    let before = app.now().plus_seconds(-ASK_AFTER_S);
    let (mut resolved, mut failure) = (0_u32, None);
    for shard in 0..orders::DUE_SHARDS {
        for (id, attempt) in app.store.undecided_payments(shard, before, PER_SHARD_MAX).await? {
            match resolve(app, gateways, &id, attempt).await {
                Ok(Change::Applied) => resolved = resolved.saturating_add(1),
                Ok(Change::AlreadyApplied) => {}
                Err(error) => {
                    tracing::error!(
                        order.id = %id, payment.attempt = attempt, error.chain = %error,
                        "A payment of {id} could not be resolved"
                    );
                    failure.get_or_insert(error);
                }
            }
        }
        for (id, attempt, number) in app.store.undecided_refunds(shard, before, PER_SHARD_MAX).await? {
            match refund(app, gateways, &id, attempt, number).await {
                Ok(Change::Applied) => resolved = resolved.saturating_add(1),
                Ok(Change::AlreadyApplied) => {}
                Err(error) => {
                    tracing::error!(
                        order.id = %id, payment.attempt = attempt, refund.number = number, error.chain = %error,
                        "A refund of {id} could not be resolved"
                    );
                    failure.get_or_insert(error);
                }
            }
        }
    }
    failure.map_or(Ok(resolved), Err)
}

/// Brings one payment on: its end at the provider, or the news we missed.
async fn resolve(app: &App, gateways: &Gateways, id: &OrderId, attempt: u32) -> Result<Change, Error> {
    let Some(aggregate) = app.store.order(id).await? else { return Ok(Change::AlreadyApplied) };
    let Some(Versioned { value: payment, .. }) = aggregate.payment(attempt) else {
        return Ok(Change::AlreadyApplied);
    };
    match &payment.state {
        PaymentState::Succeeded { .. } | PaymentState::Cancelled { .. } => Ok(Change::AlreadyApplied),
        PaymentState::RequiresAction
            if !matches!(aggregate.order.value.state, OrderState::AwaitingPayment { .. }) =>
        {
            close_attempt(app, gateways, id, attempt).await
        }
        PaymentState::RequiresAction => {
            let gateway = gateways.of(&payment.gateway)?;
            settle_attempt(app, gateway, &aggregate, attempt, None).await
        }
    }
}

/// Carries out what an event asks of the provider; other events ask nothing.
///
/// # Errors
/// [`Error`] when provider or database do not answer; the message is then repeated.
pub async fn obey(
    app: &App,
    gateways: &Gateways,
    order: &OrderId,
    event: &EventKind,
) -> Result<Change, Error> {
    match event {
        EventKind::RefundRequested { attempt, number, .. } => {
            refund(app, gateways, order, *attempt, *number).await
        }
        EventKind::OrderCancelled { open_attempt: Some(attempt), .. } => {
            close_attempt(app, gateways, order, *attempt).await
        }
        EventKind::OrderCancelled { open_attempt: None, .. }
        | EventKind::OrderPlaced { .. }
        | EventKind::OrderPaid { .. }
        | EventKind::OrderRefunded { .. }
        | EventKind::OrderCompleted {}
        | EventKind::OrderClaimed {}
        | EventKind::PaymentFailed { .. }
        | EventKind::PaymentRefunded { .. }
        | EventKind::RefundFailed { .. }
        | EventKind::UnitsCancelled { .. }
        | EventKind::PartShipped { .. }
        | EventKind::PartDelivered { .. }
        | EventKind::OutForDelivery { .. }
        | EventKind::DeliveryFailed { .. }
        | EventKind::LabelBought { .. }
        | EventKind::LabelVoided { .. }
        | EventKind::ReturnRequested { .. }
        | EventKind::ReturnApproved { .. }
        | EventKind::ReturnRejected { .. }
        | EventKind::ReturnReceived { .. }
        | EventKind::UserVerified { .. }
        | EventKind::VerificationRequested { .. }
        | EventKind::AlertHeld { .. } => Ok(Change::AlreadyApplied),
    }
}
