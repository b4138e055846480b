//! Ids that are the same in every run.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use sutler_domain::ids::IdGen;

/// Counts up instead of drawing random bits; clones share the count.
///
/// Give every part of one test a clone of the same generator: two that start at the same number draw the same
/// ids and the same request tokens, and the database takes the second write for a replay of the first.
#[derive(Debug, Clone, Default)]
pub struct SeqIds(Arc<AtomicU64>);

impl SeqIds {
    /// A generator whose first draw is `first`.
    #[must_use]
    pub fn from(first: u64) -> Self {
        Self(Arc::new(AtomicU64::new(first)))
    }
}

impl IdGen for SeqIds {
    fn random(&self) -> u128 {
        u128::from(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use sutler_domain::{ids::OrderId, time::Timestamp};

    use super::*;

    #[test]
    fn two_runs_draw_the_same_ids() {
        let now = Timestamp::from_millis(1_798_761_600_000);
        let draw = || {
            let ids = SeqIds::default();
            [OrderId::generate(&ids, now), OrderId::generate(&ids.clone(), now)]
        };
        let [first, second] = draw();
        assert_ne!(first, second);
        assert_eq!(draw(), [first, second]);
        assert_eq!(SeqIds::from(7).random(), 7);
    }
}
