//! Events and their signatures.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{API_VERSION, Stripe, error::Refusal};
use crate::webhook::EventRecord;

/// The value of `Stripe-Signature` for a body.
#[must_use]
pub fn signature(secret: &str, at: i64, body: &str) -> String {
    format!("t={at},v1={}", hmac_hex(secret, &format!("{at}.{body}")))
}

pub(crate) fn hmac_hex(secret: &str, message: &str) -> String {
    // HMAC takes keys of any length, so this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(message.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

impl Stripe {
    /// The part of a client secret that cannot be guessed from the id.
    pub(crate) fn secret_part(&self, id: &str) -> String {
        hmac_hex(self.run_id(), id).chars().take(24).collect()
    }

    /// Records an event and sends it on its way.
    pub(crate) fn emit(&self, kind: &str, object: &Value) -> String {
        let id = self.new_id("evt");
        let body = event_json(&id, kind, self.now(), object);
        self.courier().publish(record(id, kind, body))
    }

    pub(crate) fn retrieve_event(&self, id: &str) -> Result<Value, Refusal> {
        let found = self.courier().events().into_iter().find(|event| event.id == id);
        found.map(|event| event.body).ok_or_else(|| Refusal::missing("event", id))
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
    EventRecord::new(id, kind, object_id, body)
}
