//! `KEYS` / `KEY#<kid>` in Identity: the public halves of the keys that sign access tokens.

use serde::{Deserialize, Serialize};
use sutler_domain::time::Timestamp;

use crate::{
    codec::{Versioned, decode},
    db::{Query, Range, Store},
    error::StoreError,
    keys::{Key, Table},
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
