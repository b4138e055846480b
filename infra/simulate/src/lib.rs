//! Deterministic simulation: whole histories of a marketplace, decided by a seed, with faults at every boundary.
//!
//! A history runs the real services and workers on the in-process database. All its actors are futures of one
//! thread; whose turn it is, what fails and who dies is drawn from the seed, and nothing waits for a clock. What the
//! streams show of every change is checked against rules of the simulation's own, and at the end, when everything
//! that repeats has come to rest, so are stock, money, events and orders. A seed that fails replays exactly.
#![expect(
    clippy::missing_errors_doc,
    reason = "a history that cannot be played has one reason: the kit is broken"
)]

mod alerts;
mod back;
mod books;
mod cast;
mod chance;
mod coupons;
mod deeds;
mod delivery;
mod depot;
mod history;
mod imports;
mod labels;
pub mod mutations;
pub mod notes;
mod opening;
mod provider;
pub mod report;
mod sellers;
mod steps;
mod tracking;
mod verdict;
mod wire;
mod world;

use std::sync::{Mutex, MutexGuard, PoisonError};

use mutations::Mutation;

pub use history::{History, play};
pub use world::Failure;

/// How many things are begun in a history, unless somebody says otherwise.
pub const STEPS: u32 = 60;

/// A planted bug that was noticed.
#[derive(Debug, Clone)]
pub struct Found {
    /// After how many histories.
    pub histories: u64,
    /// In which.
    pub seed: u64,
    /// What was noticed.
    pub wrong: String,
}

/// Plays up to `histories` histories with a planted bug, until one goes wrong.
pub fn hunt(
    mutation: &'static Mutation,
    first: u64,
    histories: u64,
    steps: u32,
) -> Result<Option<Found>, Failure> {
    for (seed, count) in (first..first.saturating_add(histories)).zip(1_u64..) {
        let history = play(seed, steps, Some(mutation))?;
        if let Some(wrong) = history.wrong() {
            return Ok(Some(Found { histories: count, seed, wrong: wrong.to_owned() }));
        }
    }
    Ok(None)
}

/// Takes a lock that no holder leaves in a broken state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
