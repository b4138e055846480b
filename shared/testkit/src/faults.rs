//! What can go wrong on the wire, scripted or drawn from a seed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::{self, Operation};

/// The most pauses a request takes on either side of its effect while faults are random.
const PAUSES_MAX: u64 = 4;

/// When a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// The request never reaches the database.
    Before,
    /// The request takes effect (or is refused) and its answer is lost.
    After,
}

/// Why one item of a transaction cancelled it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Its condition did not hold.
    ConditionalCheckFailed,
    /// Another transaction held it.
    TransactionConflict,
    /// Its table or key was throttled by the on-demand limits.
    ThrottlingError,
    /// Its table or key ran out of throughput.
    ProvisionedThroughputExceeded,
}

impl Reason {
    fn json(self) -> Value {
        match self {
            Self::ConditionalCheckFailed => {
                json!({ "Code": "ConditionalCheckFailed", "Message": "The conditional request failed" })
            }
            Self::TransactionConflict => {
                json!({ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" })
            }
            Self::ThrottlingError => {
                json!({ "Code": "ThrottlingError", "Message": "Throughput exceeds the limit" })
            }
            Self::ProvisionedThroughputExceeded => {
                json!({ "Code": "ProvisionedThroughputExceeded", "Message": "The throughput was exceeded" })
            }
        }
    }
}

/// One thing that goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// `ProvisionedThroughputExceededException`.
    Throttled,
    /// `InternalServerError`, status 500.
    InternalError,
    /// Another transaction is at work: a cancellation whose first reason is `TransactionConflict`, or for a
    /// single write a `TransactionConflictException`.
    Conflict,
    /// A cancellation with these reasons by item index and `None` for the others.
    Cancelled(Vec<(usize, Reason)>),
    /// The latter half of a batch read comes back unprocessed.
    Unprocessed,
    /// Only so many keys of a batch read are processed, the first ones; the others come back.
    CutShort(usize),
    /// An eventually consistent query lags behind: it answers what the same query answered last, or nothing.
    Stale,
    /// The connection breaks.
    Dropped,
    /// The answer does not come in time.
    TimedOut,
    /// The call never returns, as when the process dies: drop it to go on.
    Killed,
    /// The fake clock moves this far, then the request goes on.
    Slow(Duration),
}

impl Fault {
    /// Whether DynamoDB could do this to `operation`.
    fn can_strike(&self, operation: Operation) -> bool {
        match self {
            Self::Conflict => {
                operation.transacts() || (operation.writes() && operation != Operation::BatchWriteItem)
            }
            Self::Cancelled(_) => operation.transacts(),
            Self::Unprocessed | Self::CutShort(_) => operation == Operation::BatchGetItem,
            Self::Stale => operation == Operation::Query,
            Self::Throttled
            | Self::InternalError
            | Self::Dropped
            | Self::TimedOut
            | Self::Killed
            | Self::Slow(_) => true,
        }
    }

    /// The error answer this fault makes of a request, if it is one: status, exception name, fields.
    pub(crate) fn answer(&self, operation: Operation, body: &Value) -> Option<(u16, &'static str, Value)> {
        const DOMAIN: &str = "com.amazonaws.dynamodb.v20120810#";
        let error = |status, name: &'static str, message: &str| {
            Some((status, name, json!({ "__type": format!("{DOMAIN}{name}"), "message": message })))
        };
        let cancelled = |reasons: &[(usize, Reason)]| {
            let reason = |index| reasons.iter().find(|(at, _)| *at == index).map(|(_, reason)| reason.json());
            let reasons: Vec<Value> = (0..engine::items(operation, body))
                .map(|index| reason(index).unwrap_or_else(|| json!({ "Code": "None" })))
                .collect();
            let name = "TransactionCanceledException";
            let fields = json!({
                "__type": format!("{DOMAIN}{name}"),
                "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
                "CancellationReasons": reasons,
            });
            Some((400, name, fields))
        };
        match self {
            Self::Throttled => {
                error(400, "ProvisionedThroughputExceededException", "The level of throughput was exceeded")
            }
            Self::InternalError => error(500, "InternalServerError", "Internal server error"),
            Self::Conflict if operation.transacts() => cancelled(&[(0, Reason::TransactionConflict)]),
            Self::Conflict => {
                error(400, "TransactionConflictException", "Transaction is ongoing for the item")
            }
            Self::Cancelled(reasons) => cancelled(reasons),
            Self::Unprocessed
            | Self::CutShort(_)
            | Self::Stale
            | Self::Dropped
            | Self::TimedOut
            | Self::Killed
            | Self::Slow(_) => None,
        }
    }
}

/// A scripted fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    operation: Operation,
    moment: Moment,
    fault: Fault,
    touching: String,
    skip: u32,
    times: u32,
}

impl Rule {
    /// The next `operation` fails before it has an effect.
    #[must_use]
    pub fn before(operation: Operation, fault: Fault) -> Self {
        Self { operation, moment: Moment::Before, fault, touching: String::new(), skip: 0, times: 1 }
    }

    /// The next `operation` fails after it had its effect.
    #[must_use]
    pub fn after(operation: Operation, fault: Fault) -> Self {
        Self { moment: Moment::After, ..Self::before(operation, fault) }
    }

    /// Only requests whose JSON contains `text` match, say a key.
    #[must_use]
    pub fn touching(self, text: &str) -> Self {
        Self { touching: text.to_owned(), ..self }
    }

    /// The same to this many matching requests.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// This many matching requests pass first.
    #[must_use]
    pub fn skip(self, skip: u32) -> Self {
        Self { skip, ..self }
    }
}

/// Faults drawn from a seed: the same seed and the same order of requests give the same faults. It also lets
/// concurrent requests overtake one another.
#[derive(Debug, Clone)]
pub struct RandomFaults {
    state: u64,
    rates: Vec<(u16, Moment, Fault)>,
}

impl RandomFaults {
    /// No faults yet, only shuffled order.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed, rates: Vec::new() }
    }

    /// Adds a fault that strikes `per_mille` of the requests it can strike.
    #[must_use]
    pub fn rate(mut self, per_mille: u16, moment: Moment, fault: Fault) -> Self {
        self.rates.push((per_mille, moment, fault));
        self
    }

    /// A bad day: 5 % conflicts and throttling each, 2 % server errors, 4 % lost before and 4 % after the
    /// effect, 10 % of batch reads cut short, 10 % of eventually consistent queries stale.
    #[must_use]
    pub fn rough(seed: u64) -> Self {
        Self::new(seed)
            .rate(50, Moment::Before, Fault::Conflict)
            .rate(50, Moment::Before, Fault::Throttled)
            .rate(20, Moment::Before, Fault::InternalError)
            .rate(20, Moment::Before, Fault::Dropped)
            .rate(20, Moment::Before, Fault::TimedOut)
            .rate(10, Moment::After, Fault::InternalError)
            .rate(20, Moment::After, Fault::Dropped)
            .rate(20, Moment::After, Fault::TimedOut)
            .rate(100, Moment::Before, Fault::Unprocessed)
            .rate(100, Moment::Before, Fault::Stale)
    }

    /// `SplitMix64`.
    fn draw(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)).checked_rem(below).unwrap_or(0)
    }

    fn strike(&mut self, operation: Operation) -> Option<(Moment, Fault)> {
        let mut roll = self.draw(1_000);
        for (rate, moment, fault) in &self.rates {
            if !fault.can_strike(operation) {
                continue;
            }
            match roll.checked_sub(u64::from(*rate)) {
                Some(rest) => roll = rest,
                None => return Some((*moment, fault.clone())),
            }
        }
        None
    }
}

/// What happens to one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) strike: Option<(Moment, Fault)>,
    /// How often other tasks may run before and after the effect.
    pub(crate) pauses: (u64, u64),
}

impl Plan {
    /// The fault that strikes at `moment`.
    pub(crate) fn at(&self, moment: Moment) -> Option<&Fault> {
        self.strike.as_ref().filter(|(at, _)| *at == moment).map(|(_, fault)| fault)
    }
}

/// The script and the dice of one database.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) rules: Vec<Rule>,
    pub(crate) random: Option<RandomFaults>,
}

impl Faults {
    /// Decides about the next request. The script goes first, in the order it was written.
    pub(crate) fn decide(&mut self, operation: Operation, body: &Value) -> Plan {
        let pauses =
            self.random.as_mut().map_or((1, 1), |dice| (dice.draw(PAUSES_MAX), dice.draw(PAUSES_MAX)));
        let drawn = self.random.as_mut().and_then(|dice| dice.strike(operation));
        let text = if self.rules.is_empty() { String::new() } else { body.to_string() };
        let matches = |rule: &&mut Rule| rule.operation == operation && text.contains(&rule.touching);
        let matching = self.rules.iter_mut().filter(|rule| rule.times > 0).find(matches);
        let scripted = matching.and_then(|rule| {
            if rule.skip > 0 {
                rule.skip = rule.skip.saturating_sub(1);
                return None;
            }
            rule.times = rule.times.saturating_sub(1);
            Some((rule.moment, rule.fault.clone()))
        });
        self.rules.retain(|rule| rule.times > 0);
        Plan { strike: scripted.or(drawn), pauses }
    }
}
