//! `SESSION#<ses>` / `SESSION` in Identity: a sign-in and the refresh token that continues it; and
//! `ATTEMPTS#<scope>#<who>` / `ATTEMPTS`: failed sign-ins. Tokens are stored as hashes only.

use serde::{Deserialize, Serialize};
use sutler_domain::{
    ids::{SessionId, UserId},
    password::{FORGET_AFTER_S, Failures},
    time::Timestamp,
};

use crate::{
    codec::{Version, Versioned, decode, encode, text, value},
    db::Store,
    error::{Guard, StoreError},
    keys::{Key, Table},
    write::{Expression, Transaction},
};

/// All refresh tokens that descend from one sign-in. Only the newest can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// Hash of the token that can be used.
    pub token_hash: String,
    /// Hash of the token before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_hash: Option<String>,
    /// When the current token was made.
    pub rotated_at: Timestamp,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// When it began.
    pub created_at: Timestamp,
    /// Whether it was ended, by its owner or because an old token came back.
    pub revoked: bool,
    /// When the item may be cleaned up.
    pub ttl: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Attempts {
    failures: Failures,
    ttl: i64,
}

/// Where the session called `session` is.
#[must_use]
pub fn session_key(session: &SessionId) -> Key {
    Key::new(Table::Identity, format!("SESSION#{session}"), "SESSION")
}

/// Where failed sign-ins to an account are counted. `who` is a user's id, or a hash of a name no user has.
#[must_use]
pub fn account_attempts_key(who: &str) -> Key {
    Key::new(Table::Identity, format!("ATTEMPTS#account#{who}"), "ATTEMPTS")
}

/// Where failed sign-ins from a network address are counted.
#[must_use]
pub fn address_attempts_key(source_ip: &str) -> Key {
    Key::new(Table::Identity, format!("ATTEMPTS#address#{source_ip}"), "ATTEMPTS")
}

/// Reads counted failures.
///
/// # Errors
/// [`StoreError::Corrupt`] when the item does not read.
pub fn failures(item: Option<&crate::Item>) -> Result<Option<Versioned<Failures>>, StoreError> {
    let read = item.map(decode::<Attempts>).transpose()?;
    Ok(read.map(|found| Versioned { value: found.value.failures, version: found.version }))
}

/// Writes a new count over the one that was read.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn count_failure(
    transaction: &mut Transaction,
    key: Key,
    read: Option<Version>,
    failures: Failures,
) -> Result<Guard, StoreError> {
    let ttl = failures.last_at.plus_seconds(FORGET_AFTER_S).seconds();
    let item =
        encode(&key, "attempts", read.map_or(Version::FIRST, Version::next), &Attempts { failures, ttl })?;
    Ok(match read {
        None => transaction.create(key, item),
        Some(version) => transaction.replace(key, item, version),
    })
}

/// Forgets the failures that were read; fails when there are others by now.
pub fn forget_failures(transaction: &mut Transaction, key: Key, read: Option<Version>) -> Guard {
    match read {
        None => transaction.check(key, Expression::when("attribute_not_exists(#pk)")),
        Some(version) => transaction.delete(key, Expression::at_version(version)),
    }
}

/// Begins a session.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn open(transaction: &mut Transaction, session: &Session) -> Result<Guard, StoreError> {
    let key = session_key(&session.id);
    let item = encode(&key, "session", Version::FIRST, session)?;
    Ok(transaction.create(key, item))
}

impl Store {
    /// A session.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn session(&self, session: &SessionId) -> Result<Option<Versioned<Session>>, StoreError> {
        self.get(&session_key(session)).await?.as_ref().map(decode).transpose()
    }

    /// Puts `next` in the place of what was `read`, if that token is still the current one.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when another call was first.
    pub async fn rotate_session(&self, read: &Versioned<Session>, next: &Session) -> Result<(), StoreError> {
        let key = session_key(&next.id);
        let item = encode(&key, "session", read.version.next(), next)?;
        let unchanged = Expression::when(
            "#version = :expected AND #token_hash = :hash AND #revoked = :no AND #expires_at > :now",
        )
        .with(":expected", crate::codec::number(read.version.0))
        .with(":hash", text(&read.value.token_hash))
        .with(":no", value(&false)?)
        .with(":now", value(&next.rotated_at)?);
        let mut transaction = Transaction::new();
        transaction.put(key, item, unchanged);
        self.transact(transaction).await
    }

    /// Ends a session for good. Ending it again is no error.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn revoke_session(&self, session: &SessionId) -> Result<(), StoreError> {
        let open = Expression::when("attribute_exists(#pk) AND #revoked = :no")
            .then("SET #revoked = :yes, #version = #version + :one")
            .with(":no", value(&false)?)
            .with(":yes", value(&true)?)
            .with(":one", crate::codec::number(1));
        match self.update(&session_key(session), &open).await {
            Ok(_) | Err(StoreError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
