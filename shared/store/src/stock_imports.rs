//! `IMPORT#<import>` / `IMPORT` in Commerce: a file with counts of stock. `ROWS#<line>` beside it: the results of some rows
//! that follow one another, named by the last one's line, so that one query from any line on begins with that line's.
//! `REFUSED#<line>`: those of them that were refused.

use serde::{Deserialize, Serialize};
use sutler_domain::{
    ids::ImportId,
    stock_import::{KEPT_SECONDS, RowOutcome, RowResult, StockImport},
};

use crate::{
    codec::{Version, Versioned, decode, encode, number},
    db::{Query, Range, Store, key_part},
    error::{Guard, Item, StoreError},
    keys::{Key, Table},
    write::Transaction,
};

/// The most items one page of results is made of.
const ITEMS_PER_PAGE: i32 = 8;

#[derive(Debug, Serialize, Deserialize)]
struct RowsRecord {
    import: ImportId,
    results: Vec<RowResult>,
}

/// Which results to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Of every row.
    All,
    /// Of the rows that were refused.
    Refused,
}

impl Which {
    fn prefix(self) -> &'static str {
        match self {
            Self::All => "ROWS#",
            Self::Refused => "REFUSED#",
        }
    }

    fn sort_key(self, line: u32) -> String {
        format!("{}{line:010}", self.prefix())
    }
}

fn partition(import: &ImportId) -> String {
    format!("IMPORT#{import}")
}

/// Where an import is.
#[must_use]
pub fn import_key(import: &ImportId) -> Key {
    Key::new(Table::Commerce, partition(import), "IMPORT")
}

fn item(import: &StockImport, version: Version) -> Result<Item, StoreError> {
    let mut item = encode(&import_key(&import.id), "stock_import", version, import)?;
    item.insert("ttl".to_owned(), ttl(import));
    Ok(item)
}

fn ttl(import: &StockImport) -> aws_sdk_dynamodb::types::AttributeValue {
    number(import.created_at.plus_seconds(KEPT_SECONDS).seconds())
}

/// Creates an import.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn create(transaction: &mut Transaction, import: &StockImport) -> Result<Guard, StoreError> {
    Ok(transaction.create(import_key(&import.id), item(import, Version::FIRST)?))
}

/// Replaces an import that is still at `read`: where it was then, it still is.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn save(transaction: &mut Transaction, import: &StockImport, read: Version) -> Result<Guard, StoreError> {
    Ok(transaction.replace(import_key(&import.id), item(import, read.next())?, read))
}

/// Keeps the results of rows that follow one another, in two items at most.
///
/// # Errors
/// [`StoreError::Rejected`] when they cannot be represented, which is a bug.
pub fn keep_results(
    transaction: &mut Transaction,
    import: &StockImport,
    results: &[RowResult],
) -> Result<(), StoreError> {
    let is_refused = |result: &&RowResult| matches!(result.outcome, RowOutcome::Refused { .. });
    let refused: Vec<RowResult> = results.iter().filter(is_refused).cloned().collect();
    for (which, results) in [(Which::All, results), (Which::Refused, refused.as_slice())] {
        let Some(last) = results.last() else { continue };
        let key = Key::new(Table::Commerce, partition(&import.id), which.sort_key(last.line));
        let record = RowsRecord { import: import.id.clone(), results: results.to_vec() };
        let mut item = encode(&key, "stock_import_rows", Version::FIRST, &record)?;
        item.insert("ttl".to_owned(), ttl(import));
        transaction.create(key, item);
    }
    Ok(())
}

impl Store {
    /// An import.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn stock_import(&self, id: &ImportId) -> Result<Option<Versioned<StockImport>>, StoreError> {
        self.get(&import_key(id)).await?.as_ref().map(decode).transpose()
    }

    /// Results of rows after line `after`, in the order of the file, and the line after which there may be more. A page
    /// can be short although there are more.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn import_results(
        &self,
        id: &ImportId,
        which: Which,
        after: u32,
        limit: u16,
    ) -> Result<(Vec<RowResult>, Option<u32>), StoreError> {
        let query = Query {
            table: Table::Commerce,
            index: None,
            pk: partition(id),
            range: Range::After(which.sort_key(after)),
            descending: false,
            limit: ITEMS_PER_PAGE,
            consistent: true,
        };
        let mut items = self.query(&query).await?;
        items.retain(|item| key_part(item, "sk").starts_with(which.prefix()));
        let is_full = i32::try_from(items.len()).is_ok_and(|found| found >= ITEMS_PER_PAGE);
        let mut results = Vec::new();
        for item in &items {
            let record = decode::<RowsRecord>(item)?.value;
            results.extend(record.results.into_iter().filter(|result| result.line > after));
        }
        let more = is_full || results.len() > usize::from(limit);
        results.truncate(usize::from(limit));
        let next = if more { results.last().map(|result| result.line) } else { None };
        Ok((results, next))
    }
}
