//! `SKU#<product>#0` / `FLASH#<variant>` in Commerce: how a variant in demand is sold; its variant item has a copy.
//! `LIMIT#<variant>#<user>` / `ROUND#<number>`: how many a buyer has of it.
//!
//! The index `by_due` finds what is spread, over [`DUE_SHARDS`](crate::orders::DUE_SHARDS) partitions, for the rebalancer.

use serde::{Deserialize, Serialize};
use sutler_domain::{
    ids::{SellerId, UserId, VariantId},
    shards::{BuyerLimit, FIRST_SHARD, FlashSale},
};

use crate::{
    codec::{Version, decode, encode, number, text},
    db::{Query, Range, Store},
    error::{Guard, Item, StoreError},
    keys::{Key, Table},
    orders::due_shard,
    stock::partition,
    write::{Expression, Transaction},
};

/// How a variant is sold, beside its stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlashRecord {
    /// The variant.
    pub variant: VariantId,
    /// Whose it is.
    pub seller: SellerId,
    /// How it is sold.
    pub sale: FlashSale,
}

/// How many of a variant a buyer has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// The variant.
    pub variant: VariantId,
    /// Who.
    pub buyer: UserId,
    /// In which counting.
    pub round: u32,
    /// How many.
    pub bought: u32,
}

/// Where the record of a variant is: beside its first shard, which one query of the product reads with it.
#[must_use]
pub fn flash_key(variant: &VariantId) -> Key {
    Key::new(Table::Commerce, partition(&variant.product(), FIRST_SHARD), format!("FLASH#{variant}"))
}

/// Where a buyer's count is.
#[must_use]
pub fn allowance_key(variant: &VariantId, buyer: &UserId, round: u32) -> Key {
    Key::new(Table::Commerce, format!("LIMIT#{variant}#{buyer}"), format!("ROUND#{round:010}"))
}

fn index_partition(variant: &VariantId) -> String {
    format!("FLASH#{}", due_shard(variant.as_str()))
}

/// Writes the record, new or still at the version that was read. Only what is spread is in the index.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn save(
    transaction: &mut Transaction,
    record: &FlashRecord,
    read: Option<Version>,
) -> Result<Guard, StoreError> {
    let key = flash_key(&record.variant);
    let mut item = encode(&key, "flash_sale", read.map_or(Version::FIRST, Version::next), record)?;
    if record.sale.spread > 1 {
        item.insert("gsi3pk".to_owned(), text(index_partition(&record.variant)));
        item.insert("gsi3sk".to_owned(), text(record.variant.as_str()));
    }
    Ok(match read {
        Some(version) => transaction.replace(key, item, version),
        None => transaction.create(key, item),
    })
}

/// Lets all fail unless the variant is still sold as it was when its record was read, or found missing.
pub fn check(transaction: &mut Transaction, variant: &VariantId, read: Option<Version>) -> Guard {
    let missing = || Expression::when("attribute_not_exists(#pk)");
    transaction.check(flash_key(variant), read.map_or_else(missing, Expression::at_version))
}

/// Counts units that a buyer gets; refused beyond the limit. The caller makes sure that `quantity` itself is within it.
#[must_use]
pub fn count(variant: &VariantId, buyer: &UserId, limit: BuyerLimit, quantity: u32) -> (Key, Expression) {
    let change = Expression::when("attribute_not_exists(#bought) OR #bought <= :room")
        .then(
            "SET #bought = if_not_exists(#bought, :zero) + :n, #version = if_not_exists(#version, :zero) + :one, \
             #type = :type, #schema = :one, #variant = :variant, #buyer = :buyer, #round = :round",
        )
        .with(":room", number(limit.max.saturating_sub(quantity)))
        .with(":n", number(quantity))
        .with(":zero", number(0))
        .with(":one", number(1))
        .with(":type", text("allowance"))
        .with(":variant", text(variant.as_str()))
        .with(":buyer", text(buyer.as_str()))
        .with(":round", number(limit.round));
    (allowance_key(variant, buyer, limit.round), change)
}

/// Takes back what was counted.
#[must_use]
pub fn uncount(variant: &VariantId, buyer: &UserId, limit: BuyerLimit, quantity: u32) -> (Key, Expression) {
    let change = Expression::when("#bought >= :n")
        .then("SET #bought = #bought - :n, #version = #version + :one")
        .with(":n", number(quantity))
        .with(":one", number(1));
    (allowance_key(variant, buyer, limit.round), change)
}

/// How many a buyer has, by the item under the key of the count.
///
/// # Errors
/// [`StoreError::Corrupt`] when the item does not read.
pub fn bought(item: Option<&Item>) -> Result<u32, StoreError> {
    Ok(item.map(decode::<Allowance>).transpose()?.map_or(0, |found| found.value.bought))
}

impl Store {
    /// Variants that were spread a moment ago, after the variant `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn spread_variants(
        &self,
        at: u8,
        after: Option<&VariantId>,
        limit: u16,
    ) -> Result<Vec<VariantId>, StoreError> {
        let query = Query {
            table: Table::Commerce,
            index: Some(("by_due", "gsi3pk", "gsi3sk")),
            pk: format!("FLASH#{at}"),
            range: after.map_or(Range::All, |variant| Range::After(variant.to_string())),
            descending: false,
            limit: i32::from(limit),
            consistent: false,
        };
        let items = self.query(&query).await?;
        items.iter().map(|item| decode::<FlashRecord>(item).map(|found| found.value.variant)).collect()
    }
}
