//! A stand-in of Shippo: rates, labels, refunds, tracking, and webhooks that are signed or only carry a token.
//!
//! The calls live under `/shippo/`; [`Shippo`] carries the test controls as methods. Like Shippo it has no idempotency
//! keys: whoever buys twice pays twice.

pub(crate) mod http;
mod labels;
mod tracks;

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
pub use labels::{Purchase, PurchaseStatus, Quote, Shipment};
pub use tracks::{Status, Track};

/// A fault of some of Shippo's calls.
pub type Fault = crate::faults::Fault<Operation>;

/// The stand-in: one account with everything in it. Clones share it.
#[derive(Clone)]
pub struct Shippo {
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
    shipments: BTreeMap<String, Shipment>,
    purchases: BTreeMap<String, Purchase>,
    tracks: BTreeMap<(String, String), Track>,
    refusing: Option<String>,
    faults: Faults<Operation>,
}

/// Everything the stand-in holds.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// What rates were asked for.
    pub shipments: Vec<Shipment>,
    /// What was bought, or was to be, in the order of their ids, which is that in which they were made.
    pub purchases: Vec<Purchase>,
    /// What is known of parcels.
    pub tracks: Vec<Track>,
    /// In the order they happened, with every attempt to deliver them.
    pub events: Vec<EventRecord>,
    /// How often each call arrived, failed ones included.
    pub calls: BTreeMap<Operation, u64>,
    /// Deliveries that have not ended.
    pub pending_deliveries: usize,
}

impl fmt::Debug for Shippo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shippo").field("base_url", &self.inner.base_url).finish_non_exhaustive()
    }
}

impl Shippo {
    pub(crate) fn new(base_url: String, stopped: watch::Receiver<bool>) -> Self {
        let run = format!("{:x}", wall_clock().as_micros());
        let courier = Courier::new(stopped, Box::new(sign));
        Self { inner: Arc::new(Inner { base_url, run, courier, state: Mutex::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_id(&self, state: &mut State) -> String {
        state.sequence = state.sequence.saturating_add(1);
        format!("{}{:06x}", self.inner.run, state.sequence)
    }

    fn emit(&self, track: &Track) {
        let number = self.inner.courier.events().len();
        let body = json!({"event": "track_updated", "test": true, "data": track.json()});
        let id = format!("track-{number}");
        let about = format!("{}/{}", track.carrier, track.number);
        self.inner.courier.publish(EventRecord::new(id, "track_updated", Some(about), body));
    }

    /// Changes how events are delivered. With an empty secret they are not signed.
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
            shipments: state.shipments.values().cloned().collect(),
            purchases: state.purchases.values().cloned().collect(),
            tracks: state.tracks.values().cloned().collect(),
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

impl StandIn for Shippo {
    type Operation = Operation;
    const NAME: &'static str = "shippo";

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

/// The value of `shippo-auth-signature` for a body.
#[must_use]
pub fn signature(secret: &str, at_epoch_s: i64, body: &str) -> String {
    format!("t={at_epoch_s},v1={}", hmac_hex(secret, &format!("{at_epoch_s}.{body}")))
}

fn sign(signing: &Signing<'_>) -> Vec<(&'static str, String)> {
    if signing.secret.is_empty() {
        return Vec::new();
    }
    vec![("shippo-auth-signature", signature(signing.secret, signing.at_epoch_s, signing.body))]
}

/// A refusal, as Shippo words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// What went wrong.
    pub detail: String,
}

impl Refusal {
    fn new(status: u16, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    fn body(&self) -> Value {
        json!({"detail": self.detail})
    }

    fn injected_body(status: u16) -> Value {
        Self::new(status, "Injected.").body()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Refusal {}
