//! Who is calling: access tokens are `EdDSA` JWTs, verified with public keys that anyone may read.

use std::{collections::HashMap, sync::RwLock};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use sutler_domain::{ids::UserId, problem::Problem, time::Timestamp};

use crate::{App, Error};

pub use sutler_domain::account::Role;

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: UserId,
    /// Whether the e-mail address is verified.
    pub verified: bool,
    /// Whether the user is a guest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guest: bool,
    /// Staff roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// Issued at, in seconds.
    pub iat: i64,
    /// Expires at, in seconds.
    pub exp: i64,
    /// Always [`ISSUER`].
    pub iss: String,
}

impl Claims {
    /// Whether the caller is staff with this role; administrators have every role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.iter().any(|held| *held == role || *held == Role::Admin)
    }
}

/// Who issues our access tokens.
pub const ISSUER: &str = "sutler";

/// How often an unknown key id may make a process read the key set again.
const RELOAD_PAUSE_S: i64 = 10;

/// Public keys by id, read from the database when a token names one that is not known yet.
#[derive(Default)]
pub struct KeyCache {
    inner: RwLock<Cached>,
}

#[derive(Default)]
struct Cached {
    keys: HashMap<String, DecodingKey>,
    read_at: Option<Timestamp>,
}

impl KeyCache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn find(&self, kid: &str) -> Option<DecodingKey> {
        self.inner.read().ok()?.keys.get(kid).cloned()
    }

    fn may_reload(&self, now: Timestamp) -> bool {
        self.inner
            .read()
            .is_ok_and(|cached| cached.read_at.is_none_or(|at| at.plus_seconds(RELOAD_PAUSE_S) <= now))
    }

    async fn reload(&self, app: &App) -> Result<(), Error> {
        let mut keys = HashMap::new();
        for found in app.store.public_keys().await? {
            let key =
                DecodingKey::from_ed_components(&found.value.x).map_err(|e| Error::Internal(e.into()))?;
            keys.insert(found.value.kid, key);
        }
        if let Ok(mut cached) = self.inner.write() {
            *cached = Cached { keys, read_at: Some(app.now()) };
        }
        Ok(())
    }
}

/// Verifies an access token.
///
/// # Errors
/// [`Problem::Unauthenticated`] unless a published key signed it and it has not expired.
pub async fn authenticate(app: &App, token: &str) -> Result<Claims, Error> {
    let refused = |_| Problem::Unauthenticated;
    let header = jsonwebtoken::decode_header(token).map_err(refused)?;
    let kid = header.kid.ok_or(Problem::Unauthenticated)?;
    if app.keys.find(&kid).is_none() && app.keys.may_reload(app.now()) {
        app.keys.reload(app).await?;
    }
    let key = app.keys.find(&kid).ok_or(Problem::Unauthenticated)?;
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    // The library reads the system clock; expiry is compared with ours below.
    validation.validate_exp = false;
    validation.validate_aud = false;
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation).map_err(refused)?.claims;
    if app.now().seconds() < claims.exp { Ok(claims) } else { Err(Problem::Unauthenticated.into()) }
}
