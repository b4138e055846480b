//! `SKU#<product>#<shard>` / `STOCK#<variant>` in Commerce: what there is of a variant, and the only ways it
//! changes. The stream turns each version into a movement.

use serde::{Deserialize, Serialize};
use sutler_domain::{
    ids::{ProductId, SellerId, VariantId},
    stock::{Place, QUANTITY_MAX, Stock, StockOp},
};

use crate::{
    codec::{Version, Versioned, decode, encode, number, text},
    db::{Query, Range, Store},
    error::{Item, StoreError},
    keys::{Key, Table},
    write::{Expression, Transaction},
};

/// The shard every variant has.
pub const FIRST_SHARD: u8 = 0;

/// What the latest version of a stock item did, beside the quantities it left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastMove {
    /// What happened.
    pub last_op: StockOp,
    /// What for: an order's id, or the seller's reason.
    pub last_ref: String,
    /// How many units moved.
    pub last_qty: u32,
}

#[derive(Debug, Serialize)]
struct NewStock<'a> {
    #[serde(flatten)]
    stock: &'a Stock,
    #[serde(flatten)]
    last: LastMove,
}

fn partition(product: &ProductId, shard: u8) -> String {
    format!("SKU#{product}#{shard}")
}

/// Where the stock of `variant` is.
#[must_use]
pub fn stock_key(variant: &VariantId, shard: u8) -> Key {
    Key::new(Table::Commerce, partition(&variant.product(), shard), format!("STOCK#{variant}"))
}

/// The item of a newly listed variant. It is created in the transaction that creates the variant.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn create(transaction: &mut Transaction, stock: &Stock) -> Result<(), StoreError> {
    let key = stock_key(&stock.variant, FIRST_SHARD);
    let last =
        LastMove { last_op: StockOp::Create, last_ref: stock.variant.to_string(), last_qty: stock.available };
    let item = encode(&key, "stock", Version::FIRST, &NewStock { stock, last })?;
    transaction.create(key, item);
    Ok(())
}

/// Holds units for an order.
#[must_use]
pub fn reserve(variant: &VariantId, quantity: u32, reference: &str) -> (Key, Expression) {
    moved(StockOp::Reserve, variant, quantity, reference)
}

/// Gives the units of an unpaid order back.
#[must_use]
pub fn release(variant: &VariantId, quantity: u32, reference: &str) -> (Key, Expression) {
    moved(StockOp::Release, variant, quantity, reference)
}

/// Marks held units as paid.
#[must_use]
pub fn commit(variant: &VariantId, quantity: u32, reference: &str) -> (Key, Expression) {
    moved(StockOp::Commit, variant, quantity, reference)
}

/// Sells units to an order that was paid after it had given its units back.
#[must_use]
pub fn take(variant: &VariantId, quantity: u32, reference: &str) -> (Key, Expression) {
    moved(StockOp::Take, variant, quantity, reference)
}

/// Lets paid units leave the warehouse.
#[must_use]
pub fn ship(variant: &VariantId, quantity: u32, reference: &str) -> (Key, Expression) {
    moved(StockOp::Ship, variant, quantity, reference)
}

/// Puts the units of a paid order that was cancelled before shipping back on sale.
#[must_use]
pub fn restock_committed(variant: &VariantId, quantity: u32, reference: &str) -> (Key, Expression) {
    moved(StockOp::Restock, variant, quantity, reference)
}

/// Puts units that were shipped and came back on sale again.
#[must_use]
pub fn restock_returned(variant: &VariantId, quantity: u32, reference: &str) -> (Key, Expression) {
    moved(StockOp::Return, variant, quantity, reference)
}

/// Adds or removes free units that the seller counted. Held and paid units are out of reach, and so is the
/// stock of another seller.
#[must_use]
pub fn adjust(variant: &VariantId, seller: &SellerId, delta: i64, reference: &str) -> (Key, Expression) {
    let op = if delta < 0 { StockOp::Remove } else { StockOp::Add };
    // A change that does not fit is one that no condition lets through.
    let quantity = u32::try_from(delta.unsigned_abs()).unwrap_or(u32::MAX);
    build(op, variant, quantity, reference, Some(seller))
}

/// Narrows a change to the version that was read.
#[must_use]
pub fn at(expression: Expression, version: Version) -> Expression {
    expression.also("#version = :expected").with(":expected", number(version.0))
}

fn moved(op: StockOp, variant: &VariantId, quantity: u32, reference: &str) -> (Key, Expression) {
    build(op, variant, quantity, reference, None)
}

fn attribute(place: Place) -> Option<&'static str> {
    match place {
        Place::Available => Some("#available"),
        Place::Reserved => Some("#reserved"),
        Place::Committed => Some("#committed"),
        Place::Outside => None,
    }
}

/// One transition: the units must be where they are taken from, and the version moves on by one.
fn build(
    op: StockOp,
    variant: &VariantId,
    quantity: u32,
    reference: &str,
    seller: Option<&SellerId>,
) -> (Key, Expression) {
    let (from, to) = op.path();
    let mut condition = match attribute(from) {
        Some(from) => format!("{from} >= :n"),
        None => "#available <= :room".to_owned(),
    };
    if quantity == 0 {
        // Moving nothing would be a version without a movement: no item meets this.
        condition.push_str(" AND attribute_not_exists(#version)");
    }
    if seller.is_some() {
        condition.push_str(" AND #seller = :seller");
    }
    let mut update =
        "SET #version = #version + :one, #last_op = :op, #last_ref = :ref, #last_qty = :n".to_owned();
    if let Some(from) = attribute(from) {
        update.push_str(&format!(", {from} = {from} - :n"));
    }
    if let Some(to) = attribute(to) {
        update.push_str(&format!(", {to} = {to} + :n"));
    }
    let mut expression = Expression::when(condition)
        .then(update)
        .with(":n", number(quantity))
        .with(":one", number(1))
        .with(":op", text(op.name()))
        .with(":ref", text(reference));
    if from == Place::Outside {
        let room = i64::from(QUANTITY_MAX).saturating_sub(i64::from(quantity));
        expression = expression.with(":room", number(room));
    }
    if let Some(seller) = seller {
        expression = expression.with(":seller", text(seller.as_str()));
    }
    (stock_key(variant, FIRST_SHARD), expression)
}

/// The stock in an item that was read, if there is one.
///
/// # Errors
/// [`StoreError::Corrupt`] when the item does not read.
pub fn read(item: Option<&Item>) -> Result<Option<Versioned<Stock>>, StoreError> {
    item.map(decode).transpose()
}

impl Store {
    /// The stock of `variant`.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn stock(&self, variant: &VariantId) -> Result<Option<Versioned<Stock>>, StoreError> {
        read(self.get(&stock_key(variant, FIRST_SHARD)).await?.as_ref())
    }

    /// The stock of every variant the product ever had.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn product_stock(&self, product: &ProductId) -> Result<Vec<Versioned<Stock>>, StoreError> {
        let query = Query {
            table: Table::Commerce,
            index: None,
            pk: partition(product, FIRST_SHARD),
            range: Range::Prefix("STOCK#".to_owned()),
            descending: false,
            limit: 100,
            consistent: true,
        };
        self.query(&query).await?.iter().map(decode).collect()
    }
}
