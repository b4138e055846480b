//! A stand-in of Stripe: payment intents, checkout sessions, refunds, idempotency keys and signed webhooks.
//!
//! The calls live under `/stripe/v1/`; [`Stripe`] carries the test controls as methods.

mod controls;
pub(crate) mod error;
mod events;
mod form;
pub(crate) mod http;
mod idempotency;
mod intents;
mod operation;
mod refunds;
pub(crate) mod routes;
mod sessions;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::{
    courier::{Courier, wall_clock},
    faults::Faults,
};

pub use crate::{
    faults::{Answer, When},
    webhook::{Attempt, Delivery, EventRecord, Order, WebhookChanges, WebhookSettings},
};
pub use controls::{Emit, IntentChanges, Snapshot};
pub use error::Refusal;
pub(crate) use events::hmac_hex;
pub use events::signature;
pub use intents::{Challenge, Charge, Intent, IntentStatus};
pub use operation::Operation;
pub use refunds::{Refund, RefundStatus};
pub use sessions::{Session, SessionStatus};

/// A fault of some of Stripe's calls.
pub type Fault = crate::faults::Fault<Operation>;

/// The version of Stripe's API whose answers these are; the pinned SDK asks for it.
pub const API_VERSION: &str = "2026-09-30.endive";

/// The stand-in: one account with everything in it. Clones share it.
#[derive(Clone)]
pub struct Stripe {
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
    intents: BTreeMap<String, Intent>,
    sessions: BTreeMap<String, Session>,
    charges: BTreeMap<String, Charge>,
    refunds: BTreeMap<String, Refund>,
    refunds_stay_pending: bool,
    keys: HashMap<String, idempotency::Kept>,
    faults: Faults<Operation>,
}

impl fmt::Debug for Stripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stripe").field("base_url", &self.inner.base_url).finish_non_exhaustive()
    }
}

impl Stripe {
    pub(crate) fn new(base_url: String, stopped: watch::Receiver<bool>) -> Self {
        // Two runs against one database must not repeat an event id: its inbox would take it for a redelivery.
        let run = format!("{:x}", wall_clock().as_micros());
        let inner = Inner {
            base_url,
            run,
            courier: Courier::new(stopped, Box::new(events::sign)),
            state: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        self.inner.courier.now()
    }

    fn new_id(&self, state: &mut State, prefix: &str) -> String {
        state.sequence = state.sequence.saturating_add(1);
        format!("{prefix}_{}{:06x}", self.inner.run, state.sequence)
    }
}
