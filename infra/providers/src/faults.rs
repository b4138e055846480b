//! Faults a test injects into the next calls.

use std::collections::{BTreeMap, VecDeque};

use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    courier::wait,
    server::{DropConnection, respond},
};

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
#[serde(deny_unknown_fields, bound(deserialize = "O: Deserialize<'de>"))]
pub struct Fault<O> {
    /// How many calls it strikes.
    #[serde(default = "once")]
    pub times: u32,
    /// Which calls; none means every one.
    #[serde(default)]
    pub operation: Option<O>,
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

impl<O> Fault<O> {
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
    pub fn on(self, operation: O) -> Self {
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

/// What is to go wrong, and how often each call arrived.
#[derive(Debug, Clone)]
pub(crate) struct Faults<O> {
    waiting: VecDeque<Fault<O>>,
    calls: BTreeMap<O, u64>,
}

impl<O> Default for Faults<O> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), calls: BTreeMap::new() }
    }
}

impl<O: Copy + Ord> Faults<O> {
    pub(crate) fn push(&mut self, fault: Fault<O>) {
        self.waiting.push_back(fault);
    }

    pub(crate) fn waiting(&self) -> Vec<Fault<O>> {
        self.waiting.iter().copied().collect()
    }

    pub(crate) fn calls(&self) -> BTreeMap<O, u64> {
        self.calls.clone()
    }

    /// Counts a call, and takes one strike of the first fault that matches it.
    pub(crate) fn arrive(&mut self, operation: O) -> Fault<O> {
        let calls = self.calls.entry(operation).or_default();
        *calls = calls.saturating_add(1);
        let matches =
            |fault: &&mut Fault<O>| fault.times > 0 && fault.operation.is_none_or(|only| only == operation);
        let Some(fault) = self.waiting.iter_mut().find(matches) else {
            return Fault { times: 0, ..Fault::new(Answer::Usual) };
        };
        fault.times = fault.times.saturating_sub(1);
        let struck = *fault;
        self.waiting.retain(|fault| fault.times > 0);
        struck
    }
}

impl<O> Fault<O> {
    /// Runs a call with what this does to it. `refusal` is the provider's way to say a status.
    pub(crate) async fn strike(self, refusal: fn(u16) -> Value, run: impl FnOnce() -> Response) -> Response {
        match self.when {
            When::Before => {
                wait(self.delay_ms).await;
                injected(self.answer, refusal).unwrap_or_else(run)
            }
            When::After => {
                let answer = run();
                wait(self.delay_ms).await;
                injected(self.answer, refusal).unwrap_or(answer)
            }
        }
    }
}

/// The answer a fault puts in place of the true one.
pub(crate) fn injected(answer: Answer, refusal: fn(u16) -> Value) -> Option<Response> {
    match answer {
        Answer::Usual => None,
        Answer::Status(status) => Some(respond(status, &refusal(status))),
        Answer::Garbage(status) => {
            let mut response = "<html>Bad gateway</html>".into_response();
            *response.status_mut() = respond(status, &Value::Null).status();
            Some(response)
        }
        Answer::Drop => Some(DropConnection::response()),
    }
}
