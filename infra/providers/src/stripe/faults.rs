//! Faults a test injects into the next calls.

use serde::{Deserialize, Serialize};

use super::State;

/// A call of the API, for choosing which ones fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `POST /v1/payment_intents`
    CreateIntent,
    /// `GET /v1/payment_intents/{id}`
    RetrieveIntent,
    /// `POST /v1/payment_intents/{id}/confirm`
    ConfirmIntent,
    /// `POST /v1/payment_intents/{id}/cancel`
    CancelIntent,
    /// `POST /v1/refunds`
    CreateRefund,
    /// `GET /v1/refunds/{id}`
    RetrieveRefund,
    /// `GET /v1/charges/{id}`
    RetrieveCharge,
    /// `GET /v1/events/{id}`
    RetrieveEvent,
}

/// On which side of the effect the fault strikes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// The call has no effect, unless the answer is `usual`: then the effect comes late, even to a caller who left.
    #[default]
    Before,
    /// The call takes effect and its answer suffers.
    After,
}

/// What the caller gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The true answer; with a delay this makes a slow call.
    #[default]
    Usual,
    /// An error with this HTTP status.
    Status(u16),
    /// A body that is not JSON, with this HTTP status, as a proxy would send.
    Garbage(u16),
    /// A closed connection.
    Drop,
}

/// A fault for the next `times` calls that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// How many calls it strikes.
    #[serde(default = "once")]
    pub times: u32,
    /// Which calls; none means every one.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// Before or after the effect.
    #[serde(default)]
    pub when: When,
    /// What the caller gets.
    #[serde(default)]
    pub answer: Answer,
    /// How long the call is held up.
    #[serde(default)]
    pub delay_ms: u64,
    /// Keep the injected status under the idempotency key, as Stripe keeps an error of its own.
    #[serde(default)]
    pub kept: bool,
}

fn once() -> u32 {
    1
}

impl Fault {
    /// Strikes the next call, whichever it is, before it takes effect.
    #[must_use]
    pub fn new(answer: Answer) -> Self {
        Self { times: 1, operation: None, when: When::Before, answer, delay_ms: 0, kept: false }
    }

    /// Makes the next call slow.
    #[must_use]
    pub fn slow(delay_ms: u64) -> Self {
        Self { delay_ms, ..Self::new(Answer::Usual) }
    }

    /// Strikes this many calls.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// Strikes only calls of this kind.
    #[must_use]
    pub fn on(self, operation: Operation) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// Strikes after the call took effect.
    #[must_use]
    pub fn after_effect(self) -> Self {
        Self { when: When::After, ..self }
    }

    /// Keeps the injected status under the call's idempotency key.
    #[must_use]
    pub fn kept(self) -> Self {
        Self { kept: true, ..self }
    }
}

/// Takes one strike of the first fault that matches.
pub(crate) fn take(state: &mut State, operation: Operation) -> Option<Fault> {
    let matches = |fault: &Fault| fault.times > 0 && fault.operation.is_none_or(|only| only == operation);
    let fault = state.faults.iter_mut().find(|fault| matches(fault))?;
    fault.times = fault.times.saturating_sub(1);
    let struck = *fault;
    state.faults.retain(|fault| fault.times > 0);
    Some(struck)
}
