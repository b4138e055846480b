//! How a provider's events are delivered, and how their deliveries went.

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
