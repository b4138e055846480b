//! Deliveries of events to the marketplace's webhook.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use axum::body::Body;
use hyper::{Request, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::{State, Stripe, events::signature};

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
            secret: "whsec_local".to_owned(),
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

impl Stripe {
    /// Delivers events one after the other, each `copies` times in parallel.
    pub(crate) fn send(&self, state: &State, events: Vec<String>, copies: u32) {
        let mut waits = Vec::new();
        for event in &events {
            waits.extend((0..copies).map(|copy| (event.clone(), copy, first_wait(state, event, copy))));
        }
        let stripe = self.clone();
        self.inner.pending.send_modify(|pending| *pending = pending.saturating_add(1));
        self.inner.runtime.spawn(async move {
            let mut stopped = stripe.inner.stopped.clone();
            let work = async {
                for event in &events {
                    let mut running = JoinSet::new();
                    for (_, copy, wait) in waits.iter().filter(|(id, _, _)| id == event) {
                        running.spawn(stripe.clone().deliver(event.clone(), *copy, *wait));
                    }
                    running.join_all().await;
                }
            };
            tokio::select! {
                () = work => {}
                _ = stopped.wait_for(|stop| *stop) => {}
            }
            stripe.inner.pending.send_modify(|pending| *pending = pending.saturating_sub(1));
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
            let Some(request) = signed_request(&state, event) else {
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
}

/// Every try is signed anew, as Stripe does, so that a late one is not stale.
fn signed_request(state: &State, event: &str) -> Option<Result<Request<Body>, hyper::http::Error>> {
    let url = state.webhook.url.as_deref()?;
    let event = state.events.iter().find(|record| record.id == event)?;
    let body = event.body.to_string();
    let secret = event.secret.as_deref().unwrap_or(&state.webhook.secret);
    let header = signature(secret, event.signed_at.unwrap_or_else(|| state.now()), &body);
    let request = Request::post(url)
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .header("stripe-signature", header)
        .body(Body::from(body));
    Some(request)
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
