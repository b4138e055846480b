//! `SKU#<product>#<shard>` / `STOCK#<variant>` in Commerce: what there is of a variant, and the only ways it
//! changes. The stream turns each version into a movement. A variant in great demand has several shards.

use serde::{Deserialize, Serialize};
use sutler_domain::{
    ids::{ProductId, SellerId, VariantId},
    order::OrderLine,
    shards::{FIRST_SHARD, FlashSale, Piece, Shift},
    stock::{Place, QUANTITY_MAX, Stock, StockOp},
};

use crate::{
    codec::{Version, Versioned, decode, encode, number, text},
    db::{Query, Range, Store, key_part},
    error::{Guard, Item, StoreError},
    flash_sales::{FlashRecord, flash_key},
    keys::{Key, Table},
    movements::ChainId,
    write::{Expression, Transaction},
};

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

pub(crate) fn partition(product: &ProductId, shard: u8) -> String {
    format!("SKU#{product}#{shard}")
}

/// Where the units of `variant` in `shard` are.
#[must_use]
pub fn stock_key(variant: &VariantId, shard: u8) -> Key {
    Key::new(Table::Commerce, partition(&variant.product(), shard), format!("STOCK#{variant}"))
}

/// The item of a newly listed variant. It is created in the transaction that creates the variant.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn create(transaction: &mut Transaction, stock: &Stock) -> Result<(), StoreError> {
    let key = stock_key(&stock.variant, stock.shard);
    let last =
        LastMove { last_op: StockOp::Create, last_ref: stock.variant.to_string(), last_qty: stock.available };
    let item = encode(&key, "stock", Version::FIRST, &NewStock { stock, last })?;
    transaction.create(key, item);
    Ok(())
}

/// The item of a further shard, in which there is nothing yet.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn create_shard(
    transaction: &mut Transaction,
    variant: &VariantId,
    seller: &SellerId,
    shard: u8,
) -> Result<(), StoreError> {
    create(transaction, &Stock::of_shard(variant.clone(), seller.clone(), shard))
}

/// One operation on units of a variant that lie in `shard`.
#[must_use]
pub fn moved(
    op: StockOp,
    variant: &VariantId,
    shard: u8,
    quantity: u32,
    reference: &str,
) -> (Key, Expression) {
    build(op, variant, shard, quantity, reference, None)
}

/// One operation on all units of an order's line, each where it came from.
pub fn move_line(
    transaction: &mut Transaction,
    op: StockOp,
    line: &OrderLine,
    reference: &str,
) -> Vec<Guard> {
    move_pieces(transaction, op, &line.variant, &line.origin.units(line.quantity), reference)
}

/// One operation on units of a variant in several shards. Units from outside come into the first shard, for the
/// others may be gone by then.
pub fn move_pieces(
    transaction: &mut Transaction,
    op: StockOp,
    variant: &VariantId,
    pieces: &[Piece],
    reference: &str,
) -> Vec<Guard> {
    let total = pieces.iter().fold(0_u32, |sum, piece| sum.saturating_add(piece.quantity));
    let whole = [Piece { shard: FIRST_SHARD, quantity: total }];
    let pieces = if op.path().0 == Place::Outside { &whole } else { pieces };
    let mut guards = Vec::with_capacity(pieces.len());
    for Piece { shard, quantity } in pieces {
        let (key, change) = moved(op, variant, *shard, *quantity, reference);
        guards.push(transaction.update(key, change));
    }
    guards
}

/// Moves free units from one shard to another.
pub fn shift(transaction: &mut Transaction, variant: &VariantId, shift: Shift) {
    let Shift { from, to, quantity } = shift;
    let (key, change) = moved(StockOp::ShiftOut, variant, from, quantity, &format!("to shard {to}"));
    transaction.update(key, change);
    let (key, change) = moved(StockOp::ShiftIn, variant, to, quantity, &format!("from shard {from}"));
    transaction.update(key, change);
}

/// Lets all fail unless nothing happened to a shard since it was read.
pub fn check(transaction: &mut Transaction, read: &Versioned<Stock>) -> Guard {
    let key = stock_key(&read.value.variant, read.value.shard);
    transaction.check(key, Expression::at_version(read.version))
}

/// Adds or removes free units that the seller counted. Held and paid units are out of reach, and so is the
/// stock of another seller.
#[must_use]
pub fn adjust(
    variant: &VariantId,
    shard: u8,
    seller: &SellerId,
    delta: i64,
    reference: &str,
) -> (Key, Expression) {
    let op = if delta < 0 { StockOp::Remove } else { StockOp::Add };
    // A change that does not fit is one that no condition lets through.
    let quantity = u32::try_from(delta.unsigned_abs()).unwrap_or(u32::MAX);
    build(op, variant, shard, quantity, reference, Some(seller))
}

/// Narrows a change to the version that was read.
#[must_use]
pub fn at(expression: Expression, version: Version) -> Expression {
    expression.also("#version = :expected").with(":expected", number(version.0))
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
    shard: u8,
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
    (stock_key(variant, shard), expression)
}

/// The stock in an item that was read, if there is one.
///
/// # Errors
/// [`StoreError::Corrupt`] when the item does not read.
pub fn read(item: Option<&Item>) -> Result<Option<Versioned<Stock>>, StoreError> {
    item.map(decode).transpose()
}

/// The stock of a variant, shard by shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardedStock {
    /// How it is sold, if anything was ever said of that.
    pub flash: Option<Versioned<FlashRecord>>,
    /// Its shards, each at the place of its number.
    pub shards: Vec<Versioned<Stock>>,
}

impl ShardedStock {
    /// How many are free in each shard.
    #[must_use]
    pub fn available(&self) -> Vec<u32> {
        self.shards.iter().map(|shard| shard.value.available).collect()
    }

    /// All shards added up, at a version that counts the changes of all of them.
    #[must_use]
    pub fn total(&self) -> Option<Versioned<Stock>> {
        let (first, others) = self.shards.split_first()?;
        let add = |sum: Versioned<Stock>, shard: &Versioned<Stock>| Versioned {
            value: sum.value.with(&shard.value),
            version: Version(sum.version.0.saturating_add(shard.version.0)),
        };
        Some(others.iter().fold(first.clone(), add))
    }

    /// Whether nothing changed between this look and `later`. The shards are not read at one instant, but what two
    /// looks agree on was so at every instant between them.
    #[must_use]
    pub fn agrees_with(&self, later: &Self) -> bool {
        let flash = |look: &Self| look.flash.as_ref().map(|flash| flash.version);
        let shards = |look: &Self| look.shards.iter().map(|shard| shard.version).collect::<Vec<_>>();
        flash(self) == flash(later) && shards(self) == shards(later)
    }

    /// How it is sold.
    #[must_use]
    pub fn sale(&self) -> FlashSale {
        self.flash.as_ref().map_or(FlashSale::NONE, |flash| flash.value.sale)
    }
}

/// A variant, and over how many shards it is believed to be spread.
pub type Believed = (VariantId, u8);

impl Store {
    /// The stock of variants (at most 50), shard by shard. One round trip when they are spread as believed, else
    /// two. The shards of a variant are not read at one instant.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn sharded_stock(&self, wanted: &[Believed]) -> Result<Vec<Option<ShardedStock>>, StoreError> {
        let mut keys = Vec::new();
        for (variant, spread) in wanted {
            keys.push(flash_key(variant));
            keys.extend((FIRST_SHARD..(*spread).max(1)).map(|shard| stock_key(variant, shard)));
        }
        let mut items = self.get_all(&keys).await?.into_iter();
        let mut found = Vec::with_capacity(wanted.len());
        let mut missing = Vec::new();
        for (variant, spread) in wanted {
            let flash = items.next().flatten().as_ref().map(decode::<FlashRecord>).transpose()?;
            let spread = (*spread).max(1);
            let read: Vec<Option<Item>> = items.by_ref().take(usize::from(spread)).collect();
            let really = flash.as_ref().map_or(1, |flash| flash.value.sale.spread);
            missing.extend((spread..really).map(|shard| stock_key(variant, shard)));
            found.push((flash, read, usize::from(really.saturating_sub(spread))));
        }
        let mut others = self.get_all(&missing).await?.into_iter();
        let mut stocks = Vec::with_capacity(found.len());
        for (flash, mut read, more) in found {
            read.extend(others.by_ref().take(more));
            let shards: Vec<Versioned<Stock>> =
                read.iter().flatten().map(decode).collect::<Result<_, _>>()?;
            let misplaced = (FIRST_SHARD..).zip(&shards).find(|(at, shard)| shard.value.shard != *at);
            if let Some((at, other)) = misplaced {
                let text = format!("{} has no shard {at}", other.value.variant);
                return Err(StoreError::Rejected(text.into()));
            }
            stocks.push((!shards.is_empty()).then_some(ShardedStock { flash, shards }));
        }
        Ok(stocks)
    }

    /// The stock of `variant`, shard by shard.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn shards_of(&self, variant: &VariantId) -> Result<Option<ShardedStock>, StoreError> {
        Ok(self.sharded_stock(&[(variant.clone(), 1)]).await?.pop().flatten())
    }

    /// One shard of a variant's stock.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn shard(&self, chain: &ChainId) -> Result<Option<Versioned<Stock>>, StoreError> {
        read(self.get(&stock_key(&chain.variant, chain.shard)).await?.as_ref())
    }

    /// The stock of `variant`, all of it.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn stock(&self, variant: &VariantId) -> Result<Option<Versioned<Stock>>, StoreError> {
        Ok(self.shards_of(variant).await?.as_ref().and_then(ShardedStock::total))
    }

    /// The stock of every variant the product ever had, each all of it. One more round trip for what is spread.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn product_stock(&self, product: &ProductId) -> Result<Vec<Versioned<Stock>>, StoreError> {
        let query = Query {
            table: Table::Commerce,
            index: None,
            pk: partition(product, FIRST_SHARD),
            range: Range::All,
            descending: false,
            limit: 1_000,
            consistent: true,
        };
        let (mut stocks, mut others) = (Vec::<Versioned<Stock>>::new(), Vec::new());
        for item in self.query(&query).await? {
            if key_part(&item, "sk").starts_with("STOCK#") {
                stocks.push(decode(&item)?);
            } else {
                let flash = decode::<FlashRecord>(&item)?.value;
                let rest = FIRST_SHARD.saturating_add(1)..flash.sale.spread;
                others.extend(rest.map(|shard| stock_key(&flash.variant, shard)));
            }
        }
        for item in self.get_all(&others).await?.iter().flatten() {
            let shard: Versioned<Stock> = decode(item)?;
            let own = stocks.iter_mut().find(|stock| stock.value.variant == shard.value.variant);
            if let Some(stock) = own {
                stock.value = stock.value.clone().with(&shard.value);
                stock.version = Version(stock.version.0.saturating_add(shard.version.0));
            }
        }
        Ok(stocks)
    }
}
