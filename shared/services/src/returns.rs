//! Buyers send goods back; sellers agree or not, and pay back what they have received.

use sutler_domain::{
    event::EventKind,
    idempotency::{Answer, Once},
    ids::{OrderId, ReturnId, UserId},
    order::{Change, Part, Units},
    payment::RefundReason,
    problem::Problem,
    refund::{Destination, PartRefund, Refund},
    returns::{RETURNS_MAX, Return, ReturnState},
};
use sutler_store::{
    Transaction, Versioned, events,
    orders::{self, OrderAggregate},
    refunds,
};

use crate::{
    App, Error,
    orders::change,
    refunds::{complete, give_back, part_for, take_units},
    units,
};

/// A return, and what was paid back for it.
#[derive(Debug, Clone)]
pub struct Returned {
    /// The return.
    pub sent_back: Return,
    /// The refund, once it was received, unless everything had been paid back before.
    pub refund: Option<Refund>,
}

/// The buyer wants to send units of one part back.
///
/// # Errors
/// [`Problem::NotFound`] unless the order is the caller's, [`Problem::TooManyUnits`] when less was delivered in the
/// last thirty days and is not on its way back, [`Problem::Invalid`] when lines are of several sellers.
pub async fn request(
    app: &App,
    id: &OrderId,
    buyer: &UserId,
    (lines, reason): (&[Units], &str),
    once: &Once<Returned>,
) -> Result<Answer, Error> {
    change(app, id, once, |mut aggregate| {
        if aggregate.order.value.buyer != *buyer {
            return Err(Problem::NotFound.into());
        }
        let now = app.now();
        if aggregate.returns.len() >= usize::from(RETURNS_MAX) {
            return Err(Problem::LimitReached { what: "returns", max: u32::from(RETURNS_MAX) }.into());
        }
        let order = &mut aggregate.order.value;
        let at = same_part(&aggregate.parts, lines)?;
        let part = aggregate.parts.get_mut(at).ok_or(Problem::NotFound)?;
        part.value.request_return(lines, now)?;
        let seller = part.value.seller.clone();
        let place = order.sellers.iter().position(|other| *other == seller);
        let place = place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX);
        let number = ReturnId::of(&order.id, place, part.value.returns);
        let sent_back = Return {
            id: number.ok_or_else(|| Error::Internal("a return has no number".into()))?,
            order: order.id.clone(),
            seller: seller.clone(),
            lines: lines.to_vec(),
            reason: reason.to_owned(),
            state: ReturnState::Requested,
            requested_at: now,
        };
        let mut transaction = Transaction::new();
        orders::save_part(&mut transaction, part)?;
        refunds::create_return(&mut transaction, &sent_back)?;
        let event = EventKind::ReturnRequested { seller, id: sent_back.id.clone() };
        events::append(&mut transaction, order, event, now, app.ids.as_ref())?;
        orders::save(&mut transaction, &aggregate.order)?;
        Ok((transaction, Returned { sent_back, refund: None }))
    })
    .await
}

/// The one part that has all these lines.
fn same_part(parts: &[Versioned<Part>], lines: &[Units]) -> Result<usize, Error> {
    let of = |units: &Units| parts.iter().position(|part| part.value.line(units).is_some());
    let first = lines.first().and_then(of);
    for (at, units) in lines.iter().enumerate() {
        let code = match of(units) {
            None => "unknown",
            found if found != first => "of-another-seller",
            Some(_) => continue,
        };
        return Err(Problem::field(format!("/lines/{at}/variant"), code).into());
    }
    Ok(first.ok_or_else(|| Problem::field("/lines", "empty"))?)
}

/// Who decides about a return.
#[derive(Debug, Clone)]
pub struct Decider {
    /// Who asks.
    pub by: UserId,
    /// Whether they may do so for every seller.
    pub staff: bool,
}

/// The seller agrees to a return.
///
/// # Errors
/// [`Problem::NotFound`] unless the part is the caller's or the caller is staff, [`Problem::OrderState`] once it was
/// rejected or received.
pub async fn approve(
    app: &App,
    id: &ReturnId,
    decider: &Decider,
    once: &Once<Returned>,
) -> Result<Answer, Error> {
    change(app, &id.order(), once, |aggregate| {
        let (mut sent_back, _) = found(&aggregate, id, decider)?;
        let mut transaction = Transaction::new();
        if sent_back.value.approve(app.now())? == Change::Applied {
            let seller = sent_back.value.seller.clone();
            let event = EventKind::ReturnApproved { seller, id: id.clone() };
            save(app, &mut transaction, aggregate, &sent_back, event)?;
        }
        Ok((transaction, Returned { sent_back: sent_back.value, refund: None }))
    })
    .await
}

/// The seller does not agree to a return.
///
/// # Errors
/// [`Problem::NotFound`] unless the part is the caller's or the caller is staff, [`Problem::OrderState`] once it was
/// approved or received.
pub async fn reject(
    app: &App,
    id: &ReturnId,
    decider: &Decider,
    once: &Once<Returned>,
) -> Result<Answer, Error> {
    change(app, &id.order(), once, |mut aggregate| {
        let (mut sent_back, at) = found(&aggregate, id, decider)?;
        let now = app.now();
        let mut transaction = Transaction::new();
        if sent_back.value.reject(now)? == Change::Applied {
            let part = aggregate.parts.get_mut(at).ok_or(Problem::NotFound)?;
            part.value.end_return(&sent_back.value.lines, false, now)?;
            orders::save_part(&mut transaction, part)?;
            let seller = sent_back.value.seller.clone();
            let event = EventKind::ReturnRejected { seller, id: id.clone() };
            save(app, &mut transaction, aggregate, &sent_back, event)?;
        }
        Ok((transaction, Returned { sent_back: sent_back.value, refund: None }))
    })
    .await
}

/// The seller has the goods again: those that are sellable are on sale once more, and the buyer's money goes back, in
/// one step.
///
/// # Errors
/// [`Problem::NotFound`] unless the part is the caller's own, [`Problem::OrderState`] unless it was approved,
/// [`Problem::TooManyUnits`] when more is sellable than was sent back.
pub async fn receive(
    app: &App,
    id: &ReturnId,
    seller: &UserId,
    (sellable, destination): (&[Units], Destination),
    once: &Once<Returned>,
) -> Result<Answer, Error> {
    let decider = Decider { by: seller.clone(), staff: false };
    change(app, &id.order(), once, |mut aggregate| {
        let (mut sent_back, at) = found(&aggregate, id, &decider)?;
        let now = app.now();
        let mut transaction = Transaction::new();
        if sent_back.value.receive(sellable, now)? == Change::AlreadyApplied {
            return Ok((transaction, Returned { sent_back: sent_back.value, refund: None }));
        }
        let part = aggregate.parts.get_mut(at).ok_or(Problem::NotFound)?;
        let lines = &sent_back.value.lines;
        part.value.end_return(lines, true, now)?;
        units::take_back(&mut transaction, &part.value, sellable);
        let shares = take_units(&mut part.value, lines)?;
        orders::save_part(&mut transaction, part)?;
        let seller = sent_back.value.seller.clone();
        let event = EventKind::ReturnReceived { seller: seller.clone(), id: id.clone() };
        events::append(&mut transaction, &mut aggregate.order.value, event, now, app.ids.as_ref())?;
        let back = vec![PartRefund { seller, shares }];
        let why = (destination, RefundReason::Returned);
        let refund = give_back(app, &mut transaction, &mut aggregate, back, why)?;
        complete(app, &mut transaction, &mut aggregate, now)?;
        refunds::save_return(&mut transaction, &sent_back)?;
        orders::save(&mut transaction, &aggregate.order)?;
        Ok((transaction, Returned { sent_back: sent_back.value, refund }))
    })
    .await
}

/// The return and the place of its part, if the caller decides about it.
fn found(
    aggregate: &OrderAggregate,
    id: &ReturnId,
    decider: &Decider,
) -> Result<(Versioned<Return>, usize), Error> {
    let sent_back = aggregate.returns.iter().find(|sent_back| sent_back.value.id == *id);
    let sent_back = sent_back.ok_or(Problem::NotFound)?;
    let at = part_for(aggregate, &decider.by, decider.staff, Some(&sent_back.value.seller))?;
    Ok((sent_back.clone(), at))
}

fn save(
    app: &App,
    transaction: &mut Transaction,
    mut aggregate: OrderAggregate,
    sent_back: &Versioned<Return>,
    event: EventKind,
) -> Result<(), Error> {
    refunds::save_return(transaction, sent_back)?;
    events::append(transaction, &mut aggregate.order.value, event, app.now(), app.ids.as_ref())?;
    orders::save(transaction, &aggregate.order)?;
    Ok(())
}
