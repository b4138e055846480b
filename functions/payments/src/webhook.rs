//! What the endpoints that hear from providers work with. They have no database: what is authentic goes to a queue.

use std::sync::Arc;

use serde::Serialize;
use sutler_domain::time::Clock;
use sutler_gateways::{
    secret::{Secret, SecretsError},
    secrets::Secrets,
};
use sutler_runtime::{Config, queue::Sender};
use sutler_services::{Error, gateways::Settle};

/// The setting that says where the queue is.
pub(crate) const PAYMENT_EVENTS: &str = "QUEUE_PAYMENT_EVENTS";

/// Where messages come from and go to.
pub struct Webhook {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where the signing secret is kept.
    pub secrets: Secrets,
    /// Its name there.
    pub secret_id: String,
    /// What takes the messages.
    pub queue: Sender,
}

impl Webhook {
    /// Reads configuration; `secret` is the variable that names the signing secret.
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn connect(secret: &'static str) -> Result<Self, lambda_http::Error> {
        Self::of(&sutler_runtime::start_bare(), secret)
    }

    /// As [`Webhook::connect`], of a configuration that was read.
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn of(config: &Config, secret: &'static str) -> Result<Self, lambda_http::Error> {
        Ok(Self {
            clock: Arc::new(sutler_runtime::system::SystemClock),
            secrets: Secrets::new(sutler_runtime::aws::secrets(config)?, 60),
            secret_id: config.text(secret)?.to_owned(),
            queue: Sender::connect(config, PAYMENT_EVENTS)?,
        })
    }

    /// The time in epoch seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.clock.now().seconds()
    }

    /// The secret, or nothing where it has no value: then the gateway is not configured.
    ///
    /// # Errors
    /// When the secret store does not answer.
    pub async fn secret(&self) -> Result<Option<Secret>, Error> {
        match self.secrets.get(&self.secret_id, self.now()).await {
            Ok(secret) => Ok(Some(secret)),
            Err(SecretsError::Missing) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts an authentic message on the queue as it came.
    ///
    /// # Errors
    /// When the queue does not take it.
    pub async fn note(&self, body: &str) -> Result<(), Error> {
        self.queue.send_text(body).await
    }

    /// Asks a worker to see how an attempt stands.
    ///
    /// # Errors
    /// When the queue does not take it.
    pub async fn ask(&self, asked: &Settle) -> Result<(), Error> {
        self.queue.send(asked).await
    }
}

/// What a message that was taken is answered with, where a provider insists on 200.
#[derive(Debug, Serialize)]
pub(crate) struct Noted {}
