//! Time that passes only when nobody has anything to do: everything that waits is woken in the order of its hour.

use std::{
    collections::{BTreeMap, HashSet},
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use aws_sdk_dynamodb::config::{AsyncSleep, Sleep};
use sutler_domain::{ids::IdGen, time::Timestamp};
use sutler_testkit::FakeClock;

/// Somebody who does something to its end.
pub type Task = Pin<Box<dyn Future<Output = ()>>>;

#[derive(Debug, Default)]
struct Hours {
    now_us: u64,
    next: u64,
    waiting: BTreeMap<(u64, u64), Waker>,
    rung: HashSet<u64>,
}

/// The virtual clock, in microseconds; clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct Hourglass(Arc<Mutex<Hours>>);

impl Hourglass {
    fn hours(&self) -> MutexGuard<'_, Hours> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much time has passed.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.hours().now_us
    }

    /// Waits.
    pub fn pass(&self, us: u64) -> impl Future<Output = ()> + Send + Sync + use<> {
        let glass = self.clone();
        let (at, id) = {
            let mut hours = glass.hours();
            hours.next = hours.next.saturating_add(1);
            (hours.now_us.saturating_add(us), hours.next)
        };
        std::future::poll_fn(move |context| {
            let mut hours = glass.hours();
            if hours.rung.remove(&id) {
                return Poll::Ready(());
            }
            hours.waiting.insert((at, id), context.waker().clone());
            Poll::Pending
        })
    }

    /// Turns to the next hour that somebody waits for.
    fn turn(&self) -> bool {
        let mut hours = self.hours();
        let Some(((at, id), waker)) = hours.waiting.pop_first() else { return false };
        hours.now_us = hours.now_us.max(at);
        hours.rung.insert(id);
        waker.wake();
        true
    }
}

impl AsyncSleep for Hourglass {
    fn sleep(&self, duration: Duration) -> Sleep {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Sleep::new(self.pass(us))
    }
}

#[derive(Debug, Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs all tasks to their ends, none faster than its waits allow.
pub fn run(glass: &Hourglass, clock: &FakeClock, begin: Timestamp, tasks: Vec<Task>) {
    let ring = || Arc::new(Bell(AtomicBool::new(true)));
    let mut running: Vec<(Task, Arc<Bell>)> = tasks.into_iter().map(|task| (task, ring())).collect();
    while !running.is_empty() {
        let mut was_idle = true;
        running.retain_mut(|(task, bell)| {
            if !bell.0.swap(false, Ordering::Relaxed) {
                return true;
            }
            was_idle = false;
            let waker = Waker::from(Arc::clone(bell));
            task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
        });
        if was_idle && !glass.turn() {
            return;
        }
        let millis = glass.now_us().div_euclid(1_000);
        let passed = i64::try_from(millis).unwrap_or(i64::MAX);
        clock.set(Timestamp::from_millis(begin.millis().saturating_add(passed)));
    }
}

/// Random bits that follow from a seed (`SplitMix64`).
#[derive(Debug)]
pub struct Dice(Mutex<u64>);

impl Dice {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    /// The next 64 bits.
    #[must_use]
    pub fn draw(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = *state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        self.draw().checked_rem(bound).unwrap_or(0)
    }
}

impl IdGen for Dice {
    fn random(&self) -> u128 {
        u128::from(self.draw()).wrapping_shl(64) | u128::from(self.draw())
    }
}
