//! Deliveries of events to the marketplace's webhook: signed, repeated until they are taken, and late, twice, out of
//! order or never when a test wants it so.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::body::Body;
use hyper::{Request, header::CONTENT_TYPE};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{runtime::Handle, sync::watch, task::JoinSet};

use crate::webhook::{Attempt, Delivery, EventRecord, Order, WebhookChanges, WebhookSettings};

/// Back-off between two attempts never grows beyond this.
const BACKOFF_MS_MAX: u64 = 10_000;

/// What a signature is made of.
#[derive(Debug)]
pub struct Signing<'a> {
    /// The event's id.
    pub event: &'a str,
    /// What is shared with the receiver.
    pub secret: &'a str,
    /// When it is sent, in epoch seconds.
    pub at_epoch_s: i64,
    /// The message.
    pub body: &'a str,
}

/// Makes the headers that prove a message.
pub(crate) type Sign = dyn Fn(&Signing<'_>) -> Vec<(&'static str, String)> + Send + Sync;

/// Carries the events of one provider. Clones share it.
#[derive(Clone)]
pub(crate) struct Courier {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Handle,
    client: Client<HttpConnector, Body>,
    stopped: watch::Receiver<bool>,
    pending: watch::Sender<usize>,
    sign: Box<Sign>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    fixed_now: Option<i64>,
    events: Vec<EventRecord>,
    held: Vec<String>,
    webhook: WebhookSettings,
}

impl State {
    fn now(&self) -> i64 {
        self.fixed_now.unwrap_or_else(|| i64::try_from(wall_clock().as_secs()).unwrap_or(i64::MAX))
    }
}

impl Courier {
    pub(crate) fn new(stopped: watch::Receiver<bool>, sign: Box<Sign>) -> Self {
        let inner = Inner {
            runtime: Handle::current(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            stopped,
            pending: watch::Sender::new(0),
            sign,
            state: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The provider's clock, in epoch seconds.
    pub(crate) fn now(&self) -> i64 {
        self.state().now()
    }

    /// Fixes the provider's clock, or lets it run again.
    pub(crate) fn set_now(&self, now: Option<i64>) {
        self.state().fixed_now = now;
    }

    pub(crate) fn configure(&self, changes: WebhookChanges) {
        self.state().webhook.apply(changes);
    }

    pub(crate) fn settings(&self) -> WebhookSettings {
        self.state().webhook.clone()
    }

    pub(crate) fn events(&self) -> Vec<EventRecord> {
        self.state().events.clone()
    }

    pub(crate) fn held(&self) -> Vec<String> {
        self.state().held.clone()
    }

    /// Deliveries that have not ended.
    pub(crate) fn pending(&self) -> usize {
        *self.inner.pending.borrow()
    }

    /// Records an event and sends it on its way.
    pub(crate) fn publish(&self, event: EventRecord) -> String {
        let id = event.id.clone();
        let mut state = self.state();
        state.events.push(event);
        if state.webhook.hold || state.webhook.url.is_none() {
            state.held.push(id.clone());
        } else {
            self.send(&state, vec![id.clone()], state.webhook.copies);
        }
        id
    }

    /// Stops holding events and delivers the held ones, one after the other.
    pub(crate) fn release(&self, order: Order) {
        let mut state = self.state();
        state.webhook.hold = false;
        let mut held = std::mem::take(&mut state.held);
        match order {
            Order::AsEmitted => {}
            Order::Reversed => held.reverse(),
        }
        if !held.is_empty() {
            self.send(&state, held, state.webhook.copies);
        }
    }

    /// Throws the held events away: they are never delivered.
    pub(crate) fn discard_held(&self) {
        self.state().held.clear();
    }

    /// Delivers an event again, `copies` times in parallel; `false` when there is none.
    pub(crate) fn redeliver(&self, event: &str, copies: u32) -> bool {
        let state = self.state();
        let known = state.events.iter().any(|record| record.id == event);
        if known {
            self.send(&state, vec![event.to_owned()], copies);
        }
        known
    }

    /// Waits until no delivery is under way; `false` when `patience` runs out first.
    pub(crate) async fn settled(&self, patience: Duration) -> bool {
        let mut pending = self.inner.pending.subscribe();
        let idle = pending.wait_for(|pending| *pending == 0);
        tokio::time::timeout(patience, idle).await.is_ok()
    }

    /// Forgets everything but where the webhook is and its secret.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        let webhook = WebhookSettings {
            url: state.webhook.url.take(),
            secret: std::mem::take(&mut state.webhook.secret),
            ..WebhookSettings::default()
        };
        *state = State { webhook, ..State::default() };
    }

    /// Delivers events one after the other, each `copies` times in parallel.
    fn send(&self, state: &State, events: Vec<String>, copies: u32) {
        let mut waits = Vec::new();
        for event in &events {
            waits.extend((0..copies).map(|copy| (event.clone(), copy, first_wait(state, event, copy))));
        }
        let courier = self.clone();
        self.inner.pending.send_modify(|pending| *pending = pending.saturating_add(1));
        self.inner.runtime.spawn(async move {
            let mut stopped = courier.inner.stopped.clone();
            let work = async {
                for event in &events {
                    let mut running = JoinSet::new();
                    for (_, copy, wait) in waits.iter().filter(|(id, _, _)| id == event) {
                        running.spawn(courier.clone().deliver(event.clone(), *copy, *wait));
                    }
                    running.join_all().await;
                }
            };
            tokio::select! {
                () = work => {}
                _ = stopped.wait_for(|stop| *stop) => {}
            }
            courier.inner.pending.send_modify(|pending| *pending = pending.saturating_sub(1));
        });
    }

    async fn deliver(self, event: String, copy: u32, first_wait_ms: u64) {
        wait(first_wait_ms).await;
        let mut backoff_ms = self.state().webhook.backoff_ms;
        let mut tries: u32 = 1;
        loop {
            let result = self.try_once(&event).await;
            let attempt = Attempt { copy, result };
            let done = attempt.succeeded() || tries >= self.state().webhook.tries_max;
            if let Some(record) = self.state().events.iter_mut().find(|record| record.id == event) {
                record.attempts.push(attempt);
            }
            if done {
                return;
            }
            wait(backoff_ms).await;
            tries = tries.saturating_add(1);
            backoff_ms = backoff_ms.saturating_mul(2).min(BACKOFF_MS_MAX);
        }
    }

    async fn try_once(&self, event: &str) -> Delivery {
        let (request, timeout_ms) = {
            let state = self.state();
            let Some(request) = self.signed_request(&state, event) else {
                return Delivery::Failed("no webhook URL, or the event was forgotten".to_owned());
            };
            (request, state.webhook.timeout_ms)
        };
        let request = match request {
            Ok(request) => request,
            Err(error) => return Delivery::Failed(error.to_string()),
        };
        let call = self.inner.client.request(request);
        match tokio::time::timeout(Duration::from_millis(timeout_ms), call).await {
            Ok(Ok(response)) => Delivery::Answered(response.status().as_u16()),
            Ok(Err(error)) => Delivery::Failed(chain(&error)),
            Err(elapsed) => Delivery::Failed(elapsed.to_string()),
        }
    }

    /// Every try is signed anew, as providers do, so that a late one is not stale.
    fn signed_request(
        &self,
        state: &State,
        event: &str,
    ) -> Option<Result<Request<Body>, hyper::http::Error>> {
        let url = state.webhook.url.as_deref()?;
        let event = state.events.iter().find(|record| record.id == event)?;
        let body = event.body.to_string();
        let signing = Signing {
            event: &event.id,
            secret: event.secret.as_deref().unwrap_or(&state.webhook.secret),
            at_epoch_s: event.signed_at.unwrap_or_else(|| state.now()),
            body: &body,
        };
        let mut request = Request::post(url).header(CONTENT_TYPE, "application/json; charset=utf-8");
        for (name, value) in (self.inner.sign)(&signing) {
            request = request.header(name, value);
        }
        Some(request.body(Body::from(body)))
    }
}

/// The configured delay and a share of the spread that is fixed by the event's place, so that a run repeats.
fn first_wait(state: &State, event: &str, copy: u32) -> u64 {
    let mut hasher = DefaultHasher::new();
    (state.events.iter().position(|record| record.id == event), copy).hash(&mut hasher);
    let share = hasher.finish().checked_rem(state.webhook.spread_ms.saturating_add(1)).unwrap_or_default();
    state.webhook.delay_ms.saturating_add(share)
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[expect(
    clippy::disallowed_methods,
    reason = "being late, and trying again later, is what this stand-in is for"
)]
pub(crate) async fn wait(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "a provider has its own clock; tests fix it through a control")]
pub(crate) fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
