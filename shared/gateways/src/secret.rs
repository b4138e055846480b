//! Text that must not reach a log, and where it is kept.

use std::fmt;

use async_trait::async_trait;

use crate::BoxError;

/// A secret. Its `Debug` shows nothing; it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever it is meant for.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a caller may do about a secret it did not get or keep.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// It has no value yet.
    #[error("the secret has no value")]
    Missing,
    /// Try again later. A new version may have been kept all the same; repeat with the same token.
    #[error("the secret store is unavailable")]
    Unavailable(#[source] BoxError),
    /// A bug or a misconfiguration.
    #[error("the secret store refused the call")]
    Rejected(#[source] BoxError),
}

/// One secret, kept somewhere.
#[async_trait]
pub trait SecretSlot: Send + Sync {
    /// The current version, if there is one yet.
    ///
    /// # Errors
    /// See [`SecretsError`].
    async fn read(&self, now_epoch_s: i64) -> Result<Option<Secret>, SecretsError>;

    /// Makes `secret` the current version. `token` (32 to 64 characters) names the version, so that a repeated
    /// call makes no second one.
    ///
    /// # Errors
    /// See [`SecretsError`].
    async fn write(&self, secret: &Secret, token: &str, now_epoch_s: i64) -> Result<(), SecretsError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_itself() {
        assert_eq!(format!("{:?}", Secret::new("sk_test_1")), "Secret(…)");
    }
}
