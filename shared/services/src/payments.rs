//! Paying orders. Whatever tells us that money came (webhook, poll, answer to a cancellation) ends in
//! [`finalise`], which decides once what the money is for.

use sutler_domain::{
    event::EventKind,
    ids::{OrderId, UserId},
    ledger::{Purpose, capture, unowed},
    money::{Currency, Money},
    order::{Change, Order, OrderState, Part},
    payment::{Payment, PaymentState, RefundOrder, RefundReason},
    problem::Problem,
    refund::Destination,
};
use sutler_gateways::payment::{
    GatewayError, PaymentGateway, PaymentStatus, ProviderPayment, StartPayment, StartedPayment,
};
use sutler_store::{
    StoreError, Transaction, Version, Versioned,
    codec::decode,
    events, inbox,
    orders::{self, OrderAggregate},
    refunds, stock,
};

use crate::{App, Error, orders::post, refund_calls::refund};

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
        GatewayError::Rejected(source) => Error::Internal(source),
    }
}

/// A payment that the buyer can now carry out.
#[derive(Debug, Clone)]
pub struct Started {
    /// The attempt's number.
    pub attempt: u32,
    /// What it is for.
    pub amount: Money,
    /// What the provider answered; the client secret is for the buyer alone.
    pub payment: StartedPayment,
}

/// Opens the order's payment, or answers the one that is open: one claim, one call of the provider under a key
/// of ours, one record. Repeating it after a crash at any point leads to the same payment.
///
/// # Errors
/// [`Problem::NotFound`] unless the order is the caller's, [`Problem::OrderState`] unless it waits for payment,
/// [`Problem::PaymentInProgress`] when another provider has an attempt open.
pub async fn start(
    app: &App,
    gateway: &dyn PaymentGateway,
    id: &OrderId,
    buyer: &UserId,
) -> Result<Started, Error> {
    let order = claim(app, gateway.gateway(), id, buyer).await?;
    let request = start_request(&order, order.attempts);
    let payment = gateway.start(&request).await.map_err(gateway_error)?;
    let record = Payment {
        order: order.id.clone(),
        attempt: order.attempts,
        gateway: gateway.gateway().to_owned(),
        provider_id: payment.provider_id.clone(),
        amount: order.totals.total,
        state: PaymentState::RequiresAction,
        refunds: 0,
        last_failure: None,
        started_at: app.now(),
    };
    let mut transaction = Transaction::new();
    orders::create_payment(&mut transaction, &record)?;
    match app.store.transact(transaction).await {
        // Refused: an earlier run of this call, or the webhook, has recorded it.
        Ok(()) | Err(StoreError::Refused(_)) => {}
        Err(other) => return Err(other.into()),
    }
    tracing::info!(order.id = %id, payment.attempt = order.attempts, "Started payment of {id}");
    Ok(Started { attempt: order.attempts, amount: order.totals.total, payment })
}

fn start_request(order: &Order, attempt: u32) -> StartPayment {
    StartPayment {
        order_id: order.id.to_string(),
        attempt,
        amount_minor: order.totals.total.minor(),
        currency: order.totals.total.currency().code().to_owned(),
        description: format!("Order {}", order.id),
    }
}

/// Claims the next attempt, or finds the one that is already claimed.
async fn claim(app: &App, gateway: &str, id: &OrderId, buyer: &UserId) -> Result<Order, Error> {
    let now = app.now();
    let (key, change) = orders::claim_attempt(id, buyer, gateway, now)?;
    let item = match app.store.update(&key, &change).await {
        Ok(item) => return Ok(decode::<Order>(&item)?.value),
        Err(StoreError::Refused(refusal)) => refusal.first().cloned().ok_or(Problem::NotFound)?,
        Err(other) => return Err(other.into()),
    };
    let order = decode::<Order>(&item)?.value;
    if order.buyer != *buyer {
        return Err(Problem::NotFound.into());
    }
    let OrderState::AwaitingPayment { expires_at } = &order.state else {
        return Err(Problem::OrderState { state: order.state.name() }.into());
    };
    if *expires_at <= now {
        return Err(Problem::OrderState { state: "expired" }.into());
    }
    match &order.open_attempt {
        Some(open) if open.gateway == gateway => Ok(order),
        Some(_) => Err(Problem::PaymentInProgress.into()),
        None => Err(Problem::Conflict.into()),
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
        let Some(mut decision) = decide(app, aggregate.clone(), report)? else {
            return Ok(Change::AlreadyApplied);
        };
        if let Some(outcome) = carry_out(app, &mut decision, report).await? {
            return Ok(outcome);
        }
        // The goods of a cancelled order are gone, or somebody was faster. Only the former has another way.
        if decision.takes_stock_again
            && let Some(mut refund) = give_back(app, aggregate, report, RefundReason::Late)?
            && let Some(outcome) = carry_out(app, &mut refund, report).await?
        {
            return Ok(outcome);
        }
        tracing::warn!(order.id = %report.order, "Lost a race to finalise a payment of {}", report.order);
    }
    Err(StoreError::Unavailable("too many lost races".into()).into())
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

fn decide(app: &App, aggregate: OrderAggregate, report: &Report) -> Result<Option<Decision>, Error> {
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
                OrderState::AwaitingPayment { .. } => accept(app, aggregate, report, false).map(Some),
                OrderState::Cancelled { .. } => accept(app, aggregate, report, true).map(Some),
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
                last_failure: None,
                started_at: app.now(),
            },
            None,
        ),
    }
}

/// The money pays the order: reserved goods are committed, or those of a cancelled order taken once more.
fn accept(app: &App, mut aggregate: OrderAggregate, report: &Report, again: bool) -> Result<Decision, Error> {
    let now = app.now();
    let (mut payment, read) = payment_of(app, &aggregate, report);
    let mut transaction = Transaction::new();
    let order = &mut aggregate.order.value;
    let change =
        if again { order.reinstate(report.attempt, now)? } else { order.pay(report.attempt, now)? };
    if change == Change::AlreadyApplied {
        return Err(Problem::Conflict.into());
    }
    for part in &mut aggregate.parts {
        part.value.release_to_seller()?;
        for line in &part.value.lines {
            let change = if again { stock::take } else { stock::commit };
            let (key, change) = change(&line.variant, line.quantity, order.id.as_str());
            transaction.update(key, change);
        }
        orders::save_part(&mut transaction, part)?;
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
    Ok(Decision { transaction, takes_stock_again: again })
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
    let order = &mut aggregate.order.value;
    if order.open_attempt_number() == Some(report.attempt) {
        order.open_attempt = None;
    }
    post(app, &mut transaction, &report.order, Purpose::Unowed, unowed(report.gateway, amount))?;
    let wanted = RefundOrder { amount, parts: Vec::new(), destination: Destination::Card, reason };
    let refund = payment.refund(wanted, now)?;
    orders::save_payment(&mut transaction, &payment, read)?;
    refunds::create_with_payment(&mut transaction, &refund)?;
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
        PaymentStatus::AwaitingBuyer | PaymentStatus::RequiresAction | PaymentStatus::Processing => Ok(None),
    }
}

/// Makes the open attempt of a cancelled order unpayable. If the buyer was faster, the money is dealt with.
///
/// # Errors
/// [`Error`] when provider or database do not answer; the command is then repeated.
pub async fn close_attempt(
    app: &App,
    gateway: &dyn PaymentGateway,
    id: &OrderId,
    attempt: u32,
) -> Result<Change, Error> {
    let Some(aggregate) = app.store.order(id).await? else { return Ok(Change::AlreadyApplied) };
    let provider_id = match aggregate.payment(attempt) {
        Some(known) if known.value.state != PaymentState::RequiresAction => {
            return Ok(Change::AlreadyApplied);
        }
        Some(known) => known.value.provider_id.clone(),
        // The call that opened it did not come back to record it. Its key leads to the same payment.
        None => {
            let request = start_request(&aggregate.order.value, attempt);
            gateway.start(&request).await.map_err(gateway_error)?.provider_id
        }
    };
    let key = format!("{id}/{attempt}/cancel");
    let answered = gateway.cancel(&provider_id, &key).await.map_err(gateway_error)?;
    let Some(news) = news_of(&answered)? else {
        return Err(Error::Internal("a cancelled payment is still open".into()));
    };
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
pub async fn resolve_all(app: &App, gateway: &dyn PaymentGateway) -> Result<u32, Error> {
    /// How many payments of a shard one run looks at; the next run goes on.
    const PER_SHARD_MAX: u16 = 100;
    let before = app.now().plus_seconds(-ASK_AFTER_S);
    let (mut resolved, mut failure) = (0_u32, None);
    for shard in 0..orders::DUE_SHARDS {
        for (id, attempt) in app.store.undecided_payments(shard, before, PER_SHARD_MAX).await? {
            match resolve(app, gateway, &id, attempt).await {
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
            match resolve_refund(app, gateway, &id, (attempt, number)).await {
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

/// Asks again for a refund of this provider's.
async fn resolve_refund(
    app: &App,
    gateway: &dyn PaymentGateway,
    id: &OrderId,
    (attempt, number): (u32, u32),
) -> Result<Change, Error> {
    let Some(aggregate) = app.store.order(id).await? else { return Ok(Change::AlreadyApplied) };
    match aggregate.payment(attempt).filter(|payment| payment.value.gateway == gateway.gateway()) {
        Some(_) => refund(app, gateway, id, attempt, number).await,
        None => Ok(Change::AlreadyApplied),
    }
}

/// Brings one payment on: its end at the provider, or the news we missed.
async fn resolve(
    app: &App,
    gateway: &dyn PaymentGateway,
    id: &OrderId,
    attempt: u32,
) -> Result<Change, Error> {
    let Some(aggregate) = app.store.order(id).await? else { return Ok(Change::AlreadyApplied) };
    let known = aggregate.payment(attempt).filter(|payment| payment.value.gateway == gateway.gateway());
    let Some(Versioned { value: payment, .. }) = known else { return Ok(Change::AlreadyApplied) };
    match &payment.state {
        PaymentState::Succeeded { .. } | PaymentState::Cancelled { .. } => Ok(Change::AlreadyApplied),
        PaymentState::RequiresAction
            if !matches!(aggregate.order.value.state, OrderState::AwaitingPayment { .. }) =>
        {
            close_attempt(app, gateway, id, attempt).await
        }
        PaymentState::RequiresAction => {
            let found = gateway.look_up(&payment.provider_id).await.map_err(gateway_error)?;
            let Some(news) = news_of(&found)? else { return Ok(Change::AlreadyApplied) };
            let provider_id = payment.provider_id.clone();
            let report = Report {
                gateway: gateway.gateway(),
                message: None,
                order: id.clone(),
                attempt,
                provider_id,
                news,
            };
            finalise(app, &report).await
        }
    }
}

/// Carries out what an event asks of the provider; other events ask nothing.
///
/// # Errors
/// [`Error`] when provider or database do not answer; the message is then repeated.
pub async fn obey(
    app: &App,
    gateway: &dyn PaymentGateway,
    order: &OrderId,
    event: &EventKind,
) -> Result<Change, Error> {
    match event {
        EventKind::RefundRequested { attempt, number, .. } => {
            refund(app, gateway, order, *attempt, *number).await
        }
        EventKind::OrderCancelled { open_attempt: Some(attempt), .. } => {
            close_attempt(app, gateway, order, *attempt).await
        }
        EventKind::OrderCancelled { open_attempt: None, .. }
        | EventKind::OrderPlaced { .. }
        | EventKind::OrderPaid { .. }
        | EventKind::OrderRefunded { .. }
        | EventKind::OrderCompleted {}
        | EventKind::PaymentFailed { .. }
        | EventKind::PaymentRefunded { .. }
        | EventKind::RefundFailed { .. }
        | EventKind::UnitsCancelled { .. }
        | EventKind::PartShipped { .. }
        | EventKind::PartDelivered { .. }
        | EventKind::ReturnRequested { .. }
        | EventKind::ReturnApproved { .. }
        | EventKind::ReturnRejected { .. }
        | EventKind::ReturnReceived { .. }
        | EventKind::VerificationRequested { .. } => Ok(Change::AlreadyApplied),
    }
}
