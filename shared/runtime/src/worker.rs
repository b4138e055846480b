//! The loops of workers: queues, streams and schedules.

use std::future::Future;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sutler_http::problem::chain;
use tracing::Instrument;

/// What happened to one message. An error puts it back; after a few tries it goes to the dead-letter queue.
pub type Handled = Result<(), sutler_services::Error>;

/// What a queue hands over at once.
#[derive(Debug, Deserialize)]
pub struct QueueBatch {
    #[serde(rename = "Records")]
    records: Vec<QueueMessage>,
}

/// One message of a queue.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueMessage {
    /// The queue's id of the message.
    pub message_id: String,
    /// What was sent.
    pub body: String,
}

/// Which messages of a batch the queue is to keep.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchAnswer {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

/// Runs a queue worker: each message by itself, and only those that failed come back.
///
/// # Errors
/// Only when the Lambda runtime itself cannot be reached.
pub async fn queue_worker<'a, S, F, R>(state: &'a S, handle: F) -> Result<(), Error>
where
    F: Fn(&'a S, QueueMessage) -> R,
    R: Future<Output = Handled> + Send,
{
    let handle = &handle;
    run(service_fn(|batch: LambdaEvent<QueueBatch>| async move {
        Ok::<_, Error>(queue_batch(state, handle, batch.payload).await)
    }))
    .await
}

/// Handles one batch of a queue.
pub async fn queue_batch<'a, S, F, R>(state: &'a S, handle: &F, batch: QueueBatch) -> BatchAnswer
where
    F: Fn(&'a S, QueueMessage) -> R,
    R: Future<Output = Handled> + Send,
{
    let mut batch_item_failures = Vec::new();
    for message in batch.records {
        let item_identifier = message.message_id.clone();
        let span = tracing::info_span!("message", message.id = %item_identifier);
        if let Err(error) = handle(state, message).instrument(span.clone()).await {
            span.in_scope(|| tracing::error!(error.chain = %chain(&error), "Message failed: {error}"));
            batch_item_failures.push(Failure { item_identifier });
        }
    }
    BatchAnswer { batch_item_failures }
}

/// What a stream hands over at once.
#[derive(Debug, Deserialize)]
pub struct StreamBatch<T> {
    #[serde(rename = "Records")]
    records: Vec<T>,
}

/// Runs a stream worker: records in order, and the first failure fails the invocation, so that the stream
/// hands over the same records again. What was done before is done again, which every handler must bear.
///
/// # Errors
/// Only when the Lambda runtime itself cannot be reached.
pub async fn stream_worker<'a, S, T, F, R>(state: &'a S, handle: F) -> Result<(), Error>
where
    T: DeserializeOwned,
    F: Fn(&'a S, Vec<T>) -> R,
    R: Future<Output = Handled> + Send,
{
    let handle = &handle;
    run(service_fn(|batch: LambdaEvent<StreamBatch<T>>| async move {
        stream_batch(state, handle, batch.payload).await
    }))
    .await
}

/// Handles one batch of a stream.
///
/// # Errors
/// When any of its records cannot be handled; the stream then hands over the batch again, in halves.
pub async fn stream_batch<'a, S, T, F, R>(
    state: &'a S,
    handle: &F,
    batch: StreamBatch<T>,
) -> Result<(), Error>
where
    F: Fn(&'a S, Vec<T>) -> R,
    R: Future<Output = Handled> + Send,
{
    handle(state, batch.records).await.map_err(|error| failed("Stream batch", &error))
}

fn failed(what: &str, error: &sutler_services::Error) -> Error {
    tracing::error!(error.chain = %chain(error), "{what} failed: {error}");
    Error::from(error.to_string())
}

/// Runs a task that a schedule starts; what it answers goes to whoever invoked it.
///
/// # Errors
/// Only when the Lambda runtime itself cannot be reached.
pub async fn task_worker<'a, S, T, F, R>(state: &'a S, task: F) -> Result<(), Error>
where
    T: Serialize,
    F: Fn(&'a S) -> R,
    R: Future<Output = Result<T, sutler_services::Error>> + Send,
{
    let task = &task;
    run(service_fn(|_: LambdaEvent<serde_json::Value>| async move {
        task(state).await.map_err(|error| failed("Task", &error))
    }))
    .await
}
