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
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{runtime::Handle, sync::watch, task::JoinSet};

/// Back-off between two attempts never grows beyond this.
const BACKOFF_MS_MAX: u64 = 10_000;

/// How events reach the marketplace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WebhookSettings {
    /// Where to; without it events are held.
    pub url: Option<String>,
    /// What they are signed with.
    #[serde(skip)]
    pub secret: String,
    /// How many times each event is delivered, in parallel.
    pub copies: u32,
    /// How long each delivery waits first.
    pub delay_ms: u64,
    /// Each delivery waits up to this much longer, so that events overtake each other.
    pub spread_ms: u64,
    /// Keep events back until they are released.
    pub hold: bool,
    /// How often a delivery that is not answered with 2xx is tried.
    pub tries_max: u32,
    /// The wait after the first failed try; it doubles each time.
    pub backoff_ms: u64,
    /// How long one try may take.
    pub timeout_ms: u64,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            url: None,
            secret: "local".to_owned(),
            copies: 1,
            delay_ms: 0,
            spread_ms: 0,
            hold: false,
            tries_max: 8,
            backoff_ms: 250,
            timeout_ms: 20_000,
        }
    }
}

/// A change of [`WebhookSettings`]; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookChanges {
    /// See [`WebhookSettings::url`]; an empty one removes it.
    pub url: Option<String>,
    /// See [`WebhookSettings::secret`].
    pub secret: Option<String>,
    /// See [`WebhookSettings::copies`].
    pub copies: Option<u32>,
    /// See [`WebhookSettings::delay_ms`].
    pub delay_ms: Option<u64>,
    /// See [`WebhookSettings::spread_ms`].
    pub spread_ms: Option<u64>,
    /// See [`WebhookSettings::hold`].
    pub hold: Option<bool>,
    /// See [`WebhookSettings::tries_max`].
    pub tries_max: Option<u32>,
    /// See [`WebhookSettings::backoff_ms`].
    pub backoff_ms: Option<u64>,
    /// See [`WebhookSettings::timeout_ms`].
    pub timeout_ms: Option<u64>,
}

impl WebhookSettings {
    pub(crate) fn apply(&mut self, changes: WebhookChanges) {
        let WebhookChanges {
            url,
            secret,
            copies,
            delay_ms,
            spread_ms,
            hold,
            tries_max,
            backoff_ms,
            timeout_ms,
        } = changes;
        let old = std::mem::take(self);
        *self = Self {
            url: url.or(old.url).filter(|url| !url.is_empty()),
            secret: secret.unwrap_or(old.secret),
            copies: copies.unwrap_or(old.copies),
            delay_ms: delay_ms.unwrap_or(old.delay_ms),
            spread_ms: spread_ms.unwrap_or(old.spread_ms),
            hold: hold.unwrap_or(old.hold),
            tries_max: tries_max.unwrap_or(old.tries_max),
            backoff_ms: backoff_ms.unwrap_or(old.backoff_ms),
            timeout_ms: timeout_ms.unwrap_or(old.timeout_ms),
        };
    }
}

/// The order in which held events are released.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Oldest first.
    #[default]
    AsEmitted,
    /// Newest first.
    Reversed,
}

/// One try to deliver one copy of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// Which copy, from 0.
    pub copy: u32,
    /// How it ended.
    pub result: Delivery,
}

impl Attempt {
    /// Whether it was answered with a 2xx status.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        matches!(self.result, Delivery::Answered(200..=299))
    }
}

/// How a try to deliver ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// With this status.
    Answered(u16),
    /// Without an answer.
    Failed(String),
}

/// An event and how its deliveries went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventRecord {
    /// The provider's id of it.
    pub id: String,
    /// `payment_intent.succeeded` and the like.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id of the object it is about.
    pub object_id: Option<String>,
    /// Everything, as delivered.
    pub body: Value,
    /// Signed with this secret instead of the webhook's.
    #[serde(skip)]
    pub(crate) secret: Option<String>,
    /// Signed with this time instead of the clock's.
    #[serde(skip)]
    pub(crate) signed_at: Option<i64>,
    /// Every attempt to deliver it, oldest first.
    pub attempts: Vec<Attempt>,
}

impl EventRecord {
    pub(crate) fn new(id: impl Into<String>, kind: &str, object_id: Option<String>, body: Value) -> Self {
        let (id, kind) = (id.into(), kind.to_owned());
        Self { id, kind, object_id, body, secret: None, signed_at: None, attempts: Vec::new() }
    }

    /// Whether some attempt was answered with a 2xx status.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.attempts.iter().any(Attempt::succeeded)
    }
}

/// What a signature is made of.
pub(crate) struct Signing<'a> {
    /// The event's id.
    pub event: &'a str,
    pub secret: &'a str,
    pub at_epoch_s: i64,
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
