//! The real clock and the real randomness. Everything else gets them as arguments.

use aws_lc_rs::rand::{SecureRandom, SystemRandom as Source};
use sutler_domain::{
    ids::IdGen,
    time::{Clock, Timestamp},
};

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_millis());
        Timestamp::from_millis(i64::try_from(since).unwrap_or(i64::MAX))
    }
}

/// The operating system's random numbers.
#[derive(Debug, Default)]
pub struct SystemRandom(Source);

impl IdGen for SystemRandom {
    fn random(&self) -> u128 {
        let mut bytes = [0_u8; 16];
        // Going on with predictable tokens would be worse than stopping.
        assert!(self.0.fill(&mut bytes).is_ok(), "the operating system gives no random numbers");
        u128::from_le_bytes(bytes)
    }
}
