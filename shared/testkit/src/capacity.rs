//! What the requests of a test cost.

use std::{fmt, iter::Sum};

use serde_json::Value;

use crate::engine::Operation;

/// Capacity units, counted in halves because an eventually consistent read costs half a unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Units {
    halves: u64,
}

impl Units {
    /// `units` whole units.
    #[must_use]
    pub fn whole(units: u64) -> Self {
        Self { halves: units.saturating_mul(2) }
    }

    /// `halves` half units.
    #[must_use]
    pub fn halves(halves: u64) -> Self {
        Self { halves }
    }

    /// Reads the number the engine reports; it is a multiple of a half.
    fn read(number: &Value) -> Self {
        let text = number.to_string();
        let (whole, rest) = text.split_once('.').unwrap_or((&text, "0"));
        let whole = whole.parse::<u64>().unwrap_or(0).saturating_mul(2);
        Self { halves: whole.saturating_add(u64::from(rest.starts_with('5'))) }
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let half = if self.halves.is_multiple_of(2) { "" } else { ".5" };
        write!(f, "{}{half}", self.halves.div_euclid(2))
    }
}

impl Sum for Units {
    fn sum<I: Iterator<Item = Self>>(units: I) -> Self {
        Self { halves: units.fold(0, |sum, next| sum.saturating_add(next.halves)) }
    }
}

/// One request that reached the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What was asked.
    pub operation: Operation,
    /// How many items it named.
    pub items: usize,
    /// Read capacity it consumed.
    pub read: Units,
    /// Write capacity it consumed, indexes included. A refused write reports none.
    pub write: Units,
    /// The error the caller saw: an exception's name, or what happened to the connection.
    pub error: Option<String>,
}

/// The requests since the last reset, in the order they ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meter {
    /// Every request, retries included.
    pub calls: Vec<Call>,
}

impl Meter {
    /// How many requests there were.
    #[must_use]
    pub fn round_trips(&self) -> usize {
        self.calls.len()
    }

    /// The operations in order.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        self.calls.iter().map(|call| call.operation).collect()
    }

    /// How many requests of one operation there were.
    #[must_use]
    pub fn count(&self, operation: Operation) -> usize {
        self.calls.iter().filter(|call| call.operation == operation).count()
    }

    /// Read capacity of all requests.
    #[must_use]
    pub fn read(&self) -> Units {
        self.calls.iter().map(|call| call.read).sum()
    }

    /// Write capacity of all requests.
    #[must_use]
    pub fn write(&self) -> Units {
        self.calls.iter().map(|call| call.write).sum()
    }
}

/// Read and write units of an answer, from what the engine says it consumed.
pub(crate) fn consumed(operation: Operation, answer: &Value) -> (Units, Units) {
    let entries = match answer.get("ConsumedCapacity") {
        Some(Value::Array(entries)) => entries.iter().collect(),
        Some(entry) => vec![entry],
        None => Vec::new(),
    };
    let split = entries.into_iter().map(|entry| {
        let units = |name: &str| entry.get(name).map(Units::read);
        let total = units("CapacityUnits").unwrap_or_default();
        match (units("ReadCapacityUnits"), units("WriteCapacityUnits")) {
            (None, None) if operation.writes() => (Units::default(), total),
            (None, None) => (total, Units::default()),
            (read, write) => (read.unwrap_or_default(), write.unwrap_or_default()),
        }
    });
    let (read, write): (Vec<Units>, Vec<Units>) = split.unzip();
    (read.into_iter().sum(), write.into_iter().sum())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn units_keep_their_halves() {
        assert_eq!(Units::read(&json!(2.0)), Units::whole(2));
        assert_eq!(Units::read(&json!(0.5)).to_string(), "0.5");
        let sum: Units = [Units::halves(3), Units::whole(1)].into_iter().sum();
        assert_eq!(sum.to_string(), "2.5");
    }
}
