//! `IDEM#<caller>#<operation>#<key>` / `IDEM`: the stored answer of a call, written with its effect.

use serde::{Deserialize, Serialize};
use sutler_domain::{
    idempotency::{Answer, Once, OnceKey},
    time::Timestamp,
};

use crate::{
    codec::{Version, decode, encode, number},
    db::Store,
    error::{Item, StoreError},
    keys::{Key, Table},
    write::{Expression, Transaction},
};

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    body_hash: String,
    answer: Answer,
    ttl: i64,
}

/// Where the answer of `key` is stored.
#[must_use]
pub fn once_key(key: &OnceKey) -> Key {
    Key::new(Table::Commerce, format!("IDEM#{}#{}#{}", key.caller, key.operation, key.key), "IDEM")
}

/// The answer in a stored record, if it belongs to the same request. A record that is too old says nothing,
/// whether it was cleaned away yet or not.
///
/// # Errors
/// [`StoreError::KeyReused`] when the key was used with another body.
pub fn stored_answer(
    key: &OnceKey,
    item: Option<&Item>,
    now: Timestamp,
) -> Result<Option<Answer>, StoreError> {
    let Some(item) = item else { return Ok(None) };
    let record = decode::<Record>(item)?.value;
    if record.ttl <= now.seconds() {
        return Ok(None);
    }
    if record.body_hash == key.body_hash { Ok(Some(record.answer)) } else { Err(StoreError::KeyReused) }
}

impl Store {
    /// The answer this call already got, if it is a repetition.
    ///
    /// # Errors
    /// [`StoreError::KeyReused`] when the key was used with another body.
    pub async fn replay<T>(&self, once: &Once<T>) -> Result<Option<Answer>, StoreError> {
        let Some(key) = &once.key else { return Ok(None) };
        let item = self.get(&once_key(key)).await?;
        stored_answer(key, item.as_ref(), once.at)
    }

    /// Carries out `transaction` and remembers the answer with it. A concurrent repetition that lost the race
    /// gets the winner's answer.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when a condition of the caller's failed.
    pub async fn commit<T>(
        &self,
        mut transaction: Transaction,
        once: &Once<T>,
        outcome: &T,
    ) -> Result<Answer, StoreError> {
        let answer = (once.render)(outcome);
        let Some(key) = &once.key else {
            self.transact(transaction).await?;
            return Ok(answer);
        };
        let place = once_key(key);
        let record = Record {
            body_hash: key.body_hash.clone(),
            answer: answer.clone(),
            ttl: once.at.plus_seconds(Once::<T>::KEPT_SECONDS).seconds(),
        };
        let item = encode(&place, "idempotency", Version::FIRST, &record)?;
        let unused = Expression::when("attribute_not_exists(#pk) OR #ttl <= :now")
            .with(":now", number(once.at.seconds()));
        let guard = transaction.put(place, item, unused);
        match self.transact(transaction).await {
            Ok(()) => Ok(answer),
            // Looked at first: when the record exists, the other conditions fail because of the first run.
            Err(StoreError::Refused(refusal)) if refusal.failed(guard) => {
                let found = stored_answer(key, refusal.found(guard), once.at)?;
                found.ok_or_else(|| StoreError::Unavailable("the first answer is not readable yet".into()))
            }
            Err(error) => Err(error),
        }
    }
}
