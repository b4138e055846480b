//! A clock that only moves when a test moves it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_smithy_async::time::TimeSource;
use sutler_domain::time::{Clock, Timestamp};

/// 2027-01-01T00:00:00Z, where every fake clock starts.
const START_MS: i64 = 1_798_761_600_000;

/// A settable clock; clones show the same time.
#[derive(Debug, Clone)]
pub struct FakeClock(Arc<AtomicI64>);

impl FakeClock {
    /// A clock that shows `at`.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(at.millis())))
    }

    /// Jumps to `at`, which may lie in the past.
    pub fn set(&self, at: Timestamp) {
        self.0.store(at.millis(), Ordering::SeqCst);
    }

    /// Moves forward by `step`.
    pub fn advance(&self, step: Duration) {
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        self.0.fetch_add(step, Ordering::SeqCst);
    }
}

/// A clock as the SDK asks it.
#[derive(Debug)]
pub(crate) struct SdkClock(pub(crate) FakeClock);

impl TimeSource for SdkClock {
    fn now(&self) -> SystemTime {
        let since_epoch = Duration::from_millis(self.0.now().millis().unsigned_abs());
        UNIX_EPOCH.checked_add(since_epoch).unwrap_or(UNIX_EPOCH)
    }
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::at(Timestamp::from_millis(START_MS))
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Stream records and the time-to-live sweep of the engine follow the test's clock.
impl dynoxide::storage_backend::Clock for FakeClock {
    fn now_unix_secs(&self) -> u64 {
        u64::try_from(self.now().seconds()).unwrap_or(0)
    }

    fn now_unix_secs_f64(&self) -> f64 {
        Duration::from_millis(u64::try_from(self.now().millis()).unwrap_or(0)).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_show_the_same_time() {
        let clock = FakeClock::default();
        assert_eq!(clock.now().rfc3339(), "2027-01-01T00:00:00.000Z");
        clock.clone().advance(Duration::from_secs(61));
        assert_eq!(clock.now().rfc3339(), "2027-01-01T00:01:01.000Z");
        clock.set(Timestamp::from_millis(5));
        assert_eq!(clock.now().millis(), 5);
    }
}
