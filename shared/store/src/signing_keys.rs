//! `KEYS` / `KEY#<kid>` in Identity: the public halves of the keys that sign access tokens.

use serde::{Deserialize, Serialize};
use sutler_domain::time::Timestamp;

use crate::{
    codec::{Version, Versioned, decode, encode},
    db::{Query, Range, Store},
    error::StoreError,
    keys::{Key, Table},
    write::{Expression, Transaction},
};

/// A public Ed25519 key. It is published before the first token is signed with it and stays until the last
/// such token has expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// Name of the key, in the header of each token.
    pub kid: String,
    /// The 32 bytes, base64url without padding.
    pub x: String,
    /// When it was published.
    pub created_at: Timestamp,
}

/// Where the key called `kid` is.
#[must_use]
pub fn public_key(kid: &str) -> Key {
    Key::new(Table::Identity, "KEYS", format!("KEY#{kid}"))
}

impl Store {
    /// Publishes a key. Publishing it again is no error.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn publish_key(&self, key: &PublicKey) -> Result<(), StoreError> {
        let place = public_key(&key.kid);
        let item = encode(&place, "key", Version::FIRST, key)?;
        let mut transaction = Transaction::new();
        transaction.create(place, item);
        match self.transact(transaction).await {
            Ok(()) | Err(StoreError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Withdraws a key that nothing valid is signed with any more. Withdrawing it again is no error.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn withdraw_key(&self, key: &Versioned<PublicKey>) -> Result<(), StoreError> {
        let mut transaction = Transaction::new();
        transaction.delete(public_key(&key.value.kid), Expression::at_version(key.version));
        match self.transact(transaction).await {
            Ok(()) | Err(StoreError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// All published keys, newest last. There are never more than a few.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn public_keys(&self) -> Result<Vec<Versioned<PublicKey>>, StoreError> {
        let query = Query {
            table: Table::Identity,
            index: None,
            pk: "KEYS".to_owned(),
            range: Range::Prefix("KEY#".to_owned()),
            descending: false,
            limit: 50,
            consistent: true,
        };
        self.query(&query).await?.iter().map(decode).collect()
    }
}
