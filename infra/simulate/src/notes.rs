//! What a history did, in words and numbers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use sutler_domain::time::Clock;
use sutler_testkit::FakeClock;

use crate::lock;

/// Counts by kind.
pub type Counts = BTreeMap<String, u64>;

/// The notes of one history. Clones write into the same book.
#[derive(Debug, Clone)]
pub struct Notes {
    book: Arc<Mutex<Book>>,
    clock: FakeClock,
}

/// What is in the notes.
#[derive(Debug, Clone, Default)]
pub struct Book {
    /// Who did what, what was faulted, what was answered.
    pub lines: Vec<String>,
    /// Operations begun, by kind.
    pub operations: Counts,
    /// Faults that struck, by kind.
    pub faults: Counts,
    /// What must not happen and did, in words.
    pub wrong: Vec<String>,
    /// Whose turn it is.
    actor: String,
}

impl Notes {
    /// An empty book that tells the time by `clock`.
    #[must_use]
    pub fn new(clock: FakeClock) -> Self {
        Self { book: Arc::default(), clock }
    }

    /// What was written so far.
    #[must_use]
    pub fn book(&self) -> Book {
        lock(&self.book).clone()
    }

    /// From now on this one acts.
    pub fn turn_of(&self, actor: &str) {
        actor.clone_into(&mut lock(&self.book).actor);
    }

    /// Writes down a step of whoever acts.
    pub fn say(&self, text: &str) {
        let at = self.clock.now().rfc3339();
        let mut book = lock(&self.book);
        let line = format!("{} {}: {text}", at.get(11..23).unwrap_or_default(), book.actor);
        book.lines.push(line);
    }

    /// Writes down that an operation began.
    pub fn begin(&self, kind: &str) {
        add(&mut lock(&self.book).operations, kind);
    }

    /// Writes down a fault.
    pub fn fault(&self, kind: &str) {
        add(&mut lock(&self.book).faults, kind);
        self.say(&format!("fault: {kind}"));
    }

    /// Writes down what must not happen and did.
    pub fn accuse(&self, text: impl Into<String>) {
        let text = text.into();
        self.say(&format!("WRONG: {text}"));
        lock(&self.book).wrong.push(text);
    }

    /// Whether anything went wrong so far.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        !lock(&self.book).wrong.is_empty()
    }
}

/// Counts one more.
pub fn add(counts: &mut Counts, kind: &str) {
    let count = counts.entry(kind.to_owned()).or_default();
    *count = count.saturating_add(1);
}
