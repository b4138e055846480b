//! The workers, fed with what streams, queues and rules of the real template hand over.

mod claims;
mod holds;
mod mails;
mod payment_commands;
mod payment_events;
mod publishing;
mod resolving;
mod schedules;
mod settling;
mod stock_imports;
mod tracking;

use serde_json::{Value, json};
use sutler_domain::{event::Event, ids::VariantId};
use sutler_gateways::bus::BusEvent;
use sutler_runtime::{Handled, worker};
use sutler_store::stream::StreamRecord;
use sutler_testkit::{Change, TestApp, TestCloud, TestUser};

use crate::publish_events;

/// A shop with ten of something, somebody who buys, and the services around.
struct Market {
    test: TestApp,
    cloud: TestCloud,
    seller: TestUser,
    buyer: TestUser,
    thing: VariantId,
}

impl Market {
    async fn open() -> Self {
        let test = TestApp::new().await;
        let (seller, buyer) = (test.seller("ada").await, test.user("bob").await);
        let thing = test.goods(&seller, 1_999, 10).await;
        Self { test, cloud: TestCloud::default(), seller, buyer, thing }
    }

    /// What the streams hand to `publish_events` since the last look: what the filter of the template lets pass.
    fn stream(&self) -> Vec<Change> {
        let fresh = |change: &Change| change.event_name == "INSERT" && change.sk.starts_with("EVENT#");
        self.test.db.drain_stream().into_iter().filter(fresh).collect()
    }

    async fn publish(&self, changes: &[Change]) -> Result<(), String> {
        let batch = serde_json::from_value(sutler_testkit::lambda_event(changes)).unwrap();
        let bus = self.cloud.bus();
        let publish = |bus, records: Vec<StreamRecord>| publish_events::handle(bus, records);
        worker::stream_batch(&bus, &publish, batch).await.map_err(|error| error.to_string())
    }

    /// Everything that happened since the last look, as a queue behind a rule hands it over.
    async fn happened(&self) -> Vec<Value> {
        let before = self.cloud.published().len();
        self.publish(&self.stream()).await.unwrap();
        self.cloud.published()[before..].iter().map(delivered).collect()
    }
}

/// What `EventBridge` puts on a queue for an event.
fn delivered(event: &BusEvent) -> Value {
    let detail: Value = serde_json::from_str(&event.detail).unwrap();
    json!({
        "version": "0",
        "id": "8f4f8c6e-2d0b-4a55-9f5e-1f3a5f5c9a11",
        "detail-type": event.detail_type,
        "source": event.source,
        "account": "000000000000",
        "time": "2027-01-01T00:00:00Z",
        "region": "eu-central-1",
        "resources": [],
        "detail": detail,
    })
}

/// The event in what a rule delivered.
fn event(delivered: &Value) -> Event {
    serde_json::from_value(delivered["detail"].clone()).unwrap()
}

/// What happened, by kind.
fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["detail-type"].as_str().unwrap()).collect()
}

/// The messages of these bodies as a queue hands them over, named by their place.
fn batch(bodies: &[Value]) -> worker::QueueBatch {
    let sample: Value = serde_json::from_str(include_str!("../../../events/send_mail.json")).unwrap();
    let message = |(place, body): (usize, &Value)| {
        let mut message = sample["Records"][0].clone();
        message["messageId"] = json!(place.to_string());
        message["body"] = json!(body.as_str().map_or_else(|| body.to_string(), str::to_owned));
        message
    };
    let records: Vec<Value> = bodies.iter().enumerate().map(message).collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

/// Hands a batch over and answers the places of the messages that the queue is to keep.
async fn deliver<'a, S, F, R>(state: &'a S, handle: F, bodies: &[Value]) -> Vec<String>
where
    F: Fn(&'a S, worker::QueueMessage) -> R,
    R: Future<Output = Handled> + Send,
{
    let answer = worker::queue_batch(state, &handle, batch(bodies)).await;
    let answer = serde_json::to_value(answer).unwrap();
    let failures = answer["batchItemFailures"].as_array().unwrap();
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}
