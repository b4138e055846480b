//! How a call to a provider is tried: with a deadline, a few times, and never as if it had not happened.

use std::{
    fmt,
    future::Future,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

/// How long and how often a call is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// For everything, waits included.
    pub deadline: Duration,
    /// For one try.
    pub try_timeout: Duration,
    /// How many tries.
    pub tries_max: u32,
    /// The longest wait after the first try; it doubles with each.
    pub backoff: Duration,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(8),
            try_timeout: Duration::from_secs(3),
            tries_max: 4,
            backoff: Duration::from_millis(200),
        }
    }
}

/// A failed call: what went wrong last, and whether some try may have taken effect.
#[derive(Debug)]
pub(crate) struct Failure<C> {
    pub cause: C,
    pub ambiguous: bool,
}

impl<C> Failure<C> {
    /// The failure of a call that changes nothing, so that there is no outcome to wonder about.
    pub(crate) fn of_a_question(self) -> Self {
        Self { ambiguous: false, ..self }
    }
}

/// What one failed try means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may have taken effect. Try again.
    Unknown,
    /// It took no effect. Try again.
    Busy,
    /// An answer. Trying again changes nothing.
    Final,
}

/// Why a try failed.
pub(crate) trait Cause: fmt::Display + Send {
    /// Nothing came back in time.
    fn timeout() -> Self;

    /// What it means.
    fn verdict(&self) -> Verdict;
}

impl CallLimits {
    /// Tries a call until it is answered, within the limits, with the same key each time.
    pub(crate) async fn call<T, C, F, R>(&self, key: &str, attempt: F) -> Result<T, Failure<C>>
    where
        C: Cause,
        F: Fn() -> R + Send + Sync,
        R: Future<Output = Result<T, C>> + Send,
        T: Send,
    {
        match tokio::time::timeout(self.deadline, self.tries(key, attempt)).await {
            Ok(result) => result,
            Err(_) => Err(Failure { cause: C::timeout(), ambiguous: true }),
        }
    }

    async fn tries<T, C, F, R>(&self, key: &str, attempt: F) -> Result<T, Failure<C>>
    where
        C: Cause,
        F: Fn() -> R + Send + Sync,
        R: Future<Output = Result<T, C>> + Send,
        T: Send,
    {
        let mut ambiguous = false;
        let mut tried: u32 = 1;
        loop {
            let cause = match attempt().await {
                Ok(answer) => return Ok(answer),
                Err(cause) => cause,
            };
            let verdict = cause.verdict();
            ambiguous |= verdict == Verdict::Unknown;
            if verdict == Verdict::Final || tried >= self.tries_max {
                return Err(Failure { cause, ambiguous });
            }
            let wait = self.backoff(key, tried);
            tracing::warn!(call.tried = tried, call.key = key, "A provider did not serve a call: {cause}");
            back_off(wait).await;
            tried = tried.saturating_add(1);
        }
    }

    /// Between half and all of the doubled back-off. The share comes from the key, so that orders that fail together
    /// do not come back together.
    fn backoff(&self, key: &str, tried: u32) -> Duration {
        let mut hasher = DefaultHasher::new();
        (key, tried).hash(&mut hasher);
        let longest = self.backoff.saturating_mul(2_u32.saturating_pow(tried.saturating_sub(1)));
        let half_ms =
            u64::try_from(longest.as_millis()).unwrap_or(u64::MAX).checked_div(2).unwrap_or_default();
        let share_ms = hasher.finish().checked_rem(half_ms.saturating_add(1)).unwrap_or_default();
        Duration::from_millis(half_ms.saturating_add(share_ms))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the back-off between two tries, bounded by the deadline of the call"
)]
async fn back_off(wait: Duration) {
    tokio::time::sleep(wait).await;
}
