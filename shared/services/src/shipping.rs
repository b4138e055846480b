//! Sellers ship their parts; buyers confirm that they arrived.

use sutler_domain::{
    event::EventKind,
    idempotency::{Answer, Once},
    ids::{OrderId, SellerId, UserId},
    order::{Change, Part, PartState},
    problem::Problem,
    shipment::Tracking,
    stock::StockOp,
};
use sutler_store::{Transaction, events, orders, stock};

use crate::{App, Error, orders::change};

/// Hands the seller's own part to a carrier; the goods leave the stock.
///
/// # Errors
/// [`Problem::NotFound`] unless the part is the caller's, [`Problem::OrderState`] unless it is to be shipped.
pub async fn ship(
    app: &App,
    id: &OrderId,
    seller: &SellerId,
    tracking: &Tracking,
    once: &Once<Part>,
) -> Result<Answer, Error> {
    change(app, id, once, |mut aggregate| {
        let now = app.now();
        let own = aggregate.parts.iter_mut().find(|part| part.value.seller == *seller);
        let part = own.ok_or(Problem::NotFound)?;
        let mut transaction = Transaction::new();
        if part.value.ship(tracking.carrier(), tracking.number(), now)? == Change::Applied {
            for line in &part.value.lines {
                stock::move_line(&mut transaction, StockOp::Ship, line, id.as_str());
            }
            orders::save_part(&mut transaction, part)?;
            let event = EventKind::PartShipped { seller: seller.clone() };
            events::append(&mut transaction, &mut aggregate.order.value, event, now, app.ids.as_ref())?;
            orders::save(&mut transaction, &aggregate.order)?;
        }
        Ok((transaction, part.value.clone()))
    })
    .await
}

/// The buyer says that a part arrived; the last one completes the order.
///
/// # Errors
/// [`Problem::NotFound`] unless the order is the caller's, [`Problem::OrderState`] unless the part is on its way.
pub async fn confirm_delivery(
    app: &App,
    id: &OrderId,
    seller: &SellerId,
    buyer: &UserId,
    once: &Once<Part>,
) -> Result<Answer, Error> {
    change(app, id, once, |mut aggregate| {
        let now = app.now();
        if aggregate.order.value.buyer != *buyer {
            return Err(Problem::NotFound.into());
        }
        let own = aggregate.parts.iter_mut().find(|part| part.value.seller == *seller);
        let part = own.ok_or(Problem::NotFound)?;
        let mut transaction = Transaction::new();
        let change = part.value.deliver(now)?;
        let delivered = part.value.clone();
        if change == Change::Applied {
            orders::save_part(&mut transaction, part)?;
            let order = &mut aggregate.order.value;
            let event = EventKind::PartDelivered { seller: seller.clone() };
            events::append(&mut transaction, order, event, now, app.ids.as_ref())?;
            let all =
                aggregate.parts.iter().all(|part| matches!(part.value.state, PartState::Delivered { .. }));
            if all && order.complete(now)? == Change::Applied {
                let event = EventKind::OrderCompleted {};
                events::append(&mut transaction, order, event, now, app.ids.as_ref())?;
            }
            orders::save(&mut transaction, &aggregate.order)?;
        }
        Ok((transaction, delivered))
    })
    .await
}
