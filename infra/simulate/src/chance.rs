//! Where all decisions of a history come from.

use std::sync::{Arc, Mutex};

use crate::lock;

/// Numbers that follow from a seed (`SplitMix64`). Clones draw from one sequence.
#[derive(Debug, Clone)]
pub struct Chance(Arc<Mutex<u64>>);

impl Chance {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed)))
    }

    /// A number below `bound`; zero when there is none.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        let mut state = lock(&self.0);
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = *state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)).checked_rem(bound).unwrap_or(0)
    }

    /// A number from `first` to `last`, both included.
    #[must_use]
    pub fn between(&self, first: u64, last: u64) -> u64 {
        first.saturating_add(self.below(last.saturating_sub(first).saturating_add(1)))
    }

    /// A small number from 1 to `last`.
    #[must_use]
    pub fn up_to(&self, last: u32) -> u32 {
        u32::try_from(self.between(1, u64::from(last))).unwrap_or(1)
    }

    /// True in `per_mille` of a thousand cases.
    #[must_use]
    pub fn happens(&self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// A place in something of this length.
    #[must_use]
    pub fn place(&self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).unwrap_or(0))).unwrap_or(0)
    }

    /// One of these, if there is any.
    #[must_use]
    pub fn pick<'a, T>(&self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.place(of.len()))
    }

    /// One of these, each as likely as its weight says.
    #[must_use]
    pub fn weighted<'a, T>(&self, of: &'a [(u64, T)]) -> Option<&'a T> {
        let mut left = self.below(of.iter().map(|(weight, _)| *weight).sum());
        for (weight, one) in of {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return Some(one),
            }
        }
        None
    }
}
