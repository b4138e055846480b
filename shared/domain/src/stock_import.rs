//! A file with counts of stock: where it is on its way into the warehouse, and what became of each of its rows.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{ImportId, SellerId},
    order::Change,
    time::Timestamp,
};

/// The most rows a file may have, its header aside.
pub const ROWS_MAX: usize = 100_000;
/// The largest file.
pub const BYTES_MAX: u64 = 32 * 1_024 * 1_024;
/// How long a link can be used to upload the file.
pub const UPLOAD_SECONDS: i64 = 900;
/// How long an import waits for its file: a little longer than any link works, for the word of the upload to arrive.
pub const EXPIRY_SECONDS: i64 = 3_600;
/// How long its results are kept at least.
pub const KEPT_SECONDS: i64 = 30 * 24 * 3_600;

/// Where an import is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ImportState {
    /// The seller has a link to upload the file.
    AwaitingUpload {
        /// Until when a file is taken.
        expires_at: Timestamp,
    },
    /// Its rows are carried out.
    Running {
        /// What the store of files calls these very bytes.
        etag: String,
        /// Since when.
        since: Timestamp,
    },
    /// Every row has its result.
    Done {
        /// Since when.
        at: Timestamp,
    },
    /// The rest of the file, or all of it, was not carried out.
    Failed {
        /// Why.
        problem: FileProblem,
        /// Since when.
        at: Timestamp,
    },
}

impl ImportState {
    /// The state's name in answers.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::AwaitingUpload { .. } => "awaiting_upload",
            Self::Running { .. } => "running",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
        }
    }
}

/// Why a file as a whole is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum FileProblem {
    /// More bytes than any file may have.
    #[error("The file is larger than 32 MiB.")]
    TooLarge,
    /// Another encoding.
    #[error("The file is not UTF-8.")]
    NotUtf8,
    /// The header does not name what is needed.
    #[error("The first row does not name the columns `sku` and `quantity`.")]
    ColumnMissing,
    /// The header names a column twice.
    #[error("The first row names a column twice.")]
    ColumnTwice,
    /// Rows would be swallowed by the cell that begins there.
    #[error("A quotation mark is not closed.")]
    QuoteOpen,
    /// More rows than any file may have.
    #[error("The file has more than 100,000 rows.")]
    TooManyRows,
    /// It is not the file any more that was begun with.
    #[error("The file was replaced while it was carried out.")]
    Changed,
    /// It is not there any more.
    #[error("The file is gone.")]
    Gone,
}

impl FileProblem {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::TooLarge,
        Self::NotUtf8,
        Self::ColumnMissing,
        Self::ColumnTwice,
        Self::QuoteOpen,
        Self::TooManyRows,
        Self::Changed,
        Self::Gone,
    ];

    /// Its name in answers.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::NotUtf8 => "not-utf8",
            Self::ColumnMissing => "column-missing",
            Self::ColumnTwice => "column-twice",
            Self::QuoteOpen => "quote-open",
            Self::TooManyRows => "too-many-rows",
            Self::Changed => "changed",
            Self::Gone => "gone",
        }
    }
}

/// Why a row is not carried out. The others are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum RowProblem {
    /// No article number.
    #[error("The row has no article number.")]
    SkuMissing,
    /// Nothing of the seller's has this article number.
    #[error("You sell nothing with this article number.")]
    SkuUnknown,
    /// The article number came before.
    #[error("The article number is in line {first} already.")]
    SkuTwice {
        /// Where.
        first: u32,
    },
    /// No count.
    #[error("The row has no quantity.")]
    QuantityMissing,
    /// Something else than a whole number.
    #[error("The quantity is not a whole number.")]
    QuantityInvalid,
    /// Fewer than none, or more than there may be.
    #[error("The quantity is below 0 or above 1,000,000,000.")]
    QuantityOutOfRange,
    /// Not a reason of one line.
    #[error("The reason has more than 200 characters, or some that no text has.")]
    ReasonInvalid,
    /// Fewer than are held for orders.
    #[error("{held} are held for orders or partners; the count cannot be lower.")]
    BelowHeld {
        /// How many are not free.
        held: u64,
    },
    /// Orders and other changes were always faster.
    #[error("The stock kept changing while it was counted; send the row again.")]
    KeepsMoving,
}

impl RowProblem {
    /// Its name in answers.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::SkuMissing => "sku-missing",
            Self::SkuUnknown => "sku-unknown",
            Self::SkuTwice { .. } => "sku-twice",
            Self::QuantityMissing => "quantity-missing",
            Self::QuantityInvalid => "quantity-invalid",
            Self::QuantityOutOfRange => "quantity-out-of-range",
            Self::ReasonInvalid => "reason-invalid",
            Self::BelowHeld { .. } => "below-held",
            Self::KeepsMoving => "keeps-moving",
        }
    }
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RowOutcome {
    /// The stock was made what was counted.
    Applied {
        /// How many there were.
        before: u64,
        /// How many there are.
        after: u64,
    },
    /// It was right already.
    Unchanged {
        /// How many there are.
        on_hand: u64,
    },
    /// Nothing was changed.
    Refused {
        /// Why.
        problem: RowProblem,
    },
}

impl RowOutcome {
    /// Its name in answers.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Applied { .. } => "applied",
            Self::Unchanged { .. } => "unchanged",
            Self::Refused { .. } => "refused",
        }
    }
}

/// The result of one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowResult {
    /// In which line of the file it begins; the header is line 1.
    pub line: u32,
    /// The article number, as far as one can be that long.
    pub sku: String,
    /// What became of it.
    pub outcome: RowOutcome,
}

/// How many rows had which outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// The stock was changed.
    pub applied: u32,
    /// It was right already.
    pub unchanged: u32,
    /// Not carried out.
    pub refused: u32,
}

impl Counts {
    /// How many rows that are.
    #[must_use]
    pub fn sum(self) -> u32 {
        self.applied.saturating_add(self.unchanged).saturating_add(self.refused)
    }

    fn count(&mut self, outcome: &RowOutcome) {
        let counter = match outcome {
            RowOutcome::Applied { .. } => &mut self.applied,
            RowOutcome::Unchanged { .. } => &mut self.unchanged,
            RowOutcome::Refused { .. } => &mut self.refused,
        };
        *counter = counter.saturating_add(1);
    }
}

/// What an import in its state does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Nobody uploaded the file in time.
    #[error("the time to upload the file is over")]
    Expired,
    /// It has ended.
    #[error("the import has ended")]
    Over,
    /// It was not begun.
    #[error("the import was not begun")]
    NotBegun,
    /// More results than rows.
    #[error("there are no more rows")]
    NoMoreRows,
}

/// A file with counts of stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockImport {
    /// Its id.
    pub id: ImportId,
    /// Whose stock it counts.
    pub seller: SellerId,
    /// How large the file is to be.
    pub bytes: u64,
    /// Where it is.
    pub state: ImportState,
    /// How many rows the file has, once it was read.
    pub rows: u32,
    /// What became of the rows so far: as many as have their result, from the first on.
    pub counts: Counts,
    /// When the seller asked for it.
    pub created_at: Timestamp,
}

impl StockImport {
    /// One whose file is to be uploaded.
    #[must_use]
    pub fn new(id: ImportId, seller: SellerId, bytes: u64, now: Timestamp) -> Self {
        let state = ImportState::AwaitingUpload { expires_at: now.plus_seconds(EXPIRY_SECONDS) };
        Self { id, seller, bytes, state, rows: 0, counts: Counts::default(), created_at: now }
    }

    /// How many rows, from the first on, have their result.
    #[must_use]
    pub fn position(&self) -> u32 {
        self.counts.sum()
    }

    /// The state as people see it: one that waited too long for its file is `expired`.
    #[must_use]
    pub fn state_name(&self, now: Timestamp) -> &'static str {
        match &self.state {
            ImportState::AwaitingUpload { expires_at } if *expires_at <= now => "expired",
            ImportState::AwaitingUpload { .. }
            | ImportState::Running { .. }
            | ImportState::Done { .. }
            | ImportState::Failed { .. } => self.state.name(),
        }
    }

    /// For how many seconds from now on the file may be uploaded; nothing when that is over.
    #[must_use]
    pub fn upload_seconds(&self, now: Timestamp) -> Option<i64> {
        let ImportState::AwaitingUpload { expires_at } = &self.state else { return None };
        let left = expires_at.seconds().saturating_sub(now.seconds()).min(UPLOAD_SECONDS);
        (left > 0).then_some(left)
    }

    /// Whether nothing more happens to it.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        match &self.state {
            ImportState::AwaitingUpload { expires_at } => *expires_at <= now,
            ImportState::Running { .. } => false,
            ImportState::Done { .. } | ImportState::Failed { .. } => true,
        }
    }

    /// The file is there, and has so many rows.
    ///
    /// # Errors
    /// [`ImportError`] when that comes too late, or a second time with another file.
    pub fn begin(&mut self, etag: &str, rows: u32, now: Timestamp) -> Result<Change, ImportError> {
        match &self.state {
            ImportState::AwaitingUpload { expires_at } if *expires_at <= now => Err(ImportError::Expired),
            ImportState::AwaitingUpload { .. } => {
                self.rows = rows;
                self.state = ImportState::Running { etag: etag.to_owned(), since: now };
                self.end_with_the_last_row(now);
                Ok(Change::Applied)
            }
            ImportState::Running { etag: known, .. } if known == etag => Ok(Change::AlreadyApplied),
            ImportState::Running { .. } | ImportState::Done { .. } | ImportState::Failed { .. } => {
                Err(ImportError::Over)
            }
        }
    }

    /// The next rows have their results.
    ///
    /// # Errors
    /// [`ImportError`] unless it was begun and has that many rows left.
    pub fn advance(&mut self, results: &[RowResult], now: Timestamp) -> Result<Change, ImportError> {
        match &self.state {
            ImportState::Running { .. } => {}
            ImportState::AwaitingUpload { .. } => return Err(ImportError::NotBegun),
            ImportState::Done { .. } | ImportState::Failed { .. } => return Err(ImportError::Over),
        }
        let mut counts = self.counts;
        for result in results {
            counts.count(&result.outcome);
        }
        if results.is_empty() || counts.sum() > self.rows {
            return Err(ImportError::NoMoreRows);
        }
        self.counts = counts;
        self.end_with_the_last_row(now);
        Ok(Change::Applied)
    }

    /// The rest of the file is not carried out.
    ///
    /// # Errors
    /// [`ImportError::Over`] when it has ended.
    pub fn fail(&mut self, problem: FileProblem, now: Timestamp) -> Result<Change, ImportError> {
        match &self.state {
            ImportState::AwaitingUpload { .. } | ImportState::Running { .. } => {
                self.state = ImportState::Failed { problem, at: now };
                Ok(Change::Applied)
            }
            ImportState::Done { .. } | ImportState::Failed { .. } => Err(ImportError::Over),
        }
    }

    fn end_with_the_last_row(&mut self, now: Timestamp) {
        if self.counts.sum() == self.rows {
            self.state = ImportState::Done { at: now };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ULID: &str = "01J8ZQ5K3N0V7X2Y4T6B8D9FGH";
    const START: Timestamp = Timestamp::from_millis(1_000);

    type Command = fn(&mut StockImport) -> Result<Change, ImportError>;

    fn fresh() -> StockImport {
        let id = ImportId::parse(&format!("imp_{ULID}")).unwrap();
        let seller = SellerId::parse(&format!("sel_{ULID}")).unwrap();
        StockImport::new(id, seller, 10, START)
    }

    fn applied(result: Result<Change, ImportError>) {
        assert_eq!(result, Ok(Change::Applied));
    }

    fn results(count: u32) -> Vec<RowResult> {
        let outcome = |line| match line % 3 {
            0 => RowOutcome::Applied { before: 1, after: 2 },
            1 => RowOutcome::Unchanged { on_hand: 1 },
            _ => RowOutcome::Refused { problem: RowProblem::SkuUnknown },
        };
        (0..count).map(|line| RowResult { line, sku: String::new(), outcome: outcome(line) }).collect()
    }

    #[test]
    fn every_command_in_every_state_does_what_it_may() {
        let running = || {
            let mut import = fresh();
            applied(import.begin("a", 3, START));
            import
        };
        let done = || {
            let mut import = running();
            applied(import.advance(&results(3), START));
            import
        };
        let failed = || {
            let mut import = running();
            applied(import.fail(FileProblem::Gone, START));
            import
        };
        let (begin, other): (Command, Command) = (|i| i.begin("a", 3, START), |i| i.begin("b", 3, START));
        let advance: Command = |i| i.advance(&results(2), START);
        let fail: Command = |i| i.fail(FileProblem::Changed, START);
        let (applies, over) = (Ok(Change::Applied), Err(ImportError::Over));
        for (import, command, expected) in [
            (fresh(), begin, applies),
            (fresh(), advance, Err(ImportError::NotBegun)),
            (fresh(), fail, applies),
            (running(), begin, Ok(Change::AlreadyApplied)),
            (running(), other, over),
            (running(), advance, applies),
            (running(), fail, applies),
            (done(), begin, over),
            (done(), advance, over),
            (done(), fail, over),
            (failed(), begin, over),
            (failed(), advance, over),
            (failed(), fail, over),
        ] {
            let mut after = import.clone();
            assert_eq!(command(&mut after), expected, "{import:?}");
            assert_eq!(after == import, expected != applies, "{import:?}");
        }
    }

    #[test]
    fn it_ends_with_its_last_row_and_takes_no_more() {
        let mut import = fresh();
        applied(import.begin("a", 5, START));
        assert_eq!(import.advance(&[], START), Err(ImportError::NoMoreRows));
        applied(import.advance(&results(3), START));
        assert_eq!((import.position(), import.state.name()), (3, "running"));
        assert_eq!(import.advance(&results(3), START), Err(ImportError::NoMoreRows));
        applied(import.advance(&results(2), START));
        assert_eq!(import.counts, Counts { applied: 2, unchanged: 2, refused: 1 });
        assert_eq!((import.position(), import.state.name()), (5, "done"));
        let mut empty = fresh();
        applied(empty.begin("a", 0, START));
        assert_eq!(empty.state.name(), "done");
    }

    #[test]
    fn nothing_is_uploaded_or_begun_after_its_time() {
        let mut import = fresh();
        let late = START.plus_seconds(EXPIRY_SECONDS);
        let before = late.plus_seconds(-1);
        assert_eq!(import.upload_seconds(START), Some(UPLOAD_SECONDS));
        assert_eq!(import.upload_seconds(late.plus_seconds(-60)), Some(60));
        assert_eq!((import.upload_seconds(late), import.is_over(before)), (None, false));
        assert_eq!((import.state_name(before), import.state_name(late)), ("awaiting_upload", "expired"));
        assert_eq!(import.begin("a", 3, late), Err(ImportError::Expired));
        assert!(import.is_over(late));
        assert_eq!(import.begin("a", 3, before), Ok(Change::Applied));
        assert_eq!(import.upload_seconds(before), None);
    }

    #[test]
    fn the_stored_code_is_the_shown_code() {
        for problem in FileProblem::ALL {
            assert_eq!(serde_json::to_value(problem).unwrap(), problem.code());
        }
        for problem in [
            RowProblem::SkuMissing,
            RowProblem::SkuUnknown,
            RowProblem::SkuTwice { first: 2 },
            RowProblem::QuantityMissing,
            RowProblem::QuantityInvalid,
            RowProblem::QuantityOutOfRange,
            RowProblem::ReasonInvalid,
            RowProblem::BelowHeld { held: 3 },
            RowProblem::KeepsMoving,
        ] {
            assert_eq!(serde_json::to_value(&problem).unwrap()["code"], problem.code());
        }
    }
}
