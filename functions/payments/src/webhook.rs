//! What the endpoints that hear from providers work with. They have no database: what is authentic goes to a queue.

use std::sync::Arc;

use serde::Serialize;
use sutler_domain::time::Clock;
use sutler_gateways::{
    queue::{Queue, QueueError},
    secret::{Secret, SecretsError},
    secrets::Secrets,
};
use sutler_runtime::Config;
use sutler_services::{Error, gateways::Settle};

/// Where messages come from and go to.
pub struct Webhook {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where the signing secret is kept.
    pub secrets: Secrets,
    /// Its name there.
    pub secret_id: String,
    /// What takes the messages.
    pub queue: Queue,
    /// Which queue.
    pub queue_url: String,
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
            queue: Queue::new(sutler_runtime::aws::sqs(config)?),
            queue_url: config.text("QUEUE_PAYMENT_EVENTS")?.to_owned(),
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
        send(&self.queue, &self.queue_url, body).await
    }

    /// Asks a worker to see how an attempt stands.
    ///
    /// # Errors
    /// When the queue does not take it.
    pub async fn ask(&self, asked: &Settle) -> Result<(), Error> {
        ask(&self.queue, &self.queue_url, asked).await
    }
}

/// What a message that was taken is answered with, where a provider insists on 200.
#[derive(Debug, Serialize)]
pub(crate) struct Noted {}

/// Asks a worker to see how an attempt stands.
pub(crate) async fn ask(queue: &Queue, queue_url: &str, asked: &Settle) -> Result<(), Error> {
    let body = serde_json::to_string(asked).map_err(|error| Error::Internal(error.into()))?;
    send(queue, queue_url, &body).await
}

async fn send(queue: &Queue, queue_url: &str, body: &str) -> Result<(), Error> {
    queue.send(queue_url, body, &[]).await.map_err(|error| match error {
        QueueError::Unavailable(_) => Error::Unavailable(error.into()),
        QueueError::Rejected(_) => Error::Internal(error.into()),
    })
}
