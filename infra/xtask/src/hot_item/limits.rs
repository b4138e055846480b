//! What DynamoDB lets through: a thousand write units a second per partition key, and one transaction at a time per
//! item. How long its answers take is assumed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};
use serde_json::Value;
use sutler_testkit::{Fault, Moment, Operation, Reason, Wiretap};

use super::time::{Dice, Hourglass};

/// Write units that a partition key takes a second.
const UNITS_PER_SECOND: u64 = 1_000;
/// What a write of up to a kilobyte costs in a transaction.
const UNITS_PER_WRITE: u64 = 2;
/// How long a transaction holds its items.
const TRANSACTION_US: u64 = 8_000;
/// How long anything else takes.
const ANSWER_US: u64 = 3_000;
/// How long a request is on its way at most.
const NETWORK_US: u64 = 2_000;

/// What was counted on the way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count {
    /// Transactions that met another one.
    pub conflicts: u64,
    /// Transactions that met a partition key without room.
    pub throttled: u64,
    /// Write units of all transactions, those that were refused included.
    pub write_units: u64,
}

#[derive(Debug, Default)]
struct State {
    /// Until when an item is held by a transaction.
    held: HashMap<(String, String), u64>,
    /// When the units of a partition key that were used will all have come back.
    used: HashMap<String, u64>,
    count: Count,
}

/// The limits, as the database applies them to each request.
#[derive(Debug, Clone)]
pub struct Limits {
    glass: Hourglass,
    dice: Arc<Dice>,
    state: Arc<Mutex<State>>,
}

impl Limits {
    /// Nothing is held and nothing used.
    #[must_use]
    pub fn new(glass: Hourglass, dice: Arc<Dice>) -> Self {
        Self { glass, dice, state: Arc::default() }
    }

    /// What was counted so far.
    #[must_use]
    pub fn count(&self) -> Count {
        self.state().count
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The items that a transaction writes.
fn places(body: &Value) -> Vec<(String, String)> {
    let writes = body.get("TransactItems").and_then(Value::as_array);
    let place = |write: &Value| {
        let inner = write.as_object()?.values().next()?;
        let keys = inner.get("Key").or_else(|| inner.get("Item"))?;
        let part = |name: &str| keys.get(name)?.get("S")?.as_str().map(str::to_owned);
        Some((part("pk")?, part("sk")?))
    };
    writes.into_iter().flatten().filter_map(place).collect()
}

impl Wiretap for Limits {
    fn request(&self, operation: Operation, body: &mut Value) -> Option<(Moment, Fault)> {
        let now = self.glass.now_us();
        let mut state = self.state();
        if operation != Operation::TransactWriteItems {
            return None;
        }
        let places = places(body);
        let cost = UNITS_PER_WRITE.saturating_mul(u64::try_from(places.len()).unwrap_or(0));
        state.count.write_units = state.count.write_units.saturating_add(cost);
        let met = |reason, of: &dyn Fn(&(String, String)) -> bool| -> Vec<(usize, Reason)> {
            places.iter().enumerate().filter(|(_, place)| of(place)).map(|(at, _)| (at, reason)).collect()
        };
        let held = met(Reason::TransactionConflict, &|place| {
            state.held.get(place).is_some_and(|until| *until > now)
        });
        if !held.is_empty() {
            state.count.conflicts = state.count.conflicts.saturating_add(1);
            return Some((Moment::Before, Fault::Cancelled(held)));
        }
        // A bucket of one second: each unit comes back after its share of it.
        let full = met(Reason::ThrottlingError, &|(pk, _)| {
            state.used.get(pk).is_some_and(|until| *until > now.saturating_add(1_000_000))
        });
        if !full.is_empty() {
            state.count.throttled = state.count.throttled.saturating_add(1);
            return Some((Moment::Before, Fault::Cancelled(full)));
        }
        for place in places {
            let share = UNITS_PER_WRITE.saturating_mul(1_000_000).div_euclid(UNITS_PER_SECOND);
            let until = state.used.entry(place.0.clone()).or_default();
            *until = now.max(*until).saturating_add(share);
            state.held.insert(place, now.saturating_add(TRANSACTION_US));
        }
        None
    }

    fn answer(&self, _: Operation, _: Option<&str>) {}
}

/// The SDK's HTTP client with the time that answers take.
#[derive(Debug, Clone)]
pub struct Line {
    inner: SharedHttpClient,
    limits: Limits,
}

impl Line {
    /// A line to `inner`.
    #[must_use]
    pub fn new(inner: SharedHttpClient, limits: Limits) -> Self {
        Self { inner, limits }
    }
}

impl HttpClient for Line {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Delayed { inner, limits: self.limits.clone() })
    }
}

#[derive(Debug)]
struct Delayed {
    inner: SharedHttpConnector,
    limits: Limits,
}

impl HttpConnector for Delayed {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, limits) = (self.inner.clone(), self.limits.clone());
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap_or_default();
            let lasts = if target.ends_with("TransactWriteItems") { TRANSACTION_US } else { ANSWER_US };
            limits.glass.pass(limits.dice.below(NETWORK_US)).await;
            let answer = inner.call(request).await;
            limits.glass.pass(lasts).await;
            answer
        })
    }
}
