//! `INBOX#<source>#<id>` / `INBOX`: messages that were acted on, so that none is acted on twice.

use serde::Serialize;
use sutler_domain::time::Timestamp;

use crate::{
    codec::{Version, encode},
    error::{Guard, StoreError},
    keys::{Key, Table},
    write::Transaction,
};

/// How long a message is remembered; providers stop repeating one after a few days.
const KEPT_SECONDS: i64 = 30 * 24 * 3_600;

#[derive(Serialize)]
struct Record {
    ttl: i64,
}

/// Remembers in `transaction` that message `id` of `source` was acted on.
///
/// # Errors
/// [`StoreError::Rejected`] never in practice; encoding two numbers cannot fail.
pub fn remember(
    transaction: &mut Transaction,
    source: &str,
    id: &str,
    now: Timestamp,
) -> Result<Guard, StoreError> {
    let key = Key::new(Table::Commerce, format!("INBOX#{source}#{id}"), "INBOX");
    let record = Record { ttl: now.plus_seconds(KEPT_SECONDS).seconds() };
    let item = encode(&key, "inbox", Version::FIRST, &record)?;
    Ok(transaction.create(key, item))
}
