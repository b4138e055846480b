//! A stand-in of Chapa: transactions under the merchant's own references, refunds and signed webhooks.
//!
//! The calls live under `/chapa/v1/`; [`Chapa`] carries the test controls as methods.

pub(crate) mod http;
mod transactions;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    controls::StandIn,
    courier::{Courier, Signing, wall_clock},
    faults::Faults,
    stripe::hmac_hex,
    webhook::{EventRecord, WebhookChanges},
};

pub use http::Operation;
pub use transactions::{Refund, Status, Transaction};

/// A fault of some of Chapa's calls.
pub type Fault = crate::faults::Fault<Operation>;

/// The stand-in: one account with everything in it. Clones share it.
#[derive(Clone)]
pub struct Chapa {
    inner: Arc<Inner>,
}

struct Inner {
    base_url: String,
    run: String,
    courier: Courier,
    state: Mutex<State>,
}

/// All that a reset forgets, except `sequence`: a reference is never given out twice.
#[derive(Default)]
pub(crate) struct State {
    sequence: u64,
    transactions: BTreeMap<String, Transaction>,
    refunds: Vec<Refund>,
    faults: Faults<Operation>,
}

/// Everything the stand-in holds.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// By reference.
    pub transactions: Vec<Transaction>,
    /// In the order they were made.
    pub refunds: Vec<Refund>,
    /// In the order they happened, with every attempt to deliver them.
    pub events: Vec<EventRecord>,
    /// How often each call arrived, failed ones included.
    pub calls: BTreeMap<Operation, u64>,
    /// Deliveries that have not ended.
    pub pending_deliveries: usize,
}

impl fmt::Debug for Chapa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chapa").field("base_url", &self.inner.base_url).finish_non_exhaustive()
    }
}

impl Chapa {
    pub(crate) fn new(base_url: String, stopped: watch::Receiver<bool>) -> Self {
        let run = format!("{:X}", wall_clock().as_micros());
        let courier = Courier::new(stopped, Box::new(sign));
        Self { inner: Arc::new(Inner { base_url, run, courier, state: Mutex::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_reference(&self, state: &mut State) -> String {
        state.sequence = state.sequence.saturating_add(1);
        format!("AP{}{:04X}", self.inner.run, state.sequence)
    }

    fn emit(&self, transaction: &Transaction, kind: &str, status: &str) {
        let body = transaction.event(kind, status);
        let id = format!("{kind}-{}-{}", transaction.reference, self.inner.courier.events().len());
        self.inner.courier.publish(EventRecord::new(id, kind, Some(transaction.tx_ref.clone()), body));
    }

    /// Changes how events are delivered.
    pub fn configure_webhook(&self, changes: WebhookChanges) {
        self.inner.courier.configure(changes);
    }

    /// Injects a fault; several strike in the order they came.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Everything there is.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let state = self.state();
        Snapshot {
            transactions: state.transactions.values().cloned().collect(),
            refunds: state.refunds.clone(),
            events: self.inner.courier.events(),
            calls: state.faults.calls(),
            pending_deliveries: self.inner.courier.pending(),
        }
    }

    /// Forgets everything but where the webhook is and its secret.
    pub fn reset(&self) {
        let mut state = self.state();
        *state = State { sequence: state.sequence, ..State::default() };
        self.inner.courier.reset();
    }
}

impl StandIn for Chapa {
    type Operation = Operation;
    const NAME: &'static str = "chapa";

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

/// The value of `x-chapa-signature` for a body.
#[must_use]
pub fn signature(secret: &str, body: &str) -> String {
    hmac_hex(secret, body)
}

/// Both headers: the second is the same for every message and proves nothing.
fn sign(signing: &Signing<'_>) -> Vec<(&'static str, String)> {
    vec![
        ("x-chapa-signature", signature(signing.secret, signing.body)),
        ("chapa-signature", signature(signing.secret, signing.secret)),
    ]
}

/// A refusal, as Chapa words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// What went wrong.
    pub message: String,
}

impl Refusal {
    fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    fn body(&self) -> Value {
        json!({"message": self.message, "status": "failed", "data": null})
    }

    fn injected_body(status: u16) -> Value {
        Self::new(status, "Injected.").body()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
