//! What a use case can end with besides success.

use sutler_domain::{money::MoneyError, problem::Problem};
use sutler_store::StoreError;

/// A use case that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A refusal: the caller is told which, and nothing was written.
    #[error(transparent)]
    Problem(Problem),
    /// The database did not do its part.
    #[error(transparent)]
    Store(StoreError),
    /// Something else this depends on does not answer; the same call can be repeated.
    #[error("a dependency is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A bug or a misconfiguration.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<MoneyError> for Error {
    fn from(error: MoneyError) -> Self {
        Self::Problem(error.into())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::KeyReused => Self::Problem(Problem::KeyReused),
            // A use case reads the refusals it expects itself; any other is a lost race.
            StoreError::Refused(_) => Self::Problem(Problem::Conflict),
            other @ (StoreError::Unavailable(_) | StoreError::Rejected(_) | StoreError::Corrupt { .. }) => {
                Self::Store(other)
            }
        }
    }
}
