//! Sending messages to a queue of ours.

use serde::Serialize;
use sutler_gateways::queue::{Queue, QueueError};
use sutler_services::Error;

use crate::{Config, ConfigError, aws};

/// A queue and where it is.
#[derive(Debug, Clone)]
pub struct Sender {
    queue: Queue,
    url: String,
}

impl Sender {
    /// Sends to the queue at `url`.
    #[must_use]
    pub fn new(queue: Queue, url: &str) -> Self {
        Self { queue, url: url.to_owned() }
    }

    /// Sends to the queue whose address is in this setting.
    ///
    /// # Errors
    /// [`ConfigError`] when a setting is missing.
    pub fn connect(config: &Config, setting: &'static str) -> Result<Self, ConfigError> {
        Ok(Self::new(Queue::new(aws::sqs(config)?), config.text(setting)?))
    }

    /// Queues a text as it is.
    ///
    /// # Errors
    /// When the queue does not take it. It may have been queued all the same.
    pub async fn send_text(&self, body: &str) -> Result<(), Error> {
        // Boxed, for the futures of the SDK are deep and would make every caller's as deep.
        Box::pin(self.queue.send(&self.url, body, &[])).await.map_err(|error| match error {
            QueueError::Unavailable(_) => Error::Unavailable(error.into()),
            QueueError::Rejected(_) => Error::Internal(error.into()),
        })
    }

    /// Queues a message as JSON.
    ///
    /// # Errors
    /// When the queue does not take it. It may have been queued all the same.
    pub async fn send<T: Serialize + Sync>(&self, message: &T) -> Result<(), Error> {
        let body = serde_json::to_string(message).map_err(|error| Error::Internal(error.into()))?;
        self.send_text(&body).await
    }
}
