//! A variant in great demand is spread over shards, each an item of its own: where an order looks first, which
//! shards its units come from, and how the shards are evened out.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{AlertId, OrderId},
    stock::QUANTITY_MAX,
};

/// The shard that every variant has.
pub const FIRST_SHARD: u8 = 0;
/// The most shards a variant can have.
pub const SHARDS_MAX: u8 = 64;

/// How a variant in demand is sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlashSale {
    /// Over how many shards its free units are spread.
    pub shards: u8,
    /// How many shards may have units of it: those that orders still hold some of stay until these are gone.
    pub spread: u8,
    /// How many shards were ever made.
    pub made: u8,
    /// How many one buyer may have.
    pub per_buyer_limit: Option<u32>,
    /// How often a limit was set where there was none; what buyers have is counted anew with each.
    pub round: u32,
}

impl FlashSale {
    /// A variant of which nothing was ever said.
    pub const NONE: Self = Self { shards: 1, spread: 1, made: 1, per_buyer_limit: None, round: 0 };

    /// These terms after others were set.
    #[must_use]
    pub fn changed(self, shards: u8, per_buyer_limit: Option<u32>) -> Self {
        let begins = self.per_buyer_limit.is_none() && per_buyer_limit.is_some();
        Self {
            shards,
            spread: self.spread.max(shards),
            made: self.made.max(shards),
            per_buyer_limit,
            round: if begins { self.round.saturating_add(1) } else { self.round },
        }
    }

    /// Whether it sells like any other variant.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.spread == 1 && self.per_buyer_limit.is_none()
    }

    /// The limit that an order's line counts against.
    #[must_use]
    pub fn limit(&self) -> Option<BuyerLimit> {
        self.per_buyer_limit.map(|max| BuyerLimit { round: self.round, max })
    }
}

/// How many of a variant one buyer may have, as it was when the order was placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuyerLimit {
    /// In which counting.
    pub round: u32,
    /// How many.
    pub max: u32,
}

/// Units that lie in one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Which.
    pub shard: u8,
    /// How many.
    pub quantity: u32,
}

/// Where the units of an order's line come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The shards, each once; none when all units came from the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<Piece>,
    /// The limit that they count against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<BuyerLimit>,
    /// For which wish one of them was held before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertId>,
}

impl Origin {
    /// Units from these shards.
    #[must_use]
    pub fn new(pieces: Vec<Piece>, limit: Option<BuyerLimit>) -> Self {
        let from_the_first = matches!(pieces.as_slice(), [Piece { shard: FIRST_SHARD, .. }]);
        Self { pieces: if from_the_first { Vec::new() } else { pieces }, limit, alert: None }
    }

    /// Whether nothing has to be remembered.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// The units of a line of `quantity`, shard by shard.
    #[must_use]
    pub fn units(&self, quantity: u32) -> Vec<Piece> {
        if self.pieces.is_empty() {
            vec![Piece { shard: FIRST_SHARD, quantity }]
        } else {
            self.pieces.clone()
        }
    }

    /// Of the units of a line of `quantity`, the `count` that come after the first `skipped`, shard by shard.
    #[must_use]
    pub fn units_after(&self, quantity: u32, skipped: u32, count: u32) -> Vec<Piece> {
        let (mut skipped, mut wanted) = (skipped, count);
        let mut found = Vec::new();
        for piece in self.units(quantity) {
            let passed = piece.quantity.min(skipped);
            skipped = skipped.saturating_sub(passed);
            let taken = piece.quantity.saturating_sub(passed).min(wanted);
            wanted = wanted.saturating_sub(taken);
            if taken > 0 {
                found.push(Piece { shard: piece.shard, quantity: taken });
            }
        }
        found
    }
}

/// The shard at which an order looks first.
#[must_use]
pub fn home(order: &OrderId, shards: u8) -> u8 {
    // FNV-1a: the ids of one moment differ only in their last characters.
    let hash = order.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let shard = (hash ^ hash.wrapping_shr(32)).checked_rem(u64::from(shards)).unwrap_or(0);
    u8::try_from(shard).unwrap_or(FIRST_SHARD)
}

/// From which shards to take `quantity` units when so many are `available` in each: all from one if any has
/// enough, the one at `home` before those after it, else from as few as possible. `None` when there are too few.
#[must_use]
pub fn choose(available: &[u32], home: u8, quantity: u32) -> Option<Vec<Piece>> {
    let mut shards: Vec<Piece> =
        (0_u8..).zip(available).map(|(shard, quantity)| Piece { shard, quantity: *quantity }).collect();
    let first = usize::from(home).min(shards.len());
    shards.rotate_left(first);
    if let Some(one) = shards.iter().find(|shard| shard.quantity >= quantity) {
        return Some(vec![Piece { shard: one.shard, quantity }]);
    }
    shards.sort_by_key(|shard| Reverse(shard.quantity));
    let (mut pieces, mut missing) = (Vec::new(), quantity);
    for shard in shards.into_iter().filter(|shard| shard.quantity > 0) {
        let taken = shard.quantity.min(missing);
        missing = missing.saturating_sub(taken);
        pieces.push(Piece { shard: shard.shard, quantity: taken });
        if missing == 0 {
            return Some(pieces);
        }
    }
    None
}

/// Units to be moved from one shard to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// From where.
    pub from: u8,
    /// To where.
    pub to: u8,
    /// How many.
    pub quantity: u32,
}

/// What to move so that the first `shards` have the same, and those after them nothing.
#[must_use]
pub fn even_out(available: &[u32], shards: u8) -> Vec<Shift> {
    let total: u64 = available.iter().copied().map(u64::from).sum();
    let count = u64::from(shards);
    let (Some(each), Some(rest)) = (total.checked_div(count), total.checked_rem(count)) else {
        return Vec::new();
    };
    let due = |shard: u8| {
        let due = if shard >= shards { 0 } else { each.saturating_add(u64::from(u64::from(shard) < rest)) };
        u32::try_from(due).unwrap_or(u32::MAX).min(QUANTITY_MAX)
    };
    let (mut over, mut under) = (Vec::new(), Vec::new());
    for (shard, has) in (0_u8..).zip(available) {
        let due = due(shard);
        if *has > due {
            over.push(Piece { shard, quantity: has.saturating_sub(due) });
        } else if *has < due {
            under.push(Piece { shard, quantity: due.saturating_sub(*has) });
        }
    }
    let (mut shifts, mut over) = (Vec::new(), over.into_iter());
    let mut source = over.next();
    for target in under {
        let mut missing = target.quantity;
        while missing > 0 {
            let Some(from) = &mut source else { return shifts };
            let quantity = from.quantity.min(missing);
            shifts.push(Shift { from: from.shard, to: target.shard, quantity });
            missing = missing.saturating_sub(quantity);
            from.quantity = from.quantity.saturating_sub(quantity);
            if from.quantity == 0 {
                source = over.next();
            }
        }
    }
    shifts
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may stop")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_order_looks_at_home_first_then_around_and_splits_only_when_it_must() {
        let one = |shard, quantity| Some(vec![Piece { shard, quantity }]);
        assert_eq!(choose(&[3, 3, 3], 1, 2), one(1, 2));
        assert_eq!(choose(&[3, 1, 3], 1, 2), one(2, 2));
        assert_eq!(choose(&[3, 1, 1], 1, 2), one(0, 2));
        let pieces = [(0, 3), (2, 2), (1, 1)].map(|(shard, quantity)| Piece { shard, quantity });
        assert_eq!(choose(&[3, 1, 2], 1, 6), Some(pieces.to_vec()));
        assert_eq!(choose(&[3, 1, 2], 1, 7), None);
        assert_eq!(choose(&[], 0, 1), None);
    }

    #[test]
    fn a_limit_is_counted_anew_when_it_begins() {
        let sale = FlashSale::NONE.changed(4, Some(2));
        assert_eq!((sale.shards, sale.spread, sale.round), (4, 4, 1));
        let sale = sale.changed(2, Some(3));
        assert_eq!((sale.shards, sale.spread, sale.round), (2, 4, 1));
        assert_eq!(sale.changed(1, None).changed(1, Some(1)).round, 2);
        assert!(!sale.changed(1, None).is_over());
        assert!(FlashSale::NONE.is_over());
    }

    #[test]
    fn orders_spread_over_all_shards() {
        let ids = (0..2_000).map(|n| OrderId::parse(&format!("ord_01J8ZQ5K3N0V7X2Y4T6B8D{n:04}")).unwrap());
        let mut found = [0_u32; 64];
        for id in ids {
            found[usize::from(home(&id, 64))] += 1;
        }
        assert!(found.iter().all(|count| (10..=60).contains(count)), "{found:?}");
    }

    proptest! {
        #[test]
        fn a_choice_takes_what_is_there_and_all_of_what_is_wanted(
            available in prop::collection::vec(0_u32..6, 0..20), home in 0_u8..64, quantity in 1_u32..40
        ) {
            let total: u32 = available.iter().sum();
            let chosen = choose(&available, home, quantity);
            prop_assert_eq!(chosen.is_some(), total >= quantity);
            let mut left = available;
            for piece in chosen.iter().flatten() {
                prop_assert!(piece.quantity > 0 && left[usize::from(piece.shard)] >= piece.quantity);
                left[usize::from(piece.shard)] = 0;
            }
            let taken: u32 = chosen.iter().flatten().map(|piece| piece.quantity).sum();
            prop_assert!(chosen.is_none() || taken == quantity);
        }

        #[test]
        fn evening_out_makes_and_loses_no_unit(
            available in prop::collection::vec(0_u32..1_000, 1..64), shards in 1_u8..=64
        ) {
            let shards = shards.min(u8::try_from(available.len()).unwrap());
            let mut after = available.clone();
            for Shift { from, to, quantity } in even_out(&available, shards) {
                prop_assert!(quantity > 0 && from != to);
                after[usize::from(from)] -= quantity;
                after[usize::from(to)] += quantity;
            }
            prop_assert_eq!(after.iter().sum::<u32>(), available.iter().sum::<u32>());
            let (first, rest) = after.split_at(usize::from(shards));
            prop_assert!(rest.iter().all(|left| *left == 0));
            prop_assert!(first.iter().max().unwrap() - first.iter().min().unwrap() <= 1);
            prop_assert_eq!(even_out(&after, shards), Vec::new());
        }

        #[test]
        fn a_line_handled_piece_by_piece_is_handled_once(
            pieces in prop::collection::vec(1_u32..5, 0..6), cuts in prop::collection::vec(1_u32..4, 1..20)
        ) {
            let pieces: Vec<Piece> =
                (0_u8..).zip(pieces).map(|(shard, quantity)| Piece { shard, quantity }).collect();
            let quantity = if pieces.is_empty() { 5 } else { pieces.iter().map(|piece| piece.quantity).sum() };
            let origin = Origin { pieces, ..Origin::default() };
            let (mut done, mut moved) = (0, vec![0_u32; 6]);
            for count in cuts {
                for piece in origin.units_after(quantity, done, count) {
                    moved[usize::from(piece.shard)] += piece.quantity;
                }
                done += count;
            }
            for piece in origin.units(quantity) {
                prop_assert!(moved[usize::from(piece.shard)] <= piece.quantity);
            }
            prop_assert_eq!(moved.iter().sum::<u32>(), done.min(quantity));
        }
    }
}
