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
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    controls::StandIn,
    courier::{Courier, wall_clock},
    faults::Faults,
    webhook::{EventRecord, WebhookChanges},
};

pub use http::Operation;
pub use orders::{Capture, Order, Refund, Status};
pub use signing::{CERTIFICATE, CERTIFICATE_OF_ANOTHER, ROOT, Transmission, transmission};

/// A fault of some of PayPal's calls.
pub type Fault = crate::faults::Fault<Operation>;

/// The stand-in: one merchant with everything in it. Clones share it.
#[derive(Clone)]
pub struct PayPal {
    inner: Arc<Inner>,
}

struct Inner {
    base_url: String,
    run: String,
    courier: Courier,
    state: Mutex<State>,
}

/// All that a reset forgets, except `sequence`: an id is never given out twice.
#[derive(Default)]
pub(crate) struct State {
    sequence: u64,
    tokens: BTreeSet<String>,
    orders: BTreeMap<String, Order>,
    /// The answer that a request id got, and to which call.
    requests: HashMap<(String, String), (u16, Value)>,
    faults: Faults<Operation>,
}

/// Everything the stand-in holds.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// By id.
    pub orders: Vec<Order>,
    /// In the order they happened, with every attempt to deliver them.
    pub events: Vec<EventRecord>,
    /// How often each call arrived, failed ones included.
    pub calls: BTreeMap<Operation, u64>,
    /// Deliveries that have not ended.
    pub pending_deliveries: usize,
}

impl fmt::Debug for PayPal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayPal").field("base_url", &self.inner.base_url).finish_non_exhaustive()
    }
}

impl PayPal {
    pub(crate) fn new(base_url: String, stopped: watch::Receiver<bool>) -> Self {
        let run = format!("{:X}", wall_clock().as_micros());
        let cert_url = format!("{base_url}/paypal{}CERT-stand-in", signing::DIRECTORY);
        let courier = Courier::new(stopped, Box::new(move |signing| signing::sign(signing, &cert_url)));
        Self { inner: Arc::new(Inner { base_url, run, courier, state: Mutex::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_id(&self, state: &mut State, prefix: &str) -> String {
        state.sequence = state.sequence.saturating_add(1);
        format!("{prefix}{}{:04X}", self.inner.run, state.sequence)
    }

    fn emit(&self, state: &mut State, kind: &str, resource_type: &str, resource: &Value) {
        let id = self.new_id(state, "WH-");
        let body = json!({
            "id": id, "event_version": "1.0", "resource_version": "2.0", "create_time": self.time(),
            "resource_type": resource_type, "event_type": kind, "summary": kind, "resource": resource, "links": [],
        });
        let object = resource.get("id").and_then(Value::as_str).map(str::to_owned);
        self.inner.courier.publish(EventRecord::new(id, kind, object, body));
    }

    fn time(&self) -> String {
        signing::time(self.inner.courier.now())
    }

    /// Changes how events are delivered. The secret is the webhook's id.
    pub fn configure_webhook(&self, changes: WebhookChanges) {
        self.inner.courier.configure(changes);
    }

    /// Injects a fault; several strike in the order they came.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Ends all tokens early.
    pub fn revoke_tokens(&self) {
        self.state().tokens.clear();
    }

    /// Forgets all request ids, as PayPal does after some hours.
    pub fn forget_requests(&self) {
        self.state().requests.clear();
    }

    /// Everything there is.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let state = self.state();
        Snapshot {
            orders: state.orders.values().cloned().collect(),
            events: self.inner.courier.events(),
            calls: state.faults.calls(),
            pending_deliveries: self.inner.courier.pending(),
        }
    }

    /// Forgets everything but where the webhook is and its id.
    pub fn reset(&self) {
        let mut state = self.state();
        let tokens = std::mem::take(&mut state.tokens);
        *state = State { sequence: state.sequence, tokens, ..State::default() };
        self.inner.courier.reset();
    }
}

impl StandIn for PayPal {
    type Operation = Operation;
    const NAME: &'static str = "paypal";

    fn courier(&self) -> &Courier {
        &self.inner.courier
    }

    fn break_next(&self, fault: Fault) {
        self.inject(fault);
    }

    fn show(&self) -> Value {
        serde_json::to_value(self.snapshot()).unwrap_or_default()
    }

    fn forget(&self) {
        self.reset();
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
