//! Services that check addresses: Google Address Validation and Amazon Location.
//!
//! Both know every address but these: a street with `Nowhere` in its name does not exist, one with `Typo` is spelt
//! otherwise, and a house called `Tower` has flats. Addresses are not kept, only how often each call came.

mod amazon;
mod google;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    extract::State as Shared,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::faults::Faults;

/// A call, for choosing which ones fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Google's `POST /v1:validateAddress`
    GoogleValidate,
    /// Amazon Location's `POST /v2/geocode`
    AmazonGeocode,
}

/// A fault of some of the calls.
pub type Fault = crate::faults::Fault<Operation>;

/// The stand-in. Clones share it.
#[derive(Clone, Default)]
pub struct Addresses {
    faults: Arc<Mutex<Faults<Operation>>>,
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Addresses")
    }
}

impl Addresses {
    fn faults(&self) -> MutexGuard<'_, Faults<Operation>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Injects a fault; several strike in the order they came.
    pub fn inject(&self, fault: Fault) {
        self.faults().push(fault);
    }

    /// How often each call arrived, failed ones included.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<Operation, u64> {
        self.faults().calls()
    }

    /// Forgets everything.
    pub fn reset(&self) {
        *self.faults() = Faults::default();
    }
}

/// What is peculiar about a street.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Street {
    Known,
    Unknown,
    Misspelt,
    WithFlats,
}

impl Street {
    fn of(line: &str) -> Self {
        if line.contains("Nowhere") {
            Self::Unknown
        } else if line.contains("Typo") {
            Self::Misspelt
        } else if line.contains("Tower") {
            Self::WithFlats
        } else {
            Self::Known
        }
    }
}

pub(crate) fn router(addresses: &Addresses) -> Router {
    Router::new()
        .route("/google/v1:validateAddress", post(google::validate))
        .route("/geo-places/v2/geocode", post(amazon::geocode))
        .route("/_test/addresses/state", get(state))
        .route("/_test/addresses/faults", post(fault))
        .route("/_test/addresses/reset", post(reset))
        .with_state(addresses.clone())
}

async fn state(Shared(addresses): Shared<Addresses>) -> Json<Value> {
    let waiting = addresses.faults().waiting();
    Json(json!({"calls": addresses.calls(), "faults": waiting}))
}

async fn fault(Shared(addresses): Shared<Addresses>, Json(fault): Json<Fault>) -> Json<Value> {
    addresses.inject(fault);
    Json(json!({}))
}

async fn reset(Shared(addresses): Shared<Addresses>) -> Json<Value> {
    addresses.reset();
    Json(json!({}))
}
