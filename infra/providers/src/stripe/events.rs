//! Events and their signatures.

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{API_VERSION, State, Stripe, delivery::Attempt, error::Refusal};

/// An event and how its deliveries went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventRecord {
    /// `evt_…`
    pub id: String,
    /// `payment_intent.succeeded` and the like.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id of the object it is about.
    pub object_id: Option<String>,
    /// Everything, as delivered.
    pub body: Value,
    /// Signed with this secret instead of the webhook's.
    #[serde(skip)]
    pub(crate) secret: Option<String>,
    /// Signed with this time instead of the clock's.
    #[serde(skip)]
    pub(crate) signed_at: Option<i64>,
    /// Every attempt to deliver it, oldest first.
    pub attempts: Vec<Attempt>,
}

impl EventRecord {
    /// Whether some attempt was answered with a 2xx status.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.attempts.iter().any(Attempt::succeeded)
    }
}

/// The value of `Stripe-Signature` for a body.
#[must_use]
pub fn signature(secret: &str, at: i64, body: &str) -> String {
    format!("t={at},v1={}", hmac_hex(secret, &format!("{at}.{body}")))
}

fn hmac_hex(secret: &str, message: &str) -> String {
    // HMAC takes keys of any length, so this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(message.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

impl Stripe {
    /// The part of a client secret that cannot be guessed from the id.
    pub(crate) fn secret_part(&self, id: &str) -> String {
        hmac_hex(&self.inner.run, id).chars().take(24).collect()
    }

    /// Records an event and sends it on its way.
    pub(crate) fn emit(&self, state: &mut State, kind: &str, object: &Value) -> String {
        let id = self.new_id(state, "evt");
        let body = event_json(&id, kind, state.now(), object);
        self.publish(state, record(id, kind, body))
    }

    pub(crate) fn publish(&self, state: &mut State, event: EventRecord) -> String {
        let id = event.id.clone();
        state.events.push(event);
        if state.webhook.hold || state.webhook.url.is_none() {
            state.held.push(id.clone());
        } else {
            self.send(state, vec![id.clone()], state.webhook.copies);
        }
        id
    }

    pub(crate) fn retrieve_event(state: &State, id: &str) -> Result<Value, Refusal> {
        let found = state.events.iter().find(|event| event.id == id);
        found.map(|event| event.body.clone()).ok_or_else(|| Refusal::missing("event", id))
    }
}

pub(crate) fn event_json(id: &str, kind: &str, created: i64, object: &Value) -> Value {
    json!({
        "id": id, "object": "event", "api_version": API_VERSION, "created": created, "data": {"object": object},
        "livemode": false, "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null}, "type": kind,
    })
}

pub(crate) fn record(id: String, kind: &str, body: Value) -> EventRecord {
    let object_id = body.pointer("/data/object/id").and_then(Value::as_str).map(str::to_owned);
    EventRecord {
        id,
        kind: kind.to_owned(),
        object_id,
        body,
        secret: None,
        signed_at: None,
        attempts: Vec::new(),
    }
}
