//! Acts on what is new about parcels: what carriers told, verified before it was queued, and shipments that nobody follows
//! yet.

use sutler_domain::{
    event::{Event, EventKind},
    ids::OrderId,
};
use sutler_runtime::{Handled, worker::QueueMessage};
use sutler_services::{
    App, Error,
    tracking::{Heard, follow, hear},
};

use crate::publish_events::event_of;

/// Handles one message.
///
/// # Errors
/// When database or provider do not answer; the queue then keeps the message.
pub async fn handle(app: &App, message: QueueMessage) -> Handled {
    if let Ok(heard) = serde_json::from_str::<Heard>(&message.body) {
        let moved = hear(app, &heard).await?;
        tracing::info!(message.id = heard.message, shipments.moved = moved, "Took note of a carrier's word");
        return Ok(());
    }
    let event: Event = event_of(&message)?;
    if let EventKind::PartShipped { seller, shipment } = &event.event {
        let order = OrderId::parse(&event.aggregate).map_err(|e| Error::Internal(e.into()))?;
        let change = follow(app, &order, seller, shipment).await?;
        tracing::info!(shipment.id = %shipment, event.id = event.event_id, shipment.change = ?change, "{shipment} is followed");
    }
    Ok(())
}
