//! Stock: how many of a variant are free, held for somebody, and sold but not shipped. Every operation
//! moves units from one place to another, so none are made or lost on the way.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{SellerId, VariantId},
    shards::FIRST_SHARD,
};

/// The most units that may be free in one shard of a variant.
pub const QUANTITY_MAX: u32 = 1_000_000_000;

/// The units of a variant that lie in one shard, by where they are; or all of them, added up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    /// The variant.
    pub variant: VariantId,
    /// In which shard; a variant that is not spread has only the first.
    #[serde(default, skip_serializing_if = "is_first")]
    pub shard: u8,
    /// Whose it is.
    pub seller: SellerId,
    /// Free to be ordered.
    pub available: u32,
    /// Held for orders that are not paid yet, and for who is next in line.
    pub reserved: u32,
    /// Paid and not shipped yet.
    pub committed: u32,
    /// Kept for partners.
    pub partner: u32,
}

/// A place a unit can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Free to be ordered.
    Available,
    /// Held for an unpaid order, or for who is next in line.
    Reserved,
    /// Paid and not shipped.
    Committed,
    /// Not in the warehouse: not here yet, or gone.
    Outside,
}

/// What can happen to stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StockOp {
    /// The variant was listed with its first units.
    Create,
    /// An order holds units, or one is held for who is next in line.
    Reserve,
    /// An order that was never paid, or somebody who did not order in time, gives units back.
    Release,
    /// The order was paid.
    Commit,
    /// The order was paid after its units had been given back, and there are still enough.
    Take,
    /// The units left the warehouse.
    Ship,
    /// A paid order was cancelled before it was shipped.
    Restock,
    /// Shipped units came back and can be sold again.
    Return,
    /// The seller counted more.
    Add,
    /// The seller counted fewer.
    Remove,
    /// Free units went to another shard.
    ShiftOut,
    /// Free units came from another shard.
    ShiftIn,
}

impl StockOp {
    /// All operations.
    pub const ALL: [Self; 12] = [
        Self::Create,
        Self::Reserve,
        Self::Release,
        Self::Commit,
        Self::Take,
        Self::Ship,
        Self::Restock,
        Self::Return,
        Self::Add,
        Self::Remove,
        Self::ShiftOut,
        Self::ShiftIn,
    ];

    /// From where to where it moves units.
    #[must_use]
    pub fn path(self) -> (Place, Place) {
        match self {
            Self::Create | Self::Add | Self::Return | Self::ShiftIn => (Place::Outside, Place::Available),
            Self::Reserve => (Place::Available, Place::Reserved),
            Self::Release => (Place::Reserved, Place::Available),
            Self::Commit => (Place::Reserved, Place::Committed),
            Self::Take => (Place::Available, Place::Committed),
            Self::Ship => (Place::Committed, Place::Outside),
            Self::Restock => (Place::Committed, Place::Available),
            Self::Remove | Self::ShiftOut => (Place::Available, Place::Outside),
        }
    }

    /// Its name, as stored and as shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Reserve => "reserve",
            Self::Release => "release",
            Self::Commit => "commit",
            Self::Take => "take",
            Self::Ship => "ship",
            Self::Restock => "restock",
            Self::Return => "return",
            Self::Add => "add",
            Self::Remove => "remove",
            Self::ShiftOut => "shift_out",
            Self::ShiftIn => "shift_in",
        }
    }
}

/// How many units are in each place of the warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Quantities {
    /// Free to be ordered.
    pub available: u32,
    /// Held for unpaid orders, and for who is next in line.
    pub reserved: u32,
    /// Paid and not shipped.
    pub committed: u32,
    /// Kept for partners.
    pub partner: u32,
}

impl Quantities {
    /// Everything that is in the warehouse.
    #[must_use]
    pub fn on_hand(self) -> u64 {
        [self.available, self.reserved, self.committed, self.partner].into_iter().map(u64::from).sum()
    }

    /// The quantities after `op` moved `quantity` units; `None` when there are not enough to move, or none are
    /// moved at all.
    #[must_use]
    pub fn after(mut self, op: StockOp, quantity: u32) -> Option<Self> {
        let (from, to) = op.path();
        // Only a listing may start with nothing.
        if quantity == 0 && op != StockOp::Create {
            return None;
        }
        if let Some(place) = self.place(from) {
            *place = place.checked_sub(quantity)?;
        }
        if let Some(place) = self.place(to) {
            *place = place.checked_add(quantity)?;
        }
        Some(self)
    }

    fn place(&mut self, place: Place) -> Option<&mut u32> {
        match place {
            Place::Available => Some(&mut self.available),
            Place::Reserved => Some(&mut self.reserved),
            Place::Committed => Some(&mut self.committed),
            Place::Outside => None,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
pub(crate) fn is_first(shard: &u8) -> bool {
    *shard == FIRST_SHARD
}

impl Stock {
    /// A newly listed variant's stock.
    #[must_use]
    pub fn new(variant: VariantId, seller: SellerId, available: u32) -> Self {
        Self { variant, shard: FIRST_SHARD, seller, available, reserved: 0, committed: 0, partner: 0 }
    }

    /// A further shard, in which there is nothing yet.
    #[must_use]
    pub fn of_shard(variant: VariantId, seller: SellerId, shard: u8) -> Self {
        Self { shard, ..Self::new(variant, seller, 0) }
    }

    /// This and the units of another shard, added up.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        let sum = |a: u32, b: u32| a.saturating_add(b);
        self.available = sum(self.available, other.available);
        self.reserved = sum(self.reserved, other.reserved);
        self.committed = sum(self.committed, other.committed);
        self.partner = sum(self.partner, other.partner);
        self
    }

    /// How many are in each place.
    #[must_use]
    pub fn quantities(&self) -> Quantities {
        let Self { available, reserved, committed, partner, .. } = *self;
        Quantities { available, reserved, committed, partner }
    }

    /// Everything that is in the warehouse.
    #[must_use]
    pub fn on_hand(&self) -> u64 {
        self.quantities().on_hand()
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may stop")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zero_units_are_never_moved() {
        for op in StockOp::ALL {
            let moved = Quantities { available: 5, reserved: 5, committed: 5, partner: 0 }.after(op, 0);
            assert_eq!(moved.is_some(), op == StockOp::Create, "{op:?}");
        }
    }

    #[test]
    fn each_operation_needs_enough_where_it_takes_from() {
        let one = Quantities { available: 1, reserved: 1, committed: 1, partner: 0 };
        for op in StockOp::ALL {
            let from_outside = op.path().0 == Place::Outside;
            assert!(one.after(op, 1).is_some(), "{op:?}");
            assert_eq!(one.after(op, 2).is_some(), from_outside, "{op:?}");
        }
    }

    #[test]
    fn the_stored_name_is_the_shown_name() {
        for op in StockOp::ALL {
            assert_eq!(serde_json::to_value(op).unwrap(), op.name());
        }
    }

    proptest! {
        #[test]
        fn what_is_on_hand_changes_only_by_what_comes_in_and_goes_out(
            moves in proptest::collection::vec((0_usize..12, 0_u32..50), 0..200)
        ) {
            let mut stock = Quantities::default();
            let mut expected = 0_u64;
            for (op, quantity) in moves {
                let op = StockOp::ALL[op];
                let Some(after) = stock.after(op, quantity) else { continue };
                let (from, to) = op.path();
                if from == Place::Outside { expected += u64::from(quantity); }
                if to == Place::Outside { expected -= u64::from(quantity); }
                stock = after;
                prop_assert_eq!(stock.on_hand(), expected);
            }
        }
    }
}
