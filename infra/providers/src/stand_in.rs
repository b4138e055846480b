//! What every provider's stand-in is made of: what it holds, what is to go wrong with its calls, and its webhook.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

use crate::{
    courier::{Courier, Signing, wall_clock},
    faults::{Fault, Faults},
    webhook::{EventRecord, Order, WebhookChanges, WebhookSettings},
};

/// What one provider holds, and how it signs.
pub trait Provider: Default + Send + 'static {
    /// Its calls, for choosing which ones fail.
    type Operation: Copy + Ord + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// Everything it holds, as a test sees it.
    type Snapshot: Serialize;
    /// What its controls lie under.
    const NAME: &'static str;

    /// The headers that prove a message. `base_url` is where the stand-ins listen.
    fn sign(base_url: &str, message: &Signing<'_>) -> Vec<(&'static str, String)>;

    /// Everything it holds.
    fn snapshot(&self) -> Self::Snapshot;

    /// Forgets what a reset forgets.
    fn reset(&mut self) {
        *self = Self::default();
    }
}

/// The stand-in of a provider: one account with everything in it. Clones share it.
pub struct StandIn<P: Provider> {
    inner: Arc<Inner<P>>,
}

struct Inner<P: Provider> {
    base_url: String,
    run: String,
    sequence: AtomicU64,
    courier: Courier,
    faults: Mutex<Faults<P::Operation>>,
    state: Mutex<P>,
}

/// What the controls show of a stand-in.
#[derive(Serialize)]
pub(crate) struct Shown<P: Provider> {
    #[serde(flatten)]
    snapshot: P::Snapshot,
    /// In the order they happened, with every attempt to deliver them.
    events: Vec<EventRecord>,
    /// Ids of events that wait to be released.
    held: Vec<String>,
    /// Deliveries that have not ended.
    pending_deliveries: usize,
    /// How events are delivered.
    webhook: WebhookSettings,
    /// How often each call arrived, failed ones included.
    calls: BTreeMap<P::Operation, u64>,
    /// Faults still to strike.
    faults: Vec<Fault<P::Operation>>,
}

impl<P: Provider> Clone for StandIn<P> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<P: Provider> fmt::Debug for StandIn<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(P::NAME).field("base_url", &self.inner.base_url).finish_non_exhaustive()
    }
}

impl<P: Provider> StandIn<P> {
    pub(crate) fn new(base_url: String, stopped: watch::Receiver<bool>) -> Self {
        let signer = base_url.clone();
        let inner = Inner {
            // Two runs against one database must not repeat an event's id: its inbox would take it for a redelivery.
            run: format!("{:x}", wall_clock().as_micros()),
            sequence: AtomicU64::new(1),
            courier: Courier::new(stopped, Box::new(move |message| P::sign(&signer, message))),
            faults: Mutex::default(),
            state: Mutex::default(),
            base_url,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Where the stand-ins listen, without a trailing slash.
    pub(crate) fn base_url(&self) -> &str {
        &self.inner.base_url
    }

    /// Tells this run from every other one.
    pub(crate) fn run_id(&self) -> &str {
        &self.inner.run
    }

    /// Counts on: what was given out once is not given out again, after a reset either.
    pub(crate) fn next(&self) -> u64 {
        self.inner.sequence.fetch_add(1, Ordering::Relaxed)
    }

    /// A number that no other run gives out either.
    pub(crate) fn new_number(&self) -> String {
        format!("{}{:06x}", self.inner.run, self.next())
    }

    pub(crate) fn courier(&self) -> &Courier {
        &self.inner.courier
    }

    /// The provider's clock, in epoch seconds.
    pub(crate) fn now(&self) -> i64 {
        self.inner.courier.now()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, P> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults<P::Operation>> {
        self.inner.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, and answers what is to go wrong with it.
    pub(crate) fn arrive(&self, operation: P::Operation) -> Fault<P::Operation> {
        self.faults().arrive(operation)
    }

    pub(crate) fn shown(&self) -> Shown<P> {
        let snapshot = self.snapshot();
        let (courier, faults) = (self.courier(), self.faults());
        Shown {
            snapshot,
            events: courier.events(),
            held: courier.held(),
            pending_deliveries: courier.pending(),
            webhook: courier.settings(),
            calls: faults.calls(),
            faults: faults.waiting(),
        }
    }

    /// Everything it holds.
    #[must_use]
    pub fn snapshot(&self) -> P::Snapshot {
        self.state().snapshot()
    }

    /// Its events in the order they happened, with every attempt to deliver them.
    #[must_use]
    pub fn events(&self) -> Vec<EventRecord> {
        self.inner.courier.events()
    }

    /// How often each call arrived, failed ones included.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<P::Operation, u64> {
        self.faults().calls()
    }

    /// Injects a fault; several strike in the order they came.
    pub fn inject(&self, fault: Fault<P::Operation>) {
        self.faults().push(fault);
    }

    /// Changes how events are delivered.
    pub fn configure_webhook(&self, changes: WebhookChanges) {
        self.inner.courier.configure(changes);
    }

    /// Stops holding events and delivers the held ones, one after the other.
    pub fn release(&self, order: Order) {
        self.inner.courier.release(order);
    }

    /// Throws the held events away: they are never delivered.
    pub fn discard_held(&self) {
        self.inner.courier.discard_held();
    }

    /// Delivers an event again, `copies` times in parallel; `false` when there is none.
    #[must_use]
    pub fn redeliver(&self, event: &str, copies: u32) -> bool {
        self.inner.courier.redeliver(event, copies)
    }

    /// Waits until no delivery is under way; `false` when `patience` runs out first.
    pub async fn settled(&self, patience: Duration) -> bool {
        self.inner.courier.settled(patience).await
    }

    /// Fixes the provider's clock, or lets it run again.
    pub fn set_now(&self, now: Option<i64>) {
        self.inner.courier.set_now(now);
    }

    /// Forgets everything but where the webhook is and its secret.
    pub fn reset(&self) {
        self.state().reset();
        *self.faults() = Faults::default();
        self.inner.courier.reset();
    }
}
