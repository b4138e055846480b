//! Money goes back: for units that will not be shipped, for what came back, or of somebody's own accord. What a
//! refund takes is decided here; `refund_calls.rs` asks the provider for it.

use sutler_domain::{
    event::{EventKind, Side},
    idempotency::{Answer, Once},
    ids::{OrderId, SellerId, UserId},
    ledger::{Purpose, refund as refund_legs},
    money::{Money, MoneyError},
    order::{Order, Part, PartState, Units},
    payment::{RefundOrder, RefundReason},
    problem::Problem,
    refund::{Destination, PartRefund, Refund},
    shares::{Shares, available, left_of, paid_for},
    time::Timestamp,
};
use sutler_store::{
    Transaction, Version, Versioned, events,
    orders::{self, OrderAggregate},
    refunds,
};

use crate::{
    App, Error, coupons,
    orders::{change, post},
    units,
};

/// Who wants to give what back.
#[derive(Debug, Clone)]
pub struct RefundWish {
    /// Who asks.
    pub by: UserId,
    /// Whether they may do so for every seller.
    pub staff: bool,
    /// What of.
    pub of: RefundOf,
    /// Where the money goes.
    pub destination: Destination,
}

/// What is to be given back.
#[derive(Debug, Clone)]
pub enum RefundOf {
    /// Units of a part that are not shipped, and an amount beside them.
    Part {
        /// Which part; the caller's own when it is not named.
        seller: Option<SellerId>,
        /// Which units.
        lines: Vec<Units>,
        /// How much besides.
        amount: Option<Money>,
    },
    /// All that is left of a payment that never was the order's.
    Attempt(u32),
}

/// What was given back.
#[derive(Debug, Clone)]
pub struct Refunded {
    /// The refund; none when the units had been paid back before.
    pub refund: Option<Refund>,
    /// The part afterwards.
    pub part: Option<Part>,
}

/// Gives money of an order back. Units named are not shipped any more, and are on sale again.
///
/// # Errors
/// [`Problem::NotFound`] unless a part is the caller's or the caller is staff, [`Problem::OrderState`] unless the order
/// was paid, [`Problem::TooManyUnits`] when less is open, [`Problem::RefundTooLarge`] when less money is left.
pub async fn refund(
    app: &App,
    id: &OrderId,
    wish: &RefundWish,
    once: &Once<Refunded>,
) -> Result<Answer, Error> {
    change(app, id, once, |aggregate| match &wish.of {
        RefundOf::Part { seller, lines, amount } => {
            let at = part_for(&aggregate, &wish.by, wish.staff, seller.as_ref())?;
            refund_part(app, aggregate, at, (lines.as_slice(), *amount), wish.destination)
        }
        RefundOf::Attempt(attempt) if wish.staff => {
            refund_attempt(app, aggregate, *attempt, wish.destination)
        }
        RefundOf::Attempt(_) => Err(Problem::NotFound.into()),
    })
    .await
}

/// The part that the caller may decide about: their own, or for staff the one that is named.
pub(crate) fn part_for(
    aggregate: &OrderAggregate,
    by: &UserId,
    staff: bool,
    named: Option<&SellerId>,
) -> Result<usize, Error> {
    let own = SellerId::of_user(by);
    let wanted = named.unwrap_or(&own);
    let found = aggregate.parts.iter().position(|part| part.value.seller == *wanted);
    let found = found.filter(|_| *wanted == own || staff);
    let missing =
        || if staff && named.is_none() { Problem::field("/part", "missing") } else { Problem::NotFound };
    Ok(found.ok_or_else(missing)?)
}

fn refund_part(
    app: &App,
    mut aggregate: OrderAggregate,
    at: usize,
    (lines, amount): (&[Units], Option<Money>),
    destination: Destination,
) -> Result<(Transaction, Refunded), Error> {
    let now = app.now();
    let mut transaction = Transaction::new();
    let order = &mut aggregate.order.value;
    if order.paid_by().is_none() {
        return Err(Problem::OrderState { state: order.state_name() }.into());
    }
    let part = aggregate.parts.get_mut(at).ok_or(Problem::NotFound)?;
    let mut shares = Shares::zero(order.totals.total.currency());
    if !lines.is_empty() {
        shares = cancel_units(&mut transaction, &mut part.value, order.placed_by(), lines, now)?;
        let (seller, lines) = (part.value.seller.clone(), lines.to_vec());
        let event = EventKind::UnitsCancelled { seller, lines, by: Side::Seller };
        events::append(&mut transaction, order, event, now, app.ids.as_ref())?;
    }
    if let Some(amount) = amount {
        shares = shares.try_add(&take_amount(&mut part.value, amount)?)?;
    }
    orders::save_part(&mut transaction, part)?;
    let changed = part.value.clone();
    if !lines.is_empty() {
        give_coupon_back(&mut transaction, &aggregate);
    }
    let reason = if lines.is_empty() { RefundReason::Goodwill } else { RefundReason::NotSent };
    let back = vec![PartRefund { seller: changed.seller.clone(), shares }];
    let refund = give_back(app, &mut transaction, &mut aggregate, back, (destination, reason))?;
    complete(app, &mut transaction, &mut aggregate, now)?;
    orders::save(&mut transaction, &aggregate.order)?;
    Ok((transaction, Refunded { refund, part: Some(changed) }))
}

/// Money of a payment that was not the order's, and that the provider could not give back before.
fn refund_attempt(
    app: &App,
    mut aggregate: OrderAggregate,
    attempt: u32,
    destination: Destination,
) -> Result<(Transaction, Refunded), Error> {
    let found = aggregate.payments.iter_mut().find(|payment| payment.value.attempt == attempt);
    let payment = found.ok_or_else(|| Problem::field("/attempt", "unknown"))?;
    let left = payment.value.state.balance().map(sutler_domain::payment::Balance::refundable);
    let reason = payment.value.unowed().ok_or_else(|| Problem::field("/attempt", "pays-the-order"))?;
    let amount = left.filter(|left| !left.is_zero()).ok_or(Problem::OrderState { state: "refunded" })?;
    refuse_wallet_of_guest(&aggregate.order.value, destination)?;
    let mut transaction = Transaction::new();
    let wanted = RefundOrder { amount, parts: Vec::new(), destination, reason };
    let refund = payment.value.refund(wanted, app.now())?;
    refunds::create(&mut transaction, &refund, payment)?;
    if destination == Destination::Wallet {
        let legs = refund_legs(&[], amount, destination, &aggregate.order.value.buyer);
        post(app, &mut transaction, &refund.order, Purpose::Refund, legs)?;
    }
    announce(app, &mut transaction, &mut aggregate, &refund)?;
    orders::save(&mut transaction, &aggregate.order)?;
    Ok((transaction, Refunded { refund: Some(refund), part: None }))
}

/// The buyer does not want some units any more that are paid and not shipped.
///
/// # Errors
/// [`Problem::Invalid`] naming a line that the order does not have, and the refusals of its parts.
pub(crate) fn give_up_units(
    app: &App,
    mut aggregate: OrderAggregate,
    wanted: &[Units],
) -> Result<(Transaction, OrderAggregate), Error> {
    let now = app.now();
    let order = &mut aggregate.order.value;
    if order.paid_by().is_none() {
        return Err(Problem::OrderState { state: order.state_name() }.into());
    }
    for (at, units) in wanted.iter().enumerate() {
        if aggregate.parts.iter().all(|part| part.value.line(units).is_none()) {
            return Err(Problem::field(format!("/lines/{at}/variant"), "unknown").into());
        }
    }
    let (mut transaction, mut back) = (Transaction::new(), Vec::new());
    for part in &mut aggregate.parts {
        let own = wanted.iter().filter(|units| part.value.line(units).is_some());
        let lines: Vec<Units> = own.cloned().collect();
        if lines.is_empty() {
            continue;
        }
        let shares = cancel_units(&mut transaction, &mut part.value, order.placed_by(), &lines, now)?;
        orders::save_part(&mut transaction, part)?;
        let seller = part.value.seller.clone();
        back.push(PartRefund { seller: seller.clone(), shares });
        let event = EventKind::UnitsCancelled { seller, lines, by: Side::Buyer };
        events::append(&mut transaction, order, event, now, app.ids.as_ref())?;
    }
    give_coupon_back(&mut transaction, &aggregate);
    give_back(app, &mut transaction, &mut aggregate, back, (Destination::Card, RefundReason::Cancelled))?;
    complete(app, &mut transaction, &mut aggregate, now)?;
    orders::save(&mut transaction, &aggregate.order)?;
    Ok((transaction, aggregate))
}

/// The buyer takes a whole paid order back, as long as nothing was shipped: goods to the shelf, money on its way.
/// Nothing to write when that was done before.
///
/// # Errors
/// [`Problem::OrderState`] once a part is shipped.
pub(crate) fn give_up_paid(
    app: &App,
    mut aggregate: OrderAggregate,
) -> Result<(Transaction, OrderAggregate), Error> {
    let now = app.now();
    let (mut transaction, mut back) = (Transaction::new(), Vec::new());
    let cancelled = |part: &Versioned<Part>| matches!(part.value.state, PartState::Cancelled { .. });
    if aggregate.parts.iter().all(cancelled) {
        return Ok((transaction, aggregate));
    }
    for part in &mut aggregate.parts {
        let open = part.value.open_units();
        part.value.cancel(now)?;
        if open.is_empty() {
            continue;
        }
        units::restock(&mut transaction, &part.value, aggregate.order.value.placed_by(), &open);
        let shares = take_all(&mut part.value)?;
        orders::save_part(&mut transaction, part)?;
        back.push(PartRefund { seller: part.value.seller.clone(), shares });
    }
    let order = &mut aggregate.order.value;
    let amount = order.totals.total.try_sub(order.refunded)?;
    let event = EventKind::OrderRefunded { amount };
    events::append(&mut transaction, order, event, now, app.ids.as_ref())?;
    give_coupon_back(&mut transaction, &aggregate);
    give_back(app, &mut transaction, &mut aggregate, back, (Destination::Card, RefundReason::Cancelled))?;
    orders::save(&mut transaction, &aggregate.order)?;
    Ok((transaction, aggregate))
}

/// Counts units as cancelled, puts them on sale, and takes what was paid for them; with the last units of a part of
/// which nothing was shipped, all that was paid for it.
fn cancel_units(
    transaction: &mut Transaction,
    part: &mut Part,
    buyer: &UserId,
    lines: &[Units],
    now: Timestamp,
) -> Result<Shares, Error> {
    part.cancel_units(lines, now)?;
    units::restock(transaction, part, buyer, lines);
    if matches!(part.state, PartState::Cancelled { .. }) { take_all(part) } else { take_units(part, lines) }
}

/// Lets the buyer have the coupon again once the last units of an order were cancelled and none was ever sent. Called
/// where units were just cancelled, so once per order.
fn give_coupon_back(transaction: &mut Transaction, aggregate: &OrderAggregate) {
    let cancelled = |part: &Versioned<Part>| matches!(part.value.state, PartState::Cancelled { .. });
    if aggregate.parts.iter().all(cancelled) {
        coupons::give_back(transaction, &aggregate.order.value);
    }
}

fn take_all(part: &mut Part) -> Result<Shares, Error> {
    let left = left_of(part)?;
    part.refunded = part.refunded.try_add(&left)?;
    Ok(left)
}

/// Takes what was paid for units that have just been counted as cancelled or returned.
pub(crate) fn take_units(part: &mut Part, lines: &[Units]) -> Result<Shares, Error> {
    let mut paid = Shares::zero(part.totals.total.currency());
    for units in lines {
        let line = part.line(units).ok_or_else(|| Error::Internal("a line that is not there".into()))?;
        let before = line.progress.paid_back().saturating_sub(units.quantity);
        paid = paid.try_add(&paid_for(part, line)?.of_units(line.quantity, before, units.quantity)?)?;
    }
    let taken = available(&left_of(part)?, &paid)?;
    part.refunded = part.refunded.try_add(&taken)?;
    Ok(taken)
}

fn take_amount(part: &mut Part, amount: Money) -> Result<Shares, Error> {
    let left = left_of(part)?;
    let refundable = left.total()?;
    let taken = left.first(amount).map_err(|error| match error {
        MoneyError::OutOfRange => Problem::RefundTooLarge { refundable },
        MoneyError::CurrencyMismatch { .. } => Problem::field("/amount/currency", "currency-mismatch"),
    })?;
    part.refunded = part.refunded.try_add(&taken)?;
    Ok(taken)
}

/// Lowers what is left of the payment by what was taken from parts, in the transaction that notes the refund, posts it
/// and tells of it. The caller writes parts and order.
pub(crate) fn give_back(
    app: &App,
    transaction: &mut Transaction,
    aggregate: &mut OrderAggregate,
    parts: Vec<PartRefund>,
    (destination, reason): (Destination, RefundReason),
) -> Result<Option<Refund>, Error> {
    let now = app.now();
    let order = &mut aggregate.order.value;
    let (mut amount, mut is_nothing) = (Money::zero(order.totals.total.currency()), true);
    for part in &parts {
        amount = amount.try_add(part.shares.total()?)?;
        is_nothing &= part.shares.is_nothing()?;
    }
    // What the platform alone had paid for is taken from its seller as well, though no money goes back.
    if is_nothing {
        return Ok(None);
    }
    refuse_wallet_of_guest(order, destination)?;
    let attempt = order.refund(amount, now)?;
    let found = aggregate.payments.iter_mut().find(|payment| payment.value.attempt == attempt);
    let payment = found.ok_or_else(|| Error::Internal("the paying attempt has no record".into()))?;
    let refund = payment.value.refund(RefundOrder { amount, parts, destination, reason }, now)?;
    refunds::create(transaction, &refund, payment)?;
    let legs = refund_legs(&refund.parts, amount, destination, &order.buyer);
    post(app, transaction, &refund.order, Purpose::Refund, legs)?;
    announce(app, transaction, aggregate, &refund)?;
    aggregate.refunds.push(Versioned { value: refund.clone(), version: Version::FIRST });
    Ok(Some(refund))
}

/// Money in the wallet of a guest would be nobody's once the guest's session ends.
fn refuse_wallet_of_guest(order: &Order, destination: Destination) -> Result<(), Problem> {
    if destination == Destination::Wallet && order.is_a_guests() {
        return Err(Problem::field("/destination", "not-for-guests"));
    }
    Ok(())
}

/// Tells the worker that asks the provider, or the buyer that the money is there.
fn announce(
    app: &App,
    transaction: &mut Transaction,
    aggregate: &mut OrderAggregate,
    refund: &Refund,
) -> Result<(), Error> {
    let Refund { attempt, number, amount, reason, destination, .. } = *refund;
    if amount.is_zero() {
        return Ok(());
    }
    let event = match destination {
        Destination::Card => EventKind::RefundRequested { attempt, number, amount, reason },
        Destination::Wallet => EventKind::PaymentRefunded { attempt, number, amount, reason, destination },
    };
    let order = &mut aggregate.order.value;
    Ok(events::append(transaction, order, event, app.now(), app.ids.as_ref())?)
}

/// Completes an order of which nothing is still to be sent or on its way, unless nothing was sent at all.
pub(crate) fn complete(
    app: &App,
    transaction: &mut Transaction,
    aggregate: &mut OrderAggregate,
    now: Timestamp,
) -> Result<(), Error> {
    let ended = aggregate.parts.iter().all(|part| part.value.state.has_ended());
    let sent = |part: &Versioned<Part>| !matches!(part.value.state, PartState::Cancelled { .. });
    let order = &mut aggregate.order.value;
    if ended
        && aggregate.parts.iter().any(sent)
        && order.complete(now)? == sutler_domain::order::Change::Applied
    {
        let event = EventKind::OrderCompleted {};
        events::append(transaction, order, event, now, app.ids.as_ref())?;
    }
    Ok(())
}
