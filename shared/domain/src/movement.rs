//! The history of a variant's stock: one movement per version, each sealed with the hash of the one before.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    ids::VariantId,
    shards::FIRST_SHARD,
    stock::{Quantities, StockOp, is_first},
    time::Timestamp,
};

/// One change of a variant's stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// The variant.
    pub variant: VariantId,
    /// In which of its shards; each has a history of its own.
    #[serde(default, skip_serializing_if = "is_first")]
    pub shard: u8,
    /// The version of the stock that it led to; the first is 1.
    pub number: u64,
    /// What happened.
    pub op: StockOp,
    /// What for: an order's id, or the seller's reason.
    pub reference: String,
    /// How many units moved.
    pub quantity: u32,
    /// The quantities before.
    pub before: Quantities,
    /// The quantities after.
    pub after: Quantities,
    /// When.
    pub at: Timestamp,
    /// The hash of the movement before, empty for the first.
    pub prev_hash: String,
    /// Hex SHA-256 over `prev_hash` and everything above.
    pub hash: String,
}

/// What is wrong with a movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The movement before it is missing.
    #[error("the movement before it is missing")]
    Gap,
    /// It does not follow from the hash of the one before, or was changed.
    #[error("the hash does not match")]
    Hash,
    /// It does not start from the quantities the one before left.
    #[error("the quantities do not continue")]
    Quantities,
    /// Its quantities do not follow from what it says happened.
    #[error("the operation does not explain the quantities")]
    Operation,
}

impl Movement {
    /// Seals the movement behind `prev_hash`.
    #[must_use]
    pub fn sealed(mut self, prev_hash: &str) -> Self {
        prev_hash.clone_into(&mut self.prev_hash);
        self.hash = self.computed_hash();
        self
    }

    /// Whether both tell the same, whenever it was recorded.
    #[must_use]
    pub fn tells_the_same(&self, other: &Self) -> bool {
        let place = |movement: &Self| (movement.variant.clone(), movement.shard, movement.number);
        place(self) == place(other)
            && (self.op, &self.reference, self.quantity, self.before, self.after)
                == (other.op, &other.reference, other.quantity, other.before, other.after)
    }

    /// Checks this movement against the one before it.
    ///
    /// # Errors
    /// [`ChainError`] naming the first thing that is wrong.
    pub fn check_after(&self, previous: Option<&Self>) -> Result<(), ChainError> {
        let (number, hash, left) = previous.map_or((0, "", Quantities::default()), |movement| {
            (movement.number, movement.hash.as_str(), movement.after)
        });
        if number.checked_add(1) != Some(self.number) {
            return Err(ChainError::Gap);
        }
        if self.prev_hash != hash || self.hash != self.computed_hash() {
            return Err(ChainError::Hash);
        }
        if self.before != left {
            return Err(ChainError::Quantities);
        }
        if self.before.after(self.op, self.quantity) == Some(self.after) {
            Ok(())
        } else {
            Err(ChainError::Operation)
        }
    }

    /// The only free text comes last, so no two movements spell the same.
    fn computed_hash(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n{}\n", self.prev_hash, self.variant, self.number, self.op.name());
        for Quantities { available, reserved, committed, partner } in [self.before, self.after] {
            text.push_str(&format!("{available} {reserved} {committed} {partner}\n"));
        }
        if self.shard != FIRST_SHARD {
            text.push_str(&format!("shard {}\n", self.shard));
        }
        text.push_str(&format!("{}\n{}\n{}", self.quantity, self.at.millis(), self.reference));
        hex::encode(Sha256::digest(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ProductId;

    fn movement(number: u64, op: StockOp, quantity: u32, before: Quantities) -> Movement {
        let product = ProductId::parse("prd_01J8ZQ5K3N0V7X2Y4T6B8D9FGH").unwrap();
        Movement {
            variant: VariantId::of(&product, 0).unwrap(),
            shard: FIRST_SHARD,
            number,
            op,
            reference: "stocktaking".to_owned(),
            quantity,
            before,
            after: before.after(op, quantity).unwrap(),
            at: Timestamp::from_millis(1_000),
            prev_hash: String::new(),
            hash: String::new(),
        }
    }

    #[test]
    fn a_chain_holds_until_anything_in_it_changes() {
        let first = movement(1, StockOp::Create, 5, Quantities::default()).sealed("");
        let second = movement(2, StockOp::Reserve, 2, first.after).sealed(&first.hash);
        assert_eq!(first.check_after(None), Ok(()));
        assert_eq!(second.check_after(Some(&first)), Ok(()));
        assert_eq!(second.check_after(None), Err(ChainError::Gap));
        let elsewhere = Movement { shard: 1, ..second.clone() };
        assert_eq!(elsewhere.check_after(Some(&first)), Err(ChainError::Hash));
        let forged = Movement { reference: "theft".to_owned(), ..second.clone() };
        assert_eq!(forged.check_after(Some(&first)), Err(ChainError::Hash));
        let resealed = Movement { quantity: 1, ..second.clone() }.sealed(&first.hash);
        assert_eq!(resealed.check_after(Some(&first)), Err(ChainError::Operation));
        let moved = movement(2, StockOp::Reserve, 2, Quantities { available: 9, ..first.after });
        assert_eq!(moved.sealed(&first.hash).check_after(Some(&first)), Err(ChainError::Quantities));
    }
}
