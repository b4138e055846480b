//! What a caller may do about a failed read or write.

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    types::AttributeValue,
};
use std::collections::HashMap;

/// An item as DynamoDB holds it.
pub type Item = HashMap<String, AttributeValue>;

/// Any error, kept as the cause for the log.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Nothing of the SDK leaks past this enum except as a cause for the log.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// One or more conditions did not hold, and nothing was written. This is an answer, not a failure.
    #[error("the conditions of {0:?} did not hold")]
    Refused(Refusal),
    /// An idempotency key came back with another body.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Throttled or unreachable. A write may have happened: repeat it under the same guard.
    #[error("the database is unavailable")]
    Unavailable(#[source] BoxError),
    /// A bug or a misconfiguration. Never retried.
    #[error("the database rejected the request")]
    Rejected(#[source] BoxError),
    /// A stored item does not read as what its key says it is.
    #[error("the item {key} is not readable")]
    Corrupt {
        /// Table and key of the item.
        key: String,
        /// Which attribute, and why.
        #[source]
        source: BoxError,
    },
}

/// Names one write of a transaction, to ask afterwards whether its condition held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard(pub(crate) usize);

/// The writes whose conditions did not hold, each with the item as it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub(crate) failed: Vec<(usize, Option<Item>)>,
}

impl Refusal {
    /// Whether the condition of this write failed.
    #[must_use]
    pub fn failed(&self, guard: Guard) -> bool {
        self.failed.iter().any(|(index, _)| *index == guard.0)
    }

    /// The item that this write found; `None` when its condition held or when there is no such item.
    #[must_use]
    pub fn found(&self, guard: Guard) -> Option<&Item> {
        self.failed.iter().find(|(index, _)| *index == guard.0).and_then(|(_, item)| item.as_ref())
    }

    /// The item that a single update found, if there was one.
    #[must_use]
    pub fn first(&self) -> Option<&Item> {
        self.found(Guard(0))
    }
}

const TRANSIENT: [&str; 9] = [
    "InternalServerError",
    "ItemCollectionSizeLimitExceededException",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
];

/// Sorts a failure that is not a refused condition into "ask again" and "bug".
pub(crate) fn classify<E, R>(failure: SdkError<E, R>) -> StoreError
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let transient = match failure.as_service_error() {
        // A time-out or a dropped connection says nothing about whether the write happened.
        None => !matches!(failure, SdkError::ConstructionFailure(_)),
        Some(error) => error.code().is_some_and(|code| TRANSIENT.contains(&code)),
    };
    if transient { StoreError::Unavailable(failure.into()) } else { StoreError::Rejected(failure.into()) }
}
