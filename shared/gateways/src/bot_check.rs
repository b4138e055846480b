//! The port to a service that tells people from programs.

use async_trait::async_trait;

use crate::BoxError;

/// Somebody who says that a person solved the challenge of a page.
#[derive(Clone, PartialEq, Eq)]
pub struct Claim {
    /// What the challenge's widget gave to the page. It works once.
    pub token: String,
    /// What the page said the challenge is for, such as `register`.
    pub action: &'static str,
    /// The network address the request came from.
    pub source_ip: String,
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claim").field("action", &self.action).finish_non_exhaustive()
    }
}

/// The service could not be asked. Nobody is let in on that account.
#[derive(Debug, thiserror::Error)]
pub enum BotCheckError {
    /// It does not answer. Repeat it later.
    #[error("the bot check does not answer")]
    Unavailable(#[source] BoxError),
    /// It does not accept our own secret, or answers what nobody expects.
    #[error("the bot check refused the call")]
    Rejected(#[source] BoxError),
}

/// A service that tells people from programs.
#[async_trait]
pub trait BotCheck: Send + Sync {
    /// Whether a person solved the challenge, on our own page, for this action, and the token was not used before.
    ///
    /// # Errors
    /// See [`BotCheckError`].
    async fn is_person(&self, claim: &Claim) -> Result<bool, BotCheckError>;
}
