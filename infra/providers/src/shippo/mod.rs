//! A stand-in of Shippo: rates, labels, refunds, tracking, and webhooks that are signed or only carry a token.
//!
//! The calls live under `/shippo/`; [`Shippo`] carries the test controls as methods. Like Shippo it has no idempotency
//! keys: whoever buys twice pays twice.

pub(crate) mod http;
mod labels;
mod tracks;

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    courier::Signing,
    stand_in::{Provider, StandIn},
    stripe::hmac_hex,
    webhook::EventRecord,
};

pub use http::Operation;
pub use labels::{Purchase, PurchaseStatus, Quote, Shipment};
pub use tracks::{Status, Track};

/// A fault of some of Shippo's calls.
pub type Fault = crate::faults::Fault<Operation>;

/// The stand-in of Shippo.
pub type Shippo = StandIn<State>;

/// What the account holds.
#[derive(Debug, Default)]
pub struct State {
    shipments: BTreeMap<String, Shipment>,
    purchases: BTreeMap<String, Purchase>,
    tracks: BTreeMap<(String, String), Track>,
    refusing: Option<String>,
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
}

impl Provider for State {
    type Operation = Operation;
    type Snapshot = Snapshot;
    const NAME: &'static str = "shippo";

    /// With an empty secret messages are not signed.
    fn sign(_: &str, message: &Signing<'_>) -> Vec<(&'static str, String)> {
        if message.secret.is_empty() {
            return Vec::new();
        }
        vec![("shippo-auth-signature", signature(message.secret, message.at_epoch_s, message.body))]
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            shipments: self.shipments.values().cloned().collect(),
            purchases: self.purchases.values().cloned().collect(),
            tracks: self.tracks.values().cloned().collect(),
        }
    }
}

impl Shippo {
    fn emit(&self, track: &Track) {
        let number = self.courier().events().len();
        let body = json!({"event": "track_updated", "test": true, "data": track.json()});
        let id = format!("track-{number}");
        let about = format!("{}/{}", track.carrier, track.number);
        self.courier().publish(EventRecord::new(id, "track_updated", Some(about), body));
    }
}

/// The value of `shippo-auth-signature` for a body.
#[must_use]
pub fn signature(secret: &str, at_epoch_s: i64, body: &str) -> String {
    format!("t={at_epoch_s},v1={}", hmac_hex(secret, &format!("{at_epoch_s}.{body}")))
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
