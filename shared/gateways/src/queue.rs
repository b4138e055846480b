//! Amazon SQS.

use aws_sdk_sqs::{Client, types::MessageAttributeValue};

use crate::{BoxError, aws};

/// What a caller may do about a message that was not queued.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Try again later. It may have been queued all the same.
    #[error("the queue is unavailable")]
    Unavailable(#[source] BoxError),
    /// A bug or a misconfiguration.
    #[error("the queue refused the message")]
    Rejected(#[source] BoxError),
}

/// Sends messages to queues.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
}

impl Queue {
    /// Uses `client`, built once per cold start.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Queues `body` with text `attributes`. Twice queued is possible, so consumers recognise what they have done.
    ///
    /// # Errors
    /// See [`QueueError`].
    pub async fn send(
        &self,
        queue_url: &str,
        body: &str,
        attributes: &[(&str, &str)],
    ) -> Result<(), QueueError> {
        let mut call = self.client.send_message().queue_url(queue_url).message_body(body);
        for (name, value) in attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(*value).build();
            call = call.message_attributes(*name, value.map_err(|error| QueueError::Rejected(error.into()))?);
        }
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) if aws::is_passing(&error) => Err(QueueError::Unavailable(error.into())),
            Err(error) => Err(QueueError::Rejected(error.into())),
        }
    }
}
