//! What goes wrong between the application and its database.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use serde_json::Value;
use sutler_testkit::{Fault, Moment, Operation, Reason, Wiretap};

use crate::{chance::Chance, mutations::Mutation, notes::Notes};

/// How bad the day is, for database, provider and everybody else: 0 is a day on which nothing fails.
#[derive(Debug, Clone, Default)]
pub struct Weather(Arc<AtomicU64>);

impl Weather {
    /// Sets how bad it is.
    pub fn set(&self, level: u64) {
        self.0.store(level, Ordering::Relaxed);
    }

    /// How bad it is.
    #[must_use]
    pub fn level(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A kind of fault with how often it strikes, in thousandths of the requests it can strike, on the mildest bad day.
type Rate = (u64, &'static str, Moment, Fault);

fn rates(operation: Operation, body: &Value) -> Vec<Rate> {
    let mut rates = vec![
        (5, "request lost", Moment::Before, Fault::Dropped),
        (5, "request timed out", Moment::Before, Fault::TimedOut),
        (5, "throttled", Moment::Before, Fault::Throttled),
        (5, "server error before the effect", Moment::Before, Fault::InternalError),
        (10, "answer lost", Moment::After, Fault::Dropped),
        (10, "answer timed out", Moment::After, Fault::TimedOut),
        (5, "server error after the effect", Moment::After, Fault::InternalError),
    ];
    let conflict = (20, "transaction conflict", Moment::Before, Fault::Conflict);
    if operation == Operation::TransactWriteItems {
        rates.push(conflict);
        if writes(body) > 1 {
            let mixed = vec![(0, Reason::ConditionalCheckFailed), (1, Reason::TransactionConflict)];
            rates.push((5, "conflict beside a condition", Moment::Before, Fault::Cancelled(mixed)));
            let slow = vec![(1, Reason::ThrottlingError)];
            rates.push((5, "transaction throttled", Moment::Before, Fault::Cancelled(slow)));
        }
    } else if operation == Operation::UpdateItem {
        rates.push(conflict);
    } else if operation == Operation::Query && body.get("IndexName").is_some() {
        rates.push((60, "stale index", Moment::Before, Fault::Stale));
    }
    rates
}

fn writes(body: &Value) -> usize {
    body.get("TransactItems").and_then(Value::as_array).map_or(0, Vec::len)
}

/// The line of one history.
pub struct Wire {
    chance: Chance,
    notes: Notes,
    weather: Weather,
    mutation: Option<&'static Mutation>,
    /// How many more requests the outage lasts.
    outage: AtomicU64,
    written: AtomicBool,
}

impl Wire {
    /// A line on which `mutation` is planted.
    #[must_use]
    pub fn new(chance: Chance, notes: Notes, weather: Weather, mutation: Option<&'static Mutation>) -> Self {
        let (outage, written) = (AtomicU64::new(0), AtomicBool::new(true));
        Self { chance, notes, weather, mutation, outage, written }
    }

    /// Whether something may have been written since this was asked last.
    pub fn was_written(&self) -> bool {
        self.written.swap(false, Ordering::Relaxed)
    }

    fn strike(&self, operation: Operation, body: &Value) -> Option<(&'static str, Moment, Fault)> {
        let level = self.weather.level();
        if operation == Operation::BatchGetItem && self.chance.happens(level.saturating_mul(60)) {
            let keys = usize::try_from(self.chance.below(4)).unwrap_or(0);
            return Some(("batch cut short", Moment::Before, Fault::CutShort(keys)));
        }
        if self.outage.load(Ordering::Relaxed) > 0 {
            self.outage.fetch_sub(1, Ordering::Relaxed);
            let lost = if self.chance.happens(500) { Moment::After } else { Moment::Before };
            return Some(("outage", lost, Fault::TimedOut));
        }
        if self.chance.happens(level) {
            self.outage.store(self.chance.between(4, 16), Ordering::Relaxed);
        }
        let mut roll = self.chance.below(1_000);
        for (rate, name, moment, fault) in rates(operation, body) {
            match roll.checked_sub(rate.saturating_mul(level)) {
                Some(rest) => roll = rest,
                None => return Some((name, moment, fault)),
            }
        }
        None
    }

    /// A batch read promises no order, and no common instant when it comes in pieces.
    fn shuffle(&self, body: &mut Value) {
        let tables = body.get_mut("RequestItems").and_then(Value::as_object_mut);
        for request in tables.into_iter().flat_map(|tables| tables.values_mut()) {
            if let Some(keys) = request.get_mut("Keys").and_then(Value::as_array_mut) {
                let by = self.chance.place(keys.len());
                keys.rotate_left(by);
            }
        }
    }
}

impl Wiretap for Wire {
    fn request(&self, operation: Operation, body: &mut Value) -> Option<(Moment, Fault)> {
        if let Some(mutation) = self.mutation {
            mutation.plant(operation, body, &self.chance);
        }
        if operation == Operation::BatchGetItem {
            self.shuffle(body);
        }
        if self.weather.level() == 0 {
            return None;
        }
        let (name, moment, fault) = self.strike(operation, body)?;
        self.notes.fault(name);
        Some((moment, fault))
    }

    fn answer(&self, operation: Operation, error: Option<&str>) {
        if matches!(operation, Operation::TransactWriteItems | Operation::UpdateItem) {
            self.written.store(true, Ordering::Relaxed);
        }
        let outcome = error.unwrap_or("done");
        self.notes.say(&format!("  {} → {outcome}", operation.name()));
    }
}
