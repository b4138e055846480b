//! A stand-in of Stripe: payment intents, refunds, idempotency keys and signed webhooks.
//!
//! The calls live under `/stripe/v1/`; [`Stripe`] carries the test controls as methods.

mod controls;
mod delivery;
pub(crate) mod error;
mod events;
mod faults;
mod form;
pub(crate) mod http;
mod idempotency;
mod intents;
mod refunds;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{runtime::Handle, sync::watch};

pub use controls::{Emit, IntentChanges, Snapshot};
pub use delivery::{Attempt, Delivery, Order, WebhookChanges, WebhookSettings};
pub use error::Refusal;
pub use events::{EventRecord, signature};
pub use faults::{Answer, Fault, Operation, When};
pub use intents::{Challenge, Charge, Intent, IntentStatus};
pub use refunds::{Refund, RefundStatus};

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
    runtime: Handle,
    client: Client<HttpConnector, axum::body::Body>,
    stopped: watch::Receiver<bool>,
    pending: watch::Sender<usize>,
    state: Mutex<State>,
}

/// All that a reset forgets, except `sequence`: an id is never given out twice.
#[derive(Default)]
pub(crate) struct State {
    sequence: u64,
    fixed_now: Option<i64>,
    intents: BTreeMap<String, Intent>,
    charges: BTreeMap<String, Charge>,
    refunds: BTreeMap<String, Refund>,
    refunds_stay_pending: bool,
    events: Vec<EventRecord>,
    held: Vec<String>,
    webhook: WebhookSettings,
    keys: HashMap<String, idempotency::Kept>,
    faults: VecDeque<Fault>,
    calls: BTreeMap<Operation, u64>,
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
            runtime: Handle::current(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            stopped,
            pending: watch::Sender::new(0),
            state: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_id(&self, state: &mut State, prefix: &str) -> String {
        state.sequence = state.sequence.saturating_add(1);
        format!("{prefix}_{}{:06x}", self.inner.run, state.sequence)
    }
}

impl State {
    fn now(&self) -> i64 {
        self.fixed_now.unwrap_or_else(|| i64::try_from(wall_clock().as_secs()).unwrap_or(i64::MAX))
    }
}

#[expect(clippy::disallowed_methods, reason = "Stripe has its own clock; tests fix it through a control")]
fn wall_clock() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
