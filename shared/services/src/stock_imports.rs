//! Counts of stock by file: a seller uploads a table, a worker carries it out row by row, each exactly once.

mod run;
pub mod table;

use serde::{Deserialize, Serialize};
use sutler_domain::{
    idempotency::{Answer, Once},
    ids::{ImportId, SellerId},
    problem::Problem,
    stock_import::{BYTES_MAX, RowResult, StockImport},
};
use sutler_gateways::files::{FileError, FileStore};
use sutler_store::{Transaction, stock_imports};

pub use run::{Pass, run};
pub use sutler_store::stock_imports::Which;

use crate::{App, Error};

/// A question to the worker: go on with an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoOn {
    /// Which.
    pub import: ImportId,
}

/// Where the file of an import is uploaded to.
#[must_use]
pub fn file_key(import: &ImportId) -> String {
    format!("imports/{import}.csv")
}

/// The import whose file is uploaded to `key`.
#[must_use]
pub fn import_of(key: &str) -> Option<ImportId> {
    ImportId::parse(key.strip_prefix("imports/")?.strip_suffix(".csv")?).ok()
}

/// What is remembered of [`create`]: which import it was. A link is as secret as a token, so none is stored.
#[must_use]
pub fn remembered(import: &StockImport) -> Answer {
    Answer { status: 201, body: import.id.to_string() }
}

/// Prepares an import of a file of so many bytes.
///
/// # Errors
/// [`Problem::Invalid`] when no file may have that size.
pub async fn create(
    app: &App,
    seller: &SellerId,
    bytes: u64,
    once: &Once<StockImport>,
) -> Result<StockImport, Error> {
    if !(1..=BYTES_MAX).contains(&bytes) {
        return Err(Problem::field("/bytes", "out-of-range").into());
    }
    let now = app.now();
    let import = StockImport::new(ImportId::generate(&*app.ids, now), seller.clone(), bytes, now);
    let mut transaction = Transaction::new();
    stock_imports::create(&mut transaction, &import)?;
    let answer = app.store.commit(transaction, once, &import).await?;
    if answer == remembered(&import) {
        return Ok(import);
    }
    let first = ImportId::parse(&answer.body).map_err(|error| Error::Internal(error.into()))?;
    get(app, seller, &first).await
}

/// An import of the seller's.
///
/// # Errors
/// [`Problem::NotFound`] unless it is the seller's.
pub async fn get(app: &App, seller: &SellerId, id: &ImportId) -> Result<StockImport, Error> {
    let found = app.store.stock_import(id).await?.map(|found| found.value);
    Ok(found.filter(|import| import.seller == *seller).ok_or(Problem::NotFound)?)
}

/// The link to upload the file of an import, and for how many seconds it works; nothing when it is too late.
///
/// # Errors
/// When nothing can be signed.
pub fn upload(
    app: &App,
    files: &dyn FileStore,
    import: &StockImport,
) -> Result<Option<(String, i64)>, Error> {
    let now = app.now();
    let Some(seconds) = import.upload_seconds(now) else { return Ok(None) };
    let link = files.upload_link(&file_key(&import.id), import.bytes, seconds, now).map_err(of_files)?;
    Ok(Some((link, seconds)))
}

/// Results of rows after a line, in the order of the file, and the line after which there may be more.
///
/// # Errors
/// [`Error`] when the database does not answer.
pub async fn results(
    app: &App,
    import: &StockImport,
    which: Which,
    after: u32,
    limit: u16,
) -> Result<(Vec<RowResult>, Option<u32>), Error> {
    Ok(app.store.import_results(&import.id, which, after, limit).await?)
}

pub(crate) fn of_files(error: FileError) -> Error {
    match error {
        error @ FileError::Unavailable(_) => Error::Unavailable(error.into()),
        error @ (FileError::TooLarge | FileError::Rejected(_)) => Error::Internal(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_leads_to_its_import_and_no_other_name_does() {
        let import = ImportId::parse("imp_01J8ZQ5K3N0V7X2Y4T6B8D9FGH").unwrap();
        assert_eq!(import_of(&file_key(&import)), Some(import));
        for other in ["", "imports/.csv", "exports/imp_01J8ZQ5K3N0V7X2Y4T6B8D9FGH.csv", "imports/../x.csv"] {
            assert_eq!(import_of(other), None, "{other}");
        }
    }
}
