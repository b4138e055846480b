//! Hands every new event from the tables' streams to the event bus: at least once, and in order as far as the bus
//! takes them.

use serde::Deserialize;
use sutler_domain::event::Event;
use sutler_gateways::bus::{Bus, BusEvent, ENTRIES_MAX};
use sutler_runtime::{Handled, worker::QueueMessage};
use sutler_services::Error;
use sutler_store::stream::StreamRecord;

/// Who publishes.
const SOURCE: &str = "sutler";

#[derive(Deserialize)]
struct Delivered {
    detail: Event,
}

/// The event in a message that a rule of the bus put on a queue.
///
/// # Errors
/// [`Error::Internal`] when it is not an event of ours.
pub fn event_of(message: &QueueMessage) -> Result<Event, Error> {
    let delivered: Delivered = serde_json::from_str(&message.body).map_err(|e| Error::Internal(e.into()))?;
    Ok(delivered.detail)
}

/// What the bus is told of an event.
///
/// # Errors
/// [`Error::Internal`] when the event cannot be represented, which is a bug.
pub fn published(event: &Event) -> Result<BusEvent, Error> {
    let json = |e: serde_json::Error| Error::Internal(e.into());
    let kind = serde_json::to_value(&event.event).map_err(json)?;
    let detail_type = kind.get("type").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let detail = serde_json::to_string(event).map_err(json)?;
    Ok(BusEvent { source: SOURCE.to_owned(), detail_type, detail, trace_header: None })
}

/// Publishes the events among the records. One that the bus did not take makes the stream repeat them all; the
/// calls after it are not made, so that little overtakes it.
///
/// # Errors
/// When the bus does not answer.
pub async fn handle(bus: &Bus, records: Vec<StreamRecord>) -> Handled {
    let mut events = Vec::with_capacity(records.len());
    for record in &records {
        if let Some(event) = record.new_image::<Event>()? {
            tracing::info!(
                event.id = event.event_id,
                event.aggregate = event.aggregate,
                "Publishing an event"
            );
            events.push(published(&event)?);
        }
    }
    for call in events.chunks(ENTRIES_MAX) {
        for outcome in bus.publish(call).await {
            outcome.map_err(|e| Error::Internal(e.into()))?;
        }
    }
    Ok(())
}
