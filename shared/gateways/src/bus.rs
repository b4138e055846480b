//! Amazon EventBridge.

use aws_sdk_eventbridge::{
    Client,
    types::{PutEventsRequestEntry, PutEventsResultEntry},
};

use crate::aws;

/// EventBridge takes no more entries in one call.
pub const ENTRIES_MAX: usize = 10;

/// An event to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusEvent {
    /// Who says it, such as `sutler.orders`.
    pub source: String,
    /// What happened, such as `order_paid`.
    pub detail_type: String,
    /// A JSON object.
    pub detail: String,
    /// The X-Ray header of the trace it belongs to.
    pub trace_header: Option<String>,
}

/// Why one event was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Try again later. It may have been published all the same.
    #[error("the bus is unavailable: {0}")]
    Unavailable(String),
    /// It will not be published, however often it is tried.
    #[error("the bus refused the event: {0}")]
    Rejected(String),
}

/// Publishes events to one bus.
#[derive(Debug, Clone)]
pub struct Bus {
    client: Client,
    name: String,
}

impl Bus {
    /// Publishes to the bus `name` through `client`; both are made once per cold start.
    #[must_use]
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Publishes in order, and answers for each event, at its place, whether the bus has it.
    pub async fn publish(&self, events: &[BusEvent]) -> Vec<Result<(), PublishError>> {
        let mut results = Vec::with_capacity(events.len());
        for events in events.chunks(ENTRIES_MAX) {
            results.extend(self.put(events).await);
        }
        results
    }

    async fn put(&self, events: &[BusEvent]) -> Vec<Result<(), PublishError>> {
        let entries = events.iter().map(|event| self.entry(event)).collect();
        let failure = match self.client.put_events().set_entries(Some(entries)).send().await {
            Ok(answer) => {
                let mut results: Vec<_> = answer.entries().iter().map(result).collect();
                // An answer that is too short says nothing about the rest.
                results.resize(events.len(), Err(PublishError::Unavailable("no result".to_owned())));
                return results;
            }
            // As text: one cause serves every event of a call, and the SDK's errors cannot be copied.
            Err(error) if aws::is_passing(&error) => PublishError::Unavailable(aws::chain(&error)),
            Err(error) => PublishError::Rejected(aws::chain(&error)),
        };
        vec![Err(failure); events.len()]
    }

    fn entry(&self, event: &BusEvent) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(&event.source)
            .detail_type(&event.detail_type)
            .detail(&event.detail)
            .set_trace_header(event.trace_header.clone())
            .build()
    }
}

fn result(entry: &PutEventsResultEntry) -> Result<(), PublishError> {
    let Some(code) = entry.error_code() else { return Ok(()) };
    if code == "InternalFailure" || aws::is_passing_code(Some(code)) {
        Err(PublishError::Unavailable(code.to_owned()))
    } else {
        Err(PublishError::Rejected(code.to_owned()))
    }
}
