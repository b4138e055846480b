//! What guests bought, once somebody has proven that the address they gave is theirs.

use sutler_domain::{
    event::EventKind,
    idempotency::{Answer, Once},
    ids::{OrderId, UserId},
    order::Change,
};
use sutler_store::{Transaction, events, orders, orders::OrderAggregate};

use crate::{App, Error, orders::change};

/// How many guests, or orders of a guest, are read at a time.
const PAGE: u16 = 100;

/// Hands the orders of all guests who gave the address of `account` over to it, if the address is proven. Each guest
/// is ended first and then places no order that the list of theirs does not have, so none is missed; doing it again
/// changes nothing. Answers how many orders guests had placed.
///
/// # Errors
/// [`Error`] when the database does not answer; what was handed over stays so.
pub async fn claim_orders(app: &App, account: &UserId) -> Result<usize, Error> {
    let found = app.store.user(account).await?.map(|read| read.value).filter(|user| user.verified);
    let Some(user) = found else { return Ok(0) };
    let mut claimed = 0_usize;
    let mut after = None;
    loop {
        let guests = app.store.guests(&user.email, after.as_ref(), PAGE).await?;
        for guest in &guests {
            if app.store.claim_guest(guest, account).await? {
                claimed = claimed.saturating_add(claim_orders_of(app, guest, account).await?);
            }
        }
        if guests.len() < usize::from(PAGE) {
            return Ok(claimed);
        }
        after = guests.last().cloned();
    }
}

async fn claim_orders_of(app: &App, guest: &UserId, account: &UserId) -> Result<usize, Error> {
    let mut claimed = 0_usize;
    let mut after: Option<OrderId> = None;
    loop {
        let found = app.store.orders_of_guest(guest, after.as_ref(), PAGE).await?;
        for order in &found {
            let once =
                Once { key: None, render: |()| Answer { status: 204, body: String::new() }, at: app.now() };
            change(app, order, &once, |aggregate| decide_claim(app, aggregate, account)).await?;
            tracing::info!(order.id = %order, user.id = %account, "Order {order} belongs to an account");
        }
        claimed = claimed.saturating_add(found.len());
        if found.len() < usize::from(PAGE) {
            return Ok(claimed);
        }
        after = found.last().cloned();
    }
}

/// Nothing to write when the account has it already.
fn decide_claim(
    app: &App,
    mut aggregate: OrderAggregate,
    account: &UserId,
) -> Result<(Transaction, ()), Error> {
    let mut transaction = Transaction::new();
    let order = &mut aggregate.order.value;
    if order.claim(account) == Change::Applied {
        events::append(&mut transaction, order, EventKind::OrderClaimed {}, app.now(), app.ids.as_ref())?;
        orders::save(&mut transaction, &aggregate.order)?;
    }
    Ok((transaction, ()))
}
