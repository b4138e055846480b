//! Paying orders. Whatever tells us that money came (webhook, poll, answer to a cancellation) ends in
//! [`finalise`], which decides once what the money is for.

mod resolving;
mod starting;

use sutler_domain::{
    event::EventKind,
    ids::OrderId,
    ledger::{Purpose, capture, unowed},
    money::{Currency, Money},
    order::{Change, OrderLine, OrderState, Part},
    payment::{Payment, PaymentState, RefundOrder, RefundReason},
    problem::Problem,
    refund::Destination,
    stock::StockOp,
};
use sutler_gateways::payment::{GatewayError, PaymentStatus, ProviderPayment};
use sutler_store::{
    StoreError, Transaction, Version, events, inbox,
    orders::{self, OrderAggregate},
    refunds, stock,
};

use crate::{
    App, Error,
    coupons::{self, Again},
    orders::post,
    reservations,
};

pub(crate) use resolving::end_attempt_at;
pub use resolving::{close_attempt, obey, resolve_all};
pub(crate) use starting::start_request;
pub use starting::{Started, start};

/// How often a change is decided anew after losing a race.
const RACES_MAX: usize = 8;

/// What a provider says about one payment attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which provider.
    pub gateway: &'static str,
    /// The provider's id of the message; `None` when we asked instead of being told.
    pub message: Option<String>,
    /// The order, as we once told the provider.
    pub order: OrderId,
    /// The attempt, as we once told the provider.
    pub attempt: u32,
    /// The provider's id of the payment.
    pub provider_id: String,
    /// What became of it.
    pub news: News,
}

/// What became of a payment attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// This much money came.
    Succeeded(Money),
    /// The buyer's bank said no; the buyer may try again.
    Failed {
        /// The provider's code.
        code: String,
    },
    /// It cannot be paid any more.
    Cancelled,
}

pub(crate) fn gateway_error(error: GatewayError) -> Error {
    match error {
        GatewayError::Declined { code } => Problem::PaymentDeclined { code }.into(),
        GatewayError::OutcomeUnknown(source) | GatewayError::Unavailable(source) => {
            tracing::warn!(error.source = %source, "The payment provider does not answer");
            Problem::ProviderUnavailable.into()
        }
        unrepeatable @ GatewayError::Unrepeatable { .. } => Error::Internal(unrepeatable.into()),
        GatewayError::Rejected(source) => Error::Internal(source),
    }
}

/// Decides what a provider's news means, and writes all of it in one transaction together with the memory of
/// the message. Repeated, reordered and concurrent news change nothing.
///
/// # Errors
/// [`Error`] when the database does not answer or the news cannot be ours; the message is then kept for people.
pub async fn finalise(app: &App, report: &Report) -> Result<Change, Error> {
    for _ in 0..RACES_MAX {
        let found = app.store.order(&report.order).await?;
        let aggregate =
            found.ok_or_else(|| Error::Internal("a payment of an order that does not exist".into()))?;
        let again = coupons::again(app, &aggregate.order.value).await?;
        let Some(mut decision) = decide(app, aggregate.clone(), report, &again)? else {
            return Ok(Change::AlreadyApplied);
        };
        if let Some(outcome) = carry_out(app, &mut decision, report).await? {
            return Ok(outcome);
        }
        // The goods of a cancelled order are elsewhere or gone, or somebody was faster, which has no other way.
        if decision.takes_stock_again {
            let other = match found_elsewhere(app, &aggregate).await? {
                Some(elsewhere) => decide(app, elsewhere, report, &again)?,
                None => give_back(app, aggregate, report, RefundReason::Late)?,
            };
            if let Some(mut other) = other
                && let Some(outcome) = carry_out(app, &mut other, report).await?
            {
                return Ok(outcome);
            }
        }
        tracing::warn!(order.id = %report.order, "Lost a race to finalise a payment of {}", report.order);
    }
    Err(StoreError::Unavailable("too many lost races".into()).into())
}

/// The order with its lines where their goods are now; nothing when some are gone.
async fn found_elsewhere(app: &App, aggregate: &OrderAggregate) -> Result<Option<OrderAggregate>, Error> {
    let mut elsewhere = aggregate.clone();
    let order = &aggregate.order.value;
    let lines: Vec<&OrderLine> = aggregate.parts.iter().flat_map(|part| &part.value.lines).collect();
    let Some(origins) = reservations::find_again(app, &order.id, order.placed_by(), &lines).await? else {
        return Ok(None);
    };
    let lines = elsewhere.parts.iter_mut().flat_map(|part| &mut part.value.lines);
    for (line, origin) in lines.zip(origins) {
        line.origin = origin;
    }
    Ok(Some(elsewhere))
}

#[derive(Debug, Default)]
struct Decision {
    transaction: Transaction,
    takes_stock_again: bool,
}

/// `None` when a condition did not hold and the situation has to be looked at again.
async fn carry_out(app: &App, decision: &mut Decision, report: &Report) -> Result<Option<Change>, Error> {
    let mut transaction = std::mem::take(&mut decision.transaction);
    let known = match &report.message {
        Some(message) => Some(inbox::remember(&mut transaction, report.gateway, message, app.now())?),
        None => None,
    };
    match app.store.transact(transaction).await {
        Ok(()) => Ok(Some(Change::Applied)),
        Err(StoreError::Refused(refusal)) if known.is_some_and(|guard| refusal.failed(guard)) => {
            Ok(Some(Change::AlreadyApplied))
        }
        Err(StoreError::Refused(_)) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

fn decide(
    app: &App,
    aggregate: OrderAggregate,
    report: &Report,
    again: &Again,
) -> Result<Option<Decision>, Error> {
    let known = aggregate.payment(report.attempt);
    if known.is_some_and(|payment| payment.value.provider_id != report.provider_id) {
        return Err(Error::Internal("the attempt belongs to another payment of the provider".into()));
    }
    let money_known = known.is_some_and(|payment| payment.value.state.balance().is_some());
    let order = &aggregate.order.value;
    match &report.news {
        News::Succeeded(received) => {
            if money_known {
                return Ok(None);
            }
            if *received != order.totals.total {
                tracing::error!(
                    alarm = "payment_mismatch", order.id = %order.id,
                    "Received {} for order {} over {}", received.display(), order.id, order.totals.total.display()
                );
                return give_back(app, aggregate, report, RefundReason::Mismatch);
            }
            match &order.state {
                OrderState::AwaitingPayment { .. } => accept(app, aggregate, report, None).map(Some),
                OrderState::Cancelled { .. } => match again {
                    Again::Impossible => give_back(app, aggregate, report, RefundReason::Late),
                    Again::Nothing | Again::Take(..) => accept(app, aggregate, report, Some(again)).map(Some),
                },
                OrderState::Paid { .. } | OrderState::Completed { .. } | OrderState::Refunded { .. } => {
                    give_back(app, aggregate, report, RefundReason::Second)
                }
            }
        }
        // Nothing that comes after the money undoes it.
        News::Failed { .. } | News::Cancelled if money_known => Ok(None),
        News::Failed { code } => note_failure(app, aggregate, report, code),
        News::Cancelled => end_attempt(app, aggregate, report),
    }
}

/// The payment as it is known, or as the report tells of it for the first time.
fn payment_of(app: &App, aggregate: &OrderAggregate, report: &Report) -> (Payment, Option<Version>) {
    match aggregate.payment(report.attempt) {
        Some(known) => (known.value.clone(), Some(known.version)),
        None => (
            Payment {
                order: report.order.clone(),
                attempt: report.attempt,
                gateway: report.gateway.to_owned(),
                provider_id: report.provider_id.clone(),
                amount: aggregate.order.value.totals.total,
                state: PaymentState::RequiresAction,
                refunds: 0,
                redirect_url: None,
                last_failure: None,
                started_at: app.now(),
            },
            None,
        ),
    }
}

/// The money pays the order: reserved goods are committed, or goods and coupon of a cancelled order taken `again`.
fn accept(
    app: &App,
    mut aggregate: OrderAggregate,
    report: &Report,
    again: Option<&Again>,
) -> Result<Decision, Error> {
    let now = app.now();
    let (mut payment, read) = payment_of(app, &aggregate, report);
    let mut transaction = Transaction::new();
    let order = &mut aggregate.order.value;
    let change = if again.is_some() {
        order.reinstate(report.attempt, now)?
    } else {
        order.pay(report.attempt, now)?
    };
    if change == Change::AlreadyApplied {
        return Err(Problem::Conflict.into());
    }
    for part in &mut aggregate.parts {
        part.value.release_to_seller()?;
        for line in &part.value.lines {
            if again.is_some() {
                reservations::take_again(&mut transaction, order.placed_by(), line, &order.id);
            } else {
                stock::move_line(&mut transaction, StockOp::Commit, line, order.id.as_str());
            }
        }
        orders::save_part(&mut transaction, part)?;
    }
    if let Some(Again::Take(found, discount)) = again {
        coupons::take(&mut transaction, found, order.placed_by(), *discount, now);
    }
    let amount = order.totals.total;
    if payment.succeed(amount, None, now) == Change::AlreadyApplied {
        return Err(Problem::Conflict.into());
    }
    orders::save_payment(&mut transaction, &payment, read)?;
    let parts: Vec<Part> = aggregate.parts.iter().map(|part| part.value.clone()).collect();
    post(app, &mut transaction, &order.id, Purpose::Capture, capture(report.gateway, amount, &parts)?)?;
    let event = EventKind::OrderPaid { attempt: report.attempt, amount };
    events::append(&mut transaction, order, event, now, app.ids.as_ref())?;
    orders::save(&mut transaction, &aggregate.order)?;
    Ok(Decision { transaction, takes_stock_again: again.is_some() })
}

/// The money pays nothing: it goes back in full.
fn give_back(
    app: &App,
    mut aggregate: OrderAggregate,
    report: &Report,
    reason: RefundReason,
) -> Result<Option<Decision>, Error> {
    let News::Succeeded(amount) = &report.news else { return Ok(None) };
    let (amount, now) = (*amount, app.now());
    let (mut payment, read) = payment_of(app, &aggregate, report);
    if payment.succeed(amount, Some(reason), now) == Change::AlreadyApplied {
        return Ok(None);
    }
    let mut transaction = Transaction::new();
    let wanted = RefundOrder { amount, parts: Vec::new(), destination: Destination::Card, reason };
    let refund = payment.refund(wanted, now)?;
    orders::save_payment(&mut transaction, &payment, read)?;
    refunds::create_with_payment(&mut transaction, &refund)?;
    post(app, &mut transaction, &report.order, Purpose::Unowed, unowed(report.gateway, amount))?;
    let order = &mut aggregate.order.value;
    if order.open_attempt_number() == Some(report.attempt) {
        order.open_attempt = None;
    }
    let event = EventKind::RefundRequested { attempt: report.attempt, number: refund.number, amount, reason };
    events::append(&mut transaction, order, event, now, app.ids.as_ref())?;
    orders::save(&mut transaction, &aggregate.order)?;
    Ok(Some(Decision { transaction, takes_stock_again: false }))
}

fn note_failure(
    app: &App,
    mut aggregate: OrderAggregate,
    report: &Report,
    code: &str,
) -> Result<Option<Decision>, Error> {
    let (mut payment, read) = payment_of(app, &aggregate, report);
    if !matches!(aggregate.order.value.state, OrderState::AwaitingPayment { .. }) {
        return Ok(None);
    }
    payment.last_failure = Some(code.to_owned());
    let mut transaction = Transaction::new();
    orders::save_payment(&mut transaction, &payment, read)?;
    let event = EventKind::PaymentFailed { attempt: report.attempt, code: code.to_owned() };
    events::append(&mut transaction, &mut aggregate.order.value, event, app.now(), app.ids.as_ref())?;
    orders::save(&mut transaction, &aggregate.order)?;
    Ok(Some(Decision { transaction, takes_stock_again: false }))
}

fn end_attempt(app: &App, mut aggregate: OrderAggregate, report: &Report) -> Result<Option<Decision>, Error> {
    let (mut payment, read) = payment_of(app, &aggregate, report);
    if payment.cancel(app.now())? == Change::AlreadyApplied {
        return Ok(None);
    }
    let mut transaction = Transaction::new();
    orders::save_payment(&mut transaction, &payment, read)?;
    if aggregate.order.value.open_attempt_number() == Some(report.attempt) {
        aggregate.order.value.open_attempt = None;
        orders::save(&mut transaction, &aggregate.order)?;
    }
    Ok(Some(Decision { transaction, takes_stock_again: false }))
}

/// Reads what a provider answered into news; nothing while the buyer has not acted.
///
/// # Errors
/// [`Error::Internal`] when it is in a currency we do not trade in.
pub fn news_of(payment: &ProviderPayment) -> Result<Option<News>, Error> {
    match payment.status {
        PaymentStatus::Succeeded => {
            let currency = Currency::parse(&payment.currency)
                .ok_or_else(|| Error::Internal("money in an unknown currency".into()))?;
            Ok(Some(News::Succeeded(Money::try_new(payment.amount_received_minor, currency)?)))
        }
        PaymentStatus::Cancelled => Ok(Some(News::Cancelled)),
        PaymentStatus::AwaitingBuyer
        | PaymentStatus::RequiresAction
        | PaymentStatus::Approved
        | PaymentStatus::Processing => Ok(None),
    }
}
