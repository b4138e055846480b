//! The keys that sign access tokens. The private halves are in one secret that only sign-in, refresh and the
//! rotation can read; the public halves are in the database, where every function and `get_jwks` find them.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use sutler_domain::{ids::ulid_text, time::Timestamp};
use sutler_gateways::secret::{Secret, SecretSlot, SecretsError};
use sutler_store::{signing_keys::PublicKey, users::User};

use super::fresh_secret;
use crate::{
    App, Error,
    auth::{Claims, ISSUER},
};

/// How long an access token is valid.
pub const ACCESS_TOKEN_S: i64 = 600;
/// How old a key may get.
const KEY_AGE_S_MAX: i64 = 30 * 24 * 3_600;
/// How long a replaced key stays published: far longer than any token it signed is valid.
const OVERLAP_S: i64 = 24 * 3_600;
/// How long after its publication a key waits to be used, so that no function has a key set without it.
const SETTLE_S: i64 = 60;

#[derive(Clone, Serialize, Deserialize)]
struct SigningKey {
    kid: String,
    pkcs8: String,
    created_at: Timestamp,
}

/// What the secret holds.
#[derive(Clone, Serialize, Deserialize)]
struct Keys {
    current: SigningKey,
    previous: Option<SigningKey>,
    /// Makes the successor of a refresh token unpredictable for whoever has only the token. Never rotated.
    refresh_pepper: String,
}

impl Keys {
    async fn read(app: &App, slot: &dyn SecretSlot) -> Result<Option<Self>, Error> {
        let Some(secret) = slot.read(app.now().seconds()).await? else { return Ok(None) };
        // The cause is left out: it could quote the secret.
        let unreadable = |_| Error::Internal("the signing keys are not readable".into());
        serde_json::from_str(secret.expose()).map(Some).map_err(unreadable)
    }

    /// The key to sign with: the current one, except right after its publication.
    fn in_use(&self, now: Timestamp) -> &SigningKey {
        let settled = self.current.created_at.plus_seconds(SETTLE_S) <= now;
        self.previous.as_ref().filter(|_| !settled).unwrap_or(&self.current)
    }
}

impl From<SecretsError> for Error {
    fn from(error: SecretsError) -> Self {
        match error {
            SecretsError::Unavailable(_) => Self::Unavailable(error.into()),
            SecretsError::Missing | SecretsError::Rejected(_) => Self::Internal(error.into()),
        }
    }
}

/// An application that may issue tokens.
#[derive(Clone)]
pub struct Issuer {
    /// The rest of the application.
    pub app: App,
    keys: Arc<dyn SecretSlot>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("app", &self.app).finish_non_exhaustive()
    }
}

impl Issuer {
    /// Issues tokens with the keys in `keys`, which may be cached for a minute.
    #[must_use]
    pub fn new(app: App, keys: Arc<dyn SecretSlot>) -> Self {
        Self { app, keys }
    }

    pub(super) async fn signer(&self) -> Result<Signer, Error> {
        let keys = Keys::read(&self.app, &*self.keys).await?;
        Ok(Signer(keys.ok_or_else(|| Error::Unavailable("no signing key was made yet".into()))?))
    }
}

/// The keys as one call sees them.
pub(super) struct Signer(Keys);

impl Signer {
    /// An access token for `user`, as of `at`.
    pub(super) fn access_token(&self, user: &User, at: Timestamp) -> Result<String, Error> {
        let key = self.0.in_use(at);
        let iat = at.seconds();
        let claims = Claims {
            sub: user.id.clone(),
            verified: user.verified,
            guest: user.is_guest(),
            roles: user.roles.clone(),
            iat,
            exp: iat.saturating_add(ACCESS_TOKEN_S),
            iss: ISSUER.to_owned(),
        };
        let header = Header { kid: Some(key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let der = STANDARD
            .decode(&key.pkcs8)
            .map_err(|_| Error::Internal("the signing key is not base64".into()))?;
        let signed = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&der));
        signed.map_err(|e| Error::Internal(e.into()))
    }

    /// The refresh secret that follows `secret`. It is always the same one, so that a client that lost the
    /// answer can be given it again though it is stored nowhere.
    pub(super) fn next_refresh_secret(&self, secret: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.refresh_pepper.as_bytes());
        hex::encode(hmac::sign(&key, format!("sutler-refresh:{secret}").as_bytes()))
    }
}

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rotation {
    /// The current key.
    pub current: String,
    /// Whether it is new.
    pub rotated: bool,
    /// How many old keys were withdrawn.
    pub withdrawn: usize,
}

/// Makes a new signing key when there is none or the current one is too old, and withdraws keys that nothing
/// valid is signed with. Running it twice, even at once, does no harm.
///
/// # Errors
/// [`Error::Unavailable`] or [`Error::Store`] when a part does not answer; running it again is right.
pub async fn rotate_signing_keys(app: &App, slot: &dyn SecretSlot) -> Result<Rotation, Error> {
    let now = app.now();
    let found = Keys::read(app, slot).await?;
    let due = |keys: &Keys| keys.current.created_at.plus_seconds(KEY_AGE_S_MAX) <= now;
    let (keys, rotated) = match found {
        Some(keys) if !due(&keys) => (keys, false),
        found => (make_key(app, slot, found).await?, true),
    };
    let withdrawn = withdraw_old_keys(app, &keys).await?;
    if rotated {
        tracing::info!(key.id = %keys.current.kid, "Signing with key {}", keys.current.kid);
    }
    Ok(Rotation { current: keys.current.kid, rotated, withdrawn })
}

async fn make_key(app: &App, slot: &dyn SecretSlot, before: Option<Keys>) -> Result<Keys, Error> {
    let now = app.now();
    let failed = |_| Error::Internal("no signing key could be made".into());
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(failed)?;
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref())
        .map_err(|_| Error::Internal("the new signing key does not read".into()))?;
    let kid = ulid_text(&*app.ids, now);
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    // Published before anything can be signed with it. If two runs get here at once, both keys are
    // published, and either may end up in the secret.
    app.store.publish_key(&PublicKey { kid: kid.clone(), x, created_at: now }).await?;
    let (previous, refresh_pepper) = match before {
        None => (None, fresh_secret(&*app.ids)),
        Some(keys) => (Some(keys.current), keys.refresh_pepper),
    };
    let token = format!("rotate-{kid}");
    let current = SigningKey { kid, pkcs8: STANDARD.encode(pkcs8.as_ref()), created_at: now };
    let keys = Keys { current, previous, refresh_pepper };
    let text = serde_json::to_string(&keys).map_err(|e| Error::Internal(e.into()))?;
    slot.write(&Secret::new(text), &token, now.seconds()).await?;
    Ok(keys)
}

/// Withdraws the keys from before the current one, once it has been in use for long enough. A key that was
/// published later belongs to a run that is not finished, or never will be.
async fn withdraw_old_keys(app: &App, keys: &Keys) -> Result<usize, Error> {
    let since = keys.current.created_at;
    if app.now() < since.plus_seconds(OVERLAP_S) {
        return Ok(0);
    }
    let mut withdrawn = 0_usize;
    for key in app.store.public_keys().await? {
        if key.value.created_at <= since && key.value.kid != keys.current.kid {
            app.store.withdraw_key(&key).await?;
            withdrawn = withdrawn.saturating_add(1);
        }
    }
    Ok(withdrawn)
}

/// The published keys, for anyone who wants to verify our tokens.
///
/// # Errors
/// [`Error::Store`] when the database does not answer.
pub async fn jwks(app: &App) -> Result<Vec<PublicKey>, Error> {
    Ok(app.store.public_keys().await?.into_iter().map(|read| read.value).collect())
}
