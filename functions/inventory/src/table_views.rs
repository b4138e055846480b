//! Stock as tables: what is uploaded, what became of it, and what is written.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sutler_domain::{
    stock_import::{ImportState, RowOutcome, RowProblem, RowResult, StockImport},
    time::Timestamp,
};
use sutler_gateways::files::FileStore;
use sutler_http::csv;
use sutler_services::{
    App,
    inventory::StockedVariant,
    stock_exports::{Export, Layout},
};
use utoipa::ToSchema;

/// What endpoints with files work with.
pub struct Tables {
    /// The use cases' needs.
    pub app: App,
    /// The files.
    pub files: Arc<dyn FileStore>,
}

impl Tables {
    /// Reads configuration.
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn connect() -> Result<Self, lambda_http::Error> {
        let (config, app) = sutler_runtime::start()?;
        Ok(Self { app, files: Arc::new(sutler_runtime::aws::files(&config)?) })
    }
}

/// A file that is to be imported.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StockImportInput {
    /// How large the file is; exactly that many bytes can be uploaded.
    #[schema(minimum = 1, maximum = 33_554_432, example = 1_024)]
    pub bytes: u64,
}

/// How to upload the file.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadView {
    /// `PUT`, without an access token.
    #[schema(example = "PUT")]
    pub method: &'static str,
    /// Where to. Whoever has it may upload, so it is nobody else's business.
    pub url: String,
    /// Until when.
    pub expires_at: String,
}

/// A problem of the file as a whole.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileProblemView {
    /// Stable code.
    #[schema(example = "column-missing")]
    pub code: &'static str,
    /// In words.
    pub detail: String,
}

/// An import of stock.
#[derive(Debug, Serialize, ToSchema)]
pub struct StockImportView {
    /// Id.
    #[schema(example = "imp_01J8ZQ5K3N0V7X2Y4T6B8D9FGH")]
    pub id: String,
    /// `awaiting_upload`, `expired`, `running`, `done` or `failed`.
    pub state: &'static str,
    /// How large the file is.
    pub bytes: u64,
    /// How many rows the file has, once it was read.
    pub rows: u32,
    /// How many rows, from the first on, have their result.
    pub position: u32,
    /// Rows that changed the stock.
    pub applied: u32,
    /// Rows whose count was right already.
    pub unchanged: u32,
    /// Rows that were refused.
    pub refused: u32,
    /// Why the file, or the rest of it, was not carried out.
    pub problem: Option<FileProblemView>,
    /// When it was asked for.
    pub created_at: String,
}

/// A new import, and how to upload its file.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewStockImportView {
    /// The import.
    #[serde(flatten)]
    pub import: StockImportView,
    /// How to upload the file; absent once that is over.
    pub upload: Option<UploadView>,
}

/// What became of a row.
#[derive(Debug, Serialize, ToSchema)]
pub struct RowResultView {
    /// The line of the file it begins in; the header is line 1.
    pub line: u32,
    /// Article number.
    pub sku: String,
    /// `applied`, `unchanged` or `refused`.
    pub outcome: &'static str,
    /// How many were in the warehouse before.
    pub before: Option<u64>,
    /// How many there are.
    pub after: Option<u64>,
    /// Stable code of the refusal.
    #[schema(example = "sku-unknown")]
    pub code: Option<&'static str>,
    /// The refusal in words.
    pub detail: Option<String>,
}

/// An import with a page of its results.
#[derive(Debug, Serialize, ToSchema)]
pub struct StockImportResultsView {
    /// The import.
    #[serde(flatten)]
    pub import: StockImportView,
    /// Results in the order of the file.
    pub items: Vec<RowResultView>,
    /// Where the next page starts; absent when there are no more yet.
    pub next_cursor: Option<String>,
}

/// A table of stock that was written.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportView {
    /// Where to fetch it, without an access token. Whoever has it may, so it is nobody else's business.
    pub url: String,
    /// Until when.
    pub expires_at: String,
    /// How many rows it has, the header aside.
    pub rows: usize,
    /// Where the next table starts, when one cannot hold them all.
    pub next_cursor: Option<String>,
}

impl StockImportView {
    /// An import as it is now.
    #[must_use]
    pub fn new(import: &StockImport, now: Timestamp) -> Self {
        let problem = match &import.state {
            ImportState::Failed { problem, .. } => {
                Some(FileProblemView { code: problem.code(), detail: problem.to_string() })
            }
            ImportState::AwaitingUpload { .. } | ImportState::Running { .. } | ImportState::Done { .. } => {
                None
            }
        };
        Self {
            id: import.id.to_string(),
            state: import.state_name(now),
            bytes: import.bytes,
            rows: import.rows,
            position: import.position(),
            applied: import.counts.applied,
            unchanged: import.counts.unchanged,
            refused: import.counts.refused,
            problem,
            created_at: import.created_at.rfc3339(),
        }
    }
}

impl NewStockImportView {
    /// An import with the link to upload its file, which works for so many seconds.
    #[must_use]
    pub fn new(import: &StockImport, link: Option<(String, i64)>, now: Timestamp) -> Self {
        let upload = link.map(|(url, seconds)| UploadView {
            method: "PUT",
            url,
            expires_at: now.plus_seconds(seconds).rfc3339(),
        });
        Self { import: StockImportView::new(import, now), upload }
    }
}

impl From<&RowResult> for RowResultView {
    fn from(result: &RowResult) -> Self {
        let (before, after, problem) = match &result.outcome {
            RowOutcome::Applied { before, after } => (Some(*before), Some(*after), None),
            RowOutcome::Unchanged { on_hand } => (Some(*on_hand), Some(*on_hand), None),
            RowOutcome::Refused { problem } => (None, None, Some(problem)),
        };
        Self {
            line: result.line,
            sku: result.sku.clone(),
            outcome: result.outcome.name(),
            before,
            after,
            code: problem.map(RowProblem::code),
            detail: problem.map(ToString::to_string),
        }
    }
}

impl ExportView {
    /// A table that was written.
    #[must_use]
    pub fn new(export: Export, now: Timestamp) -> Self {
        Self {
            url: export.link,
            expires_at: now.plus_seconds(export.seconds).rfc3339(),
            rows: export.rows,
            next_cursor: export.next.map(String::from),
        }
    }
}

/// Results as a table with a row of names.
#[must_use]
pub fn results_csv(results: &[RowResultView]) -> String {
    let mut table = csv::row(["line", "sku", "outcome", "before", "after", "code", "detail"]);
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    for result in results {
        let (line, before, after) = (result.line.to_string(), number(result.before), number(result.after));
        let (code, detail) = (result.code.unwrap_or_default(), result.detail.as_deref().unwrap_or_default());
        table.push_str(&csv::row([
            line.as_str(),
            &result.sku,
            result.outcome,
            &before,
            &after,
            code,
            detail,
        ]));
    }
    table
}

/// How an export is written: what an import reads, and beside it what a seller wants to see.
pub const LAYOUT: Layout = Layout { header, row };

fn header() -> String {
    csv::row([
        "sku",
        "quantity",
        "title",
        "options",
        "variant",
        "available",
        "reserved",
        "committed",
        "partner",
    ])
}

fn row(found: &StockedVariant) -> String {
    let (variant, stock) = (&found.variant, &found.stock.value);
    let options: Vec<&str> = variant.options.iter().map(|option| option.value.as_str()).collect();
    let counts = [stock.available, stock.reserved, stock.committed, stock.partner].map(|n| n.to_string());
    let (quantity, options) = (stock.on_hand().to_string(), options.join(" / "));
    let cells = [variant.sku.as_str(), &quantity, &variant.title, &options, variant.id.as_str()];
    csv::row(cells.into_iter().chain(counts.iter().map(String::as_str)))
}
