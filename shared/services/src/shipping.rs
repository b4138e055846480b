//! Sellers ship their parts, at once or in several shipments; buyers confirm that they arrived.

use sutler_domain::{
    event::{EventKind, Witness},
    idempotency::{Answer, Once},
    ids::{LabelId, OrderId, SellerId, ShipmentId, UserId},
    label::LabelState,
    order::{Part, Units},
    problem::Problem,
    shipment::Tracking,
};
use sutler_store::{Transaction, carriage, events, orders};

use crate::{App, Error, orders::change, refunds::complete, units};

/// How something is sent.
#[derive(Debug, Clone)]
pub enum SentBy {
    /// With a carrier of the seller's own, under its number.
    Own(Tracking),
    /// With a label that was bought here.
    Label(LabelId),
}

/// What a seller hands to a carrier.
#[derive(Debug, Clone)]
pub struct NewShipment {
    /// How it is sent.
    pub by: SentBy,
    /// Which units; all that are open when none are named.
    pub lines: Option<Vec<Units>>,
}

/// Hands the seller's own part, or some of it, to a carrier; the goods leave the stock.
///
/// # Errors
/// [`Problem::NotFound`] unless the part is the caller's, [`Problem::OrderState`] unless something is to be shipped and
/// the label is there to be used, [`Problem::TooManyUnits`] when less is, [`Problem::Taken`] when the number or the label
/// was used.
pub async fn ship(
    app: &App,
    id: &OrderId,
    seller: &SellerId,
    parcel: &NewShipment,
    once: &Once<Part>,
) -> Result<Answer, Error> {
    change(app, id, once, |mut aggregate| {
        let now = app.now();
        let order = &mut aggregate.order.value;
        let place = order.sellers.iter().position(|other| other == seller);
        let place = place.and_then(|place| u8::try_from(place).ok()).ok_or(Problem::NotFound)?;
        let own = aggregate.parts.iter_mut().find(|part| part.value.seller == *seller);
        let part = own.ok_or(Problem::NotFound)?;
        let mut transaction = Transaction::new();
        let (tracking, label) = means_of(&part.value, &parcel.by)?;
        let means = (&tracking, label);
        let shipped = part.value.ship(place, means, parcel.lines.as_deref(), now)?.cloned();
        if let Some(shipment) = shipped {
            carriage::track(&mut transaction, &shipment)?;
            units::ship(&mut transaction, &part.value, &shipment.lines);
            orders::save_part(&mut transaction, part)?;
            let event = EventKind::PartShipped { seller: seller.clone(), shipment: shipment.id };
            events::append(&mut transaction, order, event, now, app.ids.as_ref())?;
            let part = part.value.clone();
            orders::save(&mut transaction, &aggregate.order)?;
            return Ok((transaction, part));
        }
        Ok((transaction, part.value.clone()))
    })
    .await
}

/// How a parcel can be followed. A label that was bought says that itself.
fn means_of<'a>(part: &Part, by: &'a SentBy) -> Result<(Tracking, Option<&'a LabelId>), Problem> {
    let id = match by {
        SentBy::Own(tracking) => return Ok((tracking.clone(), None)),
        SentBy::Label(id) => id,
    };
    let label = part.label(id).ok_or_else(|| Problem::field("/label", "unknown"))?;
    match &label.state {
        LabelState::Bought { postage, .. } => Ok((postage.tracking.clone(), Some(id))),
        LabelState::Buying { .. }
        | LabelState::Failed { .. }
        | LabelState::Voiding { .. }
        | LabelState::Voided { .. } => Err(Problem::OrderState { state: label.state.name() }),
    }
}

/// The buyer says that one shipment, or all of a part that is on its way, arrived; the last one completes the order.
///
/// # Errors
/// [`Problem::NotFound`] unless the order is the caller's and has that shipment, [`Problem::OrderState`] unless
/// something was shipped.
pub async fn confirm_delivery(
    app: &App,
    id: &OrderId,
    (seller, only): (&SellerId, Option<&ShipmentId>),
    buyer: &UserId,
    once: &Once<Part>,
) -> Result<Answer, Error> {
    change(app, id, once, |mut aggregate| {
        let now = app.now();
        let order = &mut aggregate.order.value;
        if order.buyer != *buyer {
            return Err(Problem::NotFound.into());
        }
        let own = aggregate.parts.iter_mut().find(|part| part.value.seller == *seller);
        let part = own.ok_or(Problem::NotFound)?;
        let mut transaction = Transaction::new();
        let shipments = part.value.deliver(only, now)?;
        let delivered = part.value.clone();
        if !shipments.is_empty() {
            orders::save_part(&mut transaction, part)?;
            let event = EventKind::PartDelivered { seller: seller.clone(), shipments, by: Witness::Buyer };
            events::append(&mut transaction, order, event, now, app.ids.as_ref())?;
            complete(app, &mut transaction, &mut aggregate, now)?;
            orders::save(&mut transaction, &aggregate.order)?;
        }
        Ok((transaction, delivered))
    })
    .await
}
