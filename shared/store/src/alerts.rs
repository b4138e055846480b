//! `ALERTS#<user>` / `ALERTS` in Commerce: what a user waits for and what is held for them, which it alone decides.
//! `QUEUE#<variant>` / `<alert>`: a place in line. It comes and goes in the transactions that change the former.
//!
//! The index `by_due` finds users by the end of the first thing that is held for them.

use serde::{Deserialize, Serialize};
use sutler_domain::{
    alert::{Alert, Alerts},
    ids::{AlertId, UserId, VariantId},
    stock::StockOp,
    time::Timestamp,
};

use crate::{
    codec::{Version, Versioned, decode, encode, number, text},
    db::{Query, Range, Store, key_part},
    error::{Guard, Item, StoreError},
    flash_sales,
    keys::{Key, Table},
    orders::{due, due_shard, instant},
    stock::{ShardedStock, moved, stock_key},
    write::{Expression, Transaction},
};

/// A place in line for a variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The wish, whose id says how far ahead it is.
    pub alert: AlertId,
    /// For what.
    pub variant: VariantId,
    /// Whose.
    pub user: UserId,
}

const USER_PREFIX: &str = "ALERTS#";

/// Where what a user waits for is.
#[must_use]
pub fn alerts_key(user: &UserId) -> Key {
    Key::new(Table::Commerce, format!("{USER_PREFIX}{user}"), "ALERTS")
}

fn queue(variant: &VariantId) -> String {
    format!("QUEUE#{variant}")
}

fn place_key(variant: &VariantId, alert: &AlertId) -> Key {
    Key::new(Table::Commerce, queue(variant), alert.as_str())
}

/// What a user waits for, by the item under [`alerts_key`]; nothing, at [`Version::NONE`], where there is none.
///
/// # Errors
/// [`StoreError::Corrupt`] when the item does not read.
pub fn read(user: &UserId, item: Option<&Item>) -> Result<Versioned<Alerts>, StoreError> {
    let none = || Versioned { value: Alerts::none(user.clone()), version: Version::NONE };
    Ok(item.map(decode).transpose()?.unwrap_or_else(none))
}

/// Writes what a user waits for, on the condition that nothing of it changed since it was read. It is never deleted, so
/// that a version stands for one state of it only.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn save(transaction: &mut Transaction, alerts: &Alerts, read: Version) -> Result<Guard, StoreError> {
    let key = alerts_key(&alerts.user);
    let mut item = encode(&key, "alerts", read.next(), alerts)?;
    if let Some(end) = alerts.first_end() {
        item.insert("gsi3pk".to_owned(), text(format!("HOLD#{}", due_shard(alerts.user.as_str()))));
        item.insert("gsi3sk".to_owned(), text(format!("{}#{}", instant(end), alerts.user)));
    }
    Ok(transaction.replace_or_create(key, item, read))
}

/// Puts somebody at the end of the line, on the condition that nothing is free in any shard of the stock that was read
/// and that there are no others: so whatever comes later finds them waiting.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn join(
    transaction: &mut Transaction,
    user: &UserId,
    alert: &Alert,
    stock: &ShardedStock,
) -> Result<(), StoreError> {
    let Alert { id, variant, .. } = alert;
    let place = Place { alert: id.clone(), variant: variant.clone(), user: user.clone() };
    let key = place_key(variant, id);
    let item = encode(&key, "place", Version::FIRST, &place)?;
    transaction.create(key, item);
    for shard in &stock.shards {
        let sold_out = Expression::when("#available = :zero").with(":zero", number(0));
        transaction.check(stock_key(variant, shard.value.shard), sold_out);
    }
    flash_sales::check(transaction, variant, stock.flash.as_ref().map(|flash| flash.version));
    Ok(())
}

/// Takes somebody out of the line who is in it.
pub fn leave(transaction: &mut Transaction, variant: &VariantId, alert: &AlertId) -> Guard {
    transaction.delete(place_key(variant, alert), Expression::when("attribute_exists(#pk)"))
}

/// Holds one free unit of a shard, or gives it back.
pub fn move_one(transaction: &mut Transaction, op: StockOp, alert: &Alert, shard: u8) -> Guard {
    let (key, change) = moved(op, &alert.variant, shard, 1, alert.id.as_str());
    transaction.update(key, change)
}

impl Store {
    /// What a user waits for.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn alerts(&self, user: &UserId) -> Result<Versioned<Alerts>, StoreError> {
        read(user, self.get(&alerts_key(user)).await?.as_ref())
    }

    /// Who is next in line for a variant, each with what they wait for. Two round trips, so the latter can be newer.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn next_in_line(
        &self,
        variant: &VariantId,
        limit: u16,
    ) -> Result<Vec<(Place, Versioned<Alerts>)>, StoreError> {
        let query = Query {
            table: Table::Commerce,
            index: None,
            pk: queue(variant),
            range: Range::All,
            descending: false,
            limit: i32::from(limit),
            consistent: true,
        };
        let items = self.query(&query).await?;
        let places: Vec<Place> =
            items.iter().map(|item| Ok(decode::<Place>(item)?.value)).collect::<Result<_, StoreError>>()?;
        let keys: Vec<Key> = places.iter().map(|place| alerts_key(&place.user)).collect();
        let found = self.get_many(&keys).await?;
        let with = |(place, item): (Place, &Option<Item>)| {
            let alerts = read(&place.user, item.as_ref())?;
            Ok((place, alerts))
        };
        places.into_iter().zip(&found).map(with).collect()
    }

    /// Users for whom something was held until before `now`, the longest ago first. Candidates only: the index may lag
    /// behind.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn lapsed_holds(
        &self,
        shard: u8,
        now: Timestamp,
        limit: u16,
    ) -> Result<Vec<UserId>, StoreError> {
        let found = self.query(&due(format!("HOLD#{shard}"), now, limit)).await?;
        // From the key alone: one that does not read must not hide the others.
        let user = |item: &Item| UserId::parse(key_part(item, "pk").strip_prefix(USER_PREFIX)?).ok();
        Ok(found.iter().filter_map(user).collect())
    }
}
