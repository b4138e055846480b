//! `MOVES#<variant>` / `MOVE#<number>` in Commerce: the append-only history of a variant's stock. Each further
//! shard has its own, under `MOVES#<variant>#<shard>`.

use serde::Deserialize;
use sutler_domain::{
    ids::VariantId,
    movement::Movement,
    shards::FIRST_SHARD,
    stock::{Quantities, StockOp},
    time::Timestamp,
};

use crate::{
    codec::{Version, Versioned, decode, encode},
    db::{Query, Range, Store},
    error::StoreError,
    keys::{Key, Table},
    write::Transaction,
};

/// A stock item as the stream shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct StockImage {
    variant: VariantId,
    #[serde(default)]
    shard: u8,
    version: u64,
    available: u32,
    reserved: u32,
    committed: u32,
    partner: u32,
    last_op: StockOp,
    last_ref: String,
    last_qty: u32,
}

impl StockImage {
    fn quantities(&self) -> Quantities {
        let Self { available, reserved, committed, partner, .. } = *self;
        Quantities { available, reserved, committed, partner }
    }

    /// The variant.
    #[must_use]
    pub fn variant(&self) -> &VariantId {
        &self.variant
    }

    /// How many units are free.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.available
    }

    /// The movement that led from `before` to this version, not sealed yet.
    #[must_use]
    pub fn movement(self, before: Option<&Self>, at: Timestamp) -> Movement {
        Movement {
            shard: self.shard,
            number: self.version,
            op: self.last_op,
            quantity: self.last_qty,
            before: before.map(Self::quantities).unwrap_or_default(),
            after: self.quantities(),
            at,
            prev_hash: String::new(),
            hash: String::new(),
            variant: self.variant,
            reference: self.last_ref,
        }
    }
}

/// The history of a shard of a variant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainId {
    /// The variant.
    pub variant: VariantId,
    /// The shard.
    pub shard: u8,
}

impl ChainId {
    /// The history that a movement belongs to.
    #[must_use]
    pub fn of(movement: &Movement) -> Self {
        Self { variant: movement.variant.clone(), shard: movement.shard }
    }

    fn partition(&self) -> String {
        if self.shard == FIRST_SHARD {
            format!("MOVES#{}", self.variant)
        } else {
            format!("MOVES#{}#{}", self.variant, self.shard)
        }
    }
}

fn sort_key(number: u64) -> String {
    format!("MOVE#{number:012}")
}

fn movement_key(chain: &ChainId, number: u64) -> Key {
    Key::new(Table::Commerce, chain.partition(), sort_key(number))
}

impl Store {
    /// One movement.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn movement(&self, chain: &ChainId, number: u64) -> Result<Option<Movement>, StoreError> {
        let item = self.get(&movement_key(chain, number)).await?;
        Ok(item.as_ref().map(decode).transpose()?.map(|found| found.value))
    }

    /// Appends a movement. Nothing is ever written over one that exists: that one is answered instead.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn append_movement(&self, movement: &Movement) -> Result<Option<Movement>, StoreError> {
        let key = movement_key(&ChainId::of(movement), movement.number);
        let item = encode(&key, "movement", Version::FIRST, movement)?;
        let mut transaction = Transaction::new();
        let guard = transaction.create(key, item);
        match self.transact(transaction).await {
            Ok(()) => Ok(None),
            Err(StoreError::Refused(refusal)) => {
                let found = refusal.found(guard).map(decode).transpose()?;
                found.map(|found| Some(found.value)).ok_or(StoreError::Refused(refusal))
            }
            Err(error) => Err(error),
        }
    }

    /// Movements before number `before`, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn movements_before(
        &self,
        chain: &ChainId,
        before: Option<u64>,
        limit: u16,
    ) -> Result<Vec<Movement>, StoreError> {
        let range = before.map_or(Range::All, |number| Range::Before(sort_key(number)));
        self.moves(chain, range, true, i32::from(limit)).await
    }

    /// Movements after number `after`, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn movements_after(
        &self,
        chain: &ChainId,
        after: u64,
        limit: u16,
    ) -> Result<Vec<Movement>, StoreError> {
        self.moves(chain, Range::After(sort_key(after)), false, i32::from(limit)).await
    }

    async fn moves(
        &self,
        chain: &ChainId,
        range: Range,
        descending: bool,
        limit: i32,
    ) -> Result<Vec<Movement>, StoreError> {
        let query = Query {
            table: Table::Commerce,
            index: None,
            pk: chain.partition(),
            range,
            descending,
            limit,
            consistent: true,
        };
        let items = self.query(&query).await?;
        items.iter().map(|item| decode(item).map(|found: Versioned<Movement>| found.value)).collect()
    }
}
