//! `…` / `EVENT#<seq>`: history and outbox in one item. The stream hands every new one to the publisher.

use serde_json::json;
use sha2::{Digest, Sha256};
use sutler_domain::{
    event::{Event, EventKind},
    ids::{IdGen, OrderId, UserId, ulid_text},
    order::Order,
    time::Timestamp,
};

use crate::{
    codec::{Version, decode, encode},
    db::{Query, Range, Store},
    error::StoreError,
    keys::{Key, Table},
    orders::order_partition,
    write::Transaction,
};

/// What the sort key of every event starts with; the stream's filter names it too.
pub const EVENT_PREFIX: &str = "EVENT#";

/// Appends what happened to an order's history, in the transaction that makes it happen. The order is to be
/// written in the same transaction, since it counts its events.
///
/// # Errors
/// [`StoreError::Rejected`] when the event cannot be represented, which is a bug.
pub fn append(
    transaction: &mut Transaction,
    order: &mut Order,
    event: EventKind,
    at: Timestamp,
    ids: &dyn IdGen,
) -> Result<(), StoreError> {
    let seq = order.events.saturating_add(1);
    let event = seal(order.id.as_str(), seq, event, at, order.last_hash.clone(), ids)?;
    order.events = seq;
    order.last_hash.clone_from(&event.hash);
    let key = Key::new(Table::Commerce, order_partition(&order.id), format!("{EVENT_PREFIX}{seq:06}"));
    let item = encode(&key, "event", Version::FIRST, &event)?;
    transaction.create(key, item);
    Ok(())
}

/// Records that something happened to a user, in the transaction that makes it happen.
///
/// # Errors
/// [`StoreError::Rejected`] when the event cannot be represented, which is a bug.
pub fn append_for_user(
    transaction: &mut Transaction,
    user: &UserId,
    event: EventKind,
    at: Timestamp,
    ids: &dyn IdGen,
) -> Result<(), StoreError> {
    let event = seal(user.as_str(), 1, event, at, String::new(), ids)?;
    let key = Key::new(Table::Identity, format!("USER#{user}"), format!("{EVENT_PREFIX}{}", event.event_id));
    let item = encode(&key, "event", Version::FIRST, &event)?;
    transaction.create(key, item);
    Ok(())
}

fn seal(
    aggregate: &str,
    seq: u64,
    event: EventKind,
    at: Timestamp,
    prev_hash: String,
    ids: &dyn IdGen,
) -> Result<Event, StoreError> {
    let event_id = format!("evt_{}", ulid_text(ids, at));
    let mut sealed =
        Event { event_id, aggregate: aggregate.to_owned(), seq, at, event, prev_hash, hash: String::new() };
    sealed.hash = hash(&sealed)?;
    Ok(sealed)
}

/// The hash an event should have, over everything in it but the hash itself.
///
/// # Errors
/// [`StoreError::Rejected`] when the event cannot be represented, which is a bug.
pub fn hash(event: &Event) -> Result<String, StoreError> {
    let content = json!([event.event_id, event.aggregate, event.seq, event.at, event.event, event.prev_hash])
        .to_string();
    Ok(hex::encode(Sha256::digest(content)))
}

impl Store {
    /// An order's history, oldest first, after event number `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn events(&self, order: &OrderId, after: u64, limit: u16) -> Result<Vec<Event>, StoreError> {
        let query = Query {
            table: Table::Commerce,
            index: None,
            pk: order_partition(order),
            range: Range::After(format!("{EVENT_PREFIX}{after:06}")),
            descending: false,
            limit: i32::from(limit),
            consistent: true,
        };
        let items = self.query(&query).await?;
        let events = items.iter().filter(|item| crate::db::key_part(item, "sk").starts_with(EVENT_PREFIX));
        events.map(|item| decode::<Event>(item).map(|read| read.value)).collect()
    }
}
