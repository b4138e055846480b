//! Giving up orders: by their buyers, and because their time is over.

use sutler_domain::{
    event::EventKind,
    idempotency::{Answer, Once},
    ids::{OrderId, UserId},
    order::{CancelReason, Change, OrderState, Units},
    problem::Problem,
    stock::StockOp,
};
use sutler_store::{
    StoreError, Transaction, events,
    orders::{self, OrderAggregate},
};

use super::change;
use crate::{
    App, Error, coupons,
    refunds::{give_up_paid, give_up_units},
    reservations,
};

/// The buyer gives an order up: unpaid, its stock is released; paid and not shipped, its money goes back. Of a paid
/// order some units that are not shipped can be given up alone.
///
/// # Errors
/// [`Problem::NotFound`] unless it is the caller's, [`Problem::OrderState`] once a part is shipped or when units are
/// named before it is paid, [`Problem::TooManyUnits`] when fewer are open.
pub async fn cancel(
    app: &App,
    id: &OrderId,
    buyer: &UserId,
    lines: Option<&[Units]>,
    once: &Once<OrderAggregate>,
) -> Result<Answer, Error> {
    change(app, id, once, |aggregate| {
        if aggregate.order.value.buyer != *buyer {
            return Err(Problem::NotFound.into());
        }
        match (&aggregate.order.value.state, lines) {
            (_, Some(lines)) => give_up_units(app, aggregate, lines),
            (OrderState::Paid { .. } | OrderState::Refunded { .. }, None) => give_up_paid(app, aggregate),
            (
                OrderState::AwaitingPayment { .. }
                | OrderState::Cancelled { .. }
                | OrderState::Completed { .. },
                None,
            ) => decide_cancel(app, aggregate, CancelReason::Buyer),
        }
    })
    .await
}

/// Releases an order whose time is over; an order that was paid meanwhile is left alone.
///
/// # Errors
/// [`Error`] when the database does not answer.
pub async fn expire(app: &App, id: &OrderId) -> Result<Change, Error> {
    let Some(aggregate) = app.store.order(id).await? else { return Ok(Change::AlreadyApplied) };
    let decided = decide_cancel(app, aggregate, CancelReason::Expired);
    let (transaction, _) = match decided {
        Err(Error::Problem(Problem::OrderState { .. })) => return Ok(Change::AlreadyApplied),
        other => other?,
    };
    if transaction.is_empty() {
        return Ok(Change::AlreadyApplied);
    }
    match app.store.transact(transaction).await {
        Ok(()) => {
            tracing::info!(order.id = %id, "Released expired order {id}");
            Ok(Change::Applied)
        }
        // Somebody paid, cancelled or released it first. The next sweep looks again if it has to.
        Err(StoreError::Refused(_)) => Ok(Change::AlreadyApplied),
        Err(other) => Err(other.into()),
    }
}

/// Releases the stock and the coupon of an unpaid order; nothing to write when it is already cancelled.
fn decide_cancel(
    app: &App,
    mut aggregate: OrderAggregate,
    reason: CancelReason,
) -> Result<(Transaction, OrderAggregate), Error> {
    let now = app.now();
    let mut transaction = Transaction::new();
    let order = &mut aggregate.order.value;
    let open_attempt = order.open_attempt_number();
    if order.cancel(reason, now)? == Change::AlreadyApplied {
        return Ok((transaction, aggregate));
    }
    for part in &mut aggregate.parts {
        part.value.cancel(now)?;
        for line in &part.value.lines {
            let all = (line, line.quantity);
            reservations::give_up(&mut transaction, StockOp::Release, order.placed_by(), all, &order.id);
        }
        orders::save_part(&mut transaction, part)?;
    }
    coupons::give_back(&mut transaction, order);
    let event = EventKind::OrderCancelled { reason, open_attempt };
    events::append(&mut transaction, order, event, now, app.ids.as_ref())?;
    orders::save(&mut transaction, &aggregate.order)?;
    Ok((transaction, aggregate))
}

/// Releases a bounded number of overdue orders of every shard. One that cannot be released does not keep the
/// others from it.
///
/// # Errors
/// The first failure, after all the others were tried; what was released stays released.
pub async fn sweep(app: &App) -> Result<u32, Error> {
    /// How many orders of a shard one sweep looks at; the next sweep goes on.
    const PER_SHARD_MAX: u16 = 200;
    let (mut released, mut failure) = (0_u32, None);
    for shard in 0..orders::DUE_SHARDS {
        for id in app.store.overdue(shard, app.now(), PER_SHARD_MAX).await? {
            match expire(app, &id).await {
                Ok(Change::Applied) => released = released.saturating_add(1),
                Ok(Change::AlreadyApplied) => {}
                Err(error) => {
                    tracing::error!(order.id = %id, "Order {id} could not be released");
                    failure.get_or_insert(error);
                }
            }
        }
    }
    failure.map_or(Ok(released), Err)
}
