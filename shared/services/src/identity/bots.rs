//! Keeping programs out of the calls that only people make.

use std::{fmt, sync::Arc};

use sutler_domain::problem::Problem;
use sutler_gateways::bot_check::{BotCheck, BotCheckError, Claim};

use crate::Error;

/// Where a request says that a person solved a challenge.
const TOKEN_FIELD: &str = "/turnstile_token";
/// The longest token there is.
const TOKEN_LEN_MAX: usize = 2_048;

/// Where a request comes from, and what it brings to show that a person sent it.
#[derive(Clone, Default)]
pub struct Visitor {
    /// The network address.
    pub source_ip: String,
    /// The token of a solved challenge.
    pub turnstile_token: Option<String>,
}

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Visitor(…)")
    }
}

/// Asks those who come whether they are people, or lets everybody in where no bot check is configured.
#[derive(Clone)]
pub struct Doorkeeper(Option<Arc<dyn BotCheck>>);

impl fmt::Debug for Doorkeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Doorkeeper(asks)" } else { "Doorkeeper(open)" })
    }
}

impl Doorkeeper {
    /// Asks `check`; `None` lets everybody in.
    #[must_use]
    pub fn new(check: Option<Arc<dyn BotCheck>>) -> Self {
        Self(check)
    }

    /// Whether `visitor` is a person. One who brings no token has not shown it yet; whether that matters is for the
    /// caller to decide, with [`require`].
    ///
    /// # Errors
    /// [`Problem::Invalid`] when the token proves nothing, [`Error::Unavailable`] when nobody can tell.
    pub async fn is_person(&self, visitor: &Visitor, action: &'static str) -> Result<bool, Error> {
        let Some(check) = &self.0 else { return Ok(true) };
        let Some(token) = &visitor.turnstile_token else { return Ok(false) };
        if token.is_empty() || token.len() > TOKEN_LEN_MAX {
            return Err(Problem::field(TOKEN_FIELD, "not-valid").into());
        }
        let claim = Claim { token: token.clone(), action, source_ip: visitor.source_ip.clone() };
        match check.is_person(&claim).await {
            Ok(true) => Ok(true),
            Ok(false) => Err(Problem::field(TOKEN_FIELD, "not-valid").into()),
            Err(error @ BotCheckError::Unavailable(_)) => Err(Error::Unavailable(error.into())),
            Err(error @ BotCheckError::Rejected(_)) => Err(Error::Internal(error.into())),
        }
    }
}

/// Refuses whoever did not prove to be a person.
///
/// # Errors
/// [`Problem::Invalid`] that asks for the token of a solved challenge.
pub fn require(is_person: bool) -> Result<(), Problem> {
    if is_person { Ok(()) } else { Err(Problem::field(TOKEN_FIELD, "required")) }
}
