//! A stand-in of PayPal: orders that a buyer approves and a merchant captures, refunds and signed webhooks.
//!
//! The calls live under `/paypal/`; [`PayPal`] carries the test controls as methods. Messages are signed with a key of
//! its own, whose certificate leads to [`ROOT`].

pub(crate) mod http;
mod orders;
mod signing;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    courier::Signing,
    stand_in::{Provider, StandIn},
    webhook::EventRecord,
};

pub use http::Operation;
pub use orders::{Capture, Order, Refund, Status};
pub use signing::{CERTIFICATE, CERTIFICATE_OF_ANOTHER, ROOT, Transmission, transmission};

/// A fault of some of PayPal's calls.
pub type Fault = crate::faults::Fault<Operation>;

/// The stand-in of PayPal.
pub type PayPal = StandIn<State>;

/// What the account holds.
#[derive(Debug, Default)]
pub struct State {
    tokens: BTreeSet<String>,
    orders: BTreeMap<String, Order>,
    /// The answer that a request id got, and to which call.
    requests: HashMap<(String, String), (u16, Value)>,
}

/// Everything the stand-in holds.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// By id.
    pub orders: Vec<Order>,
}

impl Provider for State {
    type Operation = Operation;
    type Snapshot = Snapshot;
    const NAME: &'static str = "paypal";

    /// The secret is the webhook's id.
    fn sign(base_url: &str, message: &Signing<'_>) -> Vec<(&'static str, String)> {
        signing::sign(message, &format!("{base_url}/paypal{}CERT-stand-in", signing::DIRECTORY))
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot { orders: self.orders.values().cloned().collect() }
    }

    fn reset(&mut self) {
        *self = Self { tokens: std::mem::take(&mut self.tokens), ..Self::default() };
    }
}

impl PayPal {
    fn new_id(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.new_number().to_uppercase())
    }

    fn emit(&self, kind: &str, resource_type: &str, resource: &Value) {
        let id = self.new_id("WH-");
        let body = json!({
            "id": id, "event_version": "1.0", "resource_version": "2.0", "create_time": self.time(),
            "resource_type": resource_type, "event_type": kind, "summary": kind, "resource": resource, "links": [],
        });
        let object = resource.get("id").and_then(Value::as_str).map(str::to_owned);
        self.courier().publish(EventRecord::new(id, kind, object, body));
    }

    fn time(&self) -> String {
        signing::time(self.now())
    }

    /// Ends all tokens early.
    pub fn revoke_tokens(&self) {
        self.state().tokens.clear();
    }

    /// Forgets all request ids, as PayPal does after some hours.
    pub fn forget_requests(&self) {
        self.state().requests.clear();
    }
}

/// A refusal, as PayPal words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Its name.
    pub name: &'static str,
    /// What exactly.
    pub issue: Option<&'static str>,
}

impl Refusal {
    fn unprocessable(issue: &'static str) -> Self {
        Self { status: 422, name: "UNPROCESSABLE_ENTITY", issue: Some(issue) }
    }

    fn invalid(issue: &'static str) -> Self {
        Self { status: 400, name: "INVALID_REQUEST", issue: Some(issue) }
    }

    fn missing() -> Self {
        Self { status: 404, name: "RESOURCE_NOT_FOUND", issue: Some("INVALID_RESOURCE_ID") }
    }

    fn body(&self) -> Value {
        let details: Vec<Value> = self.issue.iter().map(|issue| json!({"issue": issue})).collect();
        json!({"name": self.name, "message": "Refused.", "debug_id": "stand-in", "details": details})
    }

    fn injected_body(_: u16) -> Value {
        json!({"name": "INTERNAL_SERVER_ERROR", "message": "Injected.", "debug_id": "stand-in"})
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.issue.unwrap_or(self.name))
    }
}

impl std::error::Error for Refusal {}
