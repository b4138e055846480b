//! Carrying a file out: some rows at a time, in one transaction with their results and with how far the import is. Whoever
//! dies, or comes twice, or at the same time, goes on where that transaction says.

use std::collections::{BTreeMap, BTreeSet};

use sutler_domain::{
    ids::{ImportId, SellerId, VariantId},
    problem::Problem,
    stock_import::{
        BYTES_MAX, FileProblem, ImportError, ImportState, RowOutcome, RowProblem, RowResult, StockImport,
    },
    time::Timestamp,
};
use sutler_gateways::files::{FileError, FileStore};
use sutler_store::{
    Guard, StoreError, Transaction, Versioned, flash_sales,
    stock::{Believed, ShardedStock},
    stock_imports,
};

use super::{
    file_key, of_files,
    table::{self, Counted, Row},
};
use crate::{
    App, Error,
    inventory::{Adjustment, count},
};

/// How many rows are carried out at a time: each takes two reads in one batch and up to two writes.
const ROWS_AT_ONCE: usize = 45;
/// The most writes for stock in one transaction; the rest are the import and the results.
const STOCK_WRITES_MAX: usize = Transaction::WRITES_MAX.saturating_sub(4);
/// How often a row is counted anew because its stock moved meanwhile.
const RACES_MAX: u32 = 8;

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// There is nothing more to do.
    Ended,
    /// The time was up, or the database was busy; another run has to go on.
    Unfinished,
}

/// A file as it was read.
struct File {
    etag: String,
    rows: Vec<Row>,
}

/// Carries an import out, as far as it gets until a time.
///
/// # Errors
/// When files or database do not answer. What was carried out stays; another run goes on there.
pub async fn run(app: &App, files: &dyn FileStore, id: &ImportId, until: Timestamp) -> Result<Pass, Error> {
    let Some(mut import) = app.store.stock_import(id).await? else { return Ok(Pass::Ended) };
    if import.value.is_over(app.now()) {
        return Ok(Pass::Ended);
    }
    let file = read(app, files, id).await?;
    let begun_at = import.value.position();
    while !import.value.is_over(app.now()) {
        if app.now() >= until {
            return Ok(Pass::Unfinished);
        }
        let position = import.value.position();
        import = match step(app, import, &file).await {
            // Stock that everybody wants is in conflict for longer than one call waits. As long as runs get anywhere, nobody
            // has to look into it.
            Err(Error::Store(error @ StoreError::Unavailable(_))) if position > begun_at => {
                tracing::warn!(import.id = %id, "Import {id} got to row {position}: {error}");
                return Ok(Pass::Unfinished);
            }
            outcome => outcome?,
        };
    }
    let Versioned { value: StockImport { state, counts, .. }, .. } = &import;
    tracing::info!(
        import.id = %id, import.state = state.name(), rows.applied = counts.applied,
        rows.unchanged = counts.unchanged, rows.refused = counts.refused, "Import {id} is {}", state.name()
    );
    Ok(Pass::Ended)
}

async fn read(app: &App, files: &dyn FileStore, id: &ImportId) -> Result<Result<File, FileProblem>, Error> {
    match files.read(&file_key(id), BYTES_MAX, app.now()).await {
        Ok(Some(file)) => Ok(table::read(&file.bytes).map(|rows| File { etag: file.etag, rows })),
        Ok(None) => Ok(Err(FileProblem::Gone)),
        Err(FileError::TooLarge) => Ok(Err(FileProblem::TooLarge)),
        Err(error @ (FileError::Unavailable(_) | FileError::Rejected(_))) => Err(of_files(error)),
    }
}

/// Brings an import one step further, by itself or because somebody else did.
async fn step(
    app: &App,
    import: Versioned<StockImport>,
    file: &Result<File, FileProblem>,
) -> Result<Versioned<StockImport>, Error> {
    let now = app.now();
    match (file, &import.value.state) {
        (Err(problem), ImportState::AwaitingUpload { .. } | ImportState::Running { .. }) => {
            change(app, import, |import| import.fail(*problem, now).map(drop)).await
        }
        (Ok(file), ImportState::AwaitingUpload { .. }) => {
            let rows = u32::try_from(file.rows.len()).unwrap_or(u32::MAX);
            change(app, import, |import| import.begin(&file.etag, rows, now).map(drop)).await
        }
        (Ok(file), ImportState::Running { etag, .. }) if *etag != file.etag => {
            change(app, import, |import| import.fail(FileProblem::Changed, now).map(drop)).await
        }
        (Ok(file), ImportState::Running { .. }) => carry_out(app, import, &file.rows).await,
        (Ok(_) | Err(_), ImportState::Done { .. } | ImportState::Failed { .. }) => Ok(import),
    }
}

/// Moves an import on, unless somebody else did first; it is read again then.
async fn change(
    app: &App,
    import: Versioned<StockImport>,
    command: impl FnOnce(&mut StockImport) -> Result<(), ImportError>,
) -> Result<Versioned<StockImport>, Error> {
    let mut after = import.value;
    command(&mut after).map_err(|error| Error::Internal(error.into()))?;
    let mut transaction = Transaction::new();
    let guard = stock_imports::save(&mut transaction, &after, import.version)?;
    match app.store.transact(transaction).await {
        Ok(()) => Ok(Versioned { value: after, version: import.version.next() }),
        Err(StoreError::Refused(refusal)) if refusal.failed(guard) => again(app, &after.id).await,
        Err(error) => Err(error.into()),
    }
}

async fn again(app: &App, id: &ImportId) -> Result<Versioned<StockImport>, Error> {
    Ok(app.store.stock_import(id).await?.ok_or(Problem::NotFound)?)
}

/// Carries the next rows out.
async fn carry_out(
    app: &App,
    import: Versioned<StockImport>,
    rows: &[Row],
) -> Result<Versioned<StockImport>, Error> {
    let from = usize::try_from(import.value.position()).unwrap_or(usize::MAX);
    let rows: Vec<&Row> = rows.iter().skip(from).take(ROWS_AT_ONCE).collect();
    let mut lost: BTreeMap<u32, u32> = BTreeMap::new();
    loop {
        let plans = plan(app, &import.value, &rows, &lost).await?;
        let mut transaction = Transaction::new();
        let mut guards = Vec::new();
        for (result, plan) in &plans {
            let held = plan.write(&mut transaction, &import.value.seller);
            guards.extend(held.into_iter().map(|guard| (guard, result.line)));
        }
        let results: Vec<RowResult> = plans.into_iter().map(|(result, _)| result).collect();
        let mut after = import.value.clone();
        after.advance(&results, app.now()).map(drop).map_err(|error| Error::Internal(error.into()))?;
        let own = stock_imports::save(&mut transaction, &after, import.version)?;
        stock_imports::keep_results(&mut transaction, &after, &results)?;
        let refusal = match app.store.transact(transaction).await {
            Ok(()) => return Ok(Versioned { value: after, version: import.version.next() }),
            Err(StoreError::Refused(refusal)) if refusal.failed(own) => return again(app, &after.id).await,
            Err(StoreError::Refused(refusal)) => refusal,
            Err(error) => return Err(error.into()),
        };
        let failed = guards.iter().filter(|(guard, _)| refusal.failed(*guard));
        let failed: BTreeSet<u32> = failed.map(|(_, line)| *line).collect();
        if failed.is_empty() {
            return Err(StoreError::Refused(refusal).into());
        }
        for line in failed {
            let races = lost.entry(line).or_default();
            *races = races.saturating_add(1);
        }
    }
}

/// What a row does to stock.
enum Plan {
    /// Nothing: it is refused.
    Nothing,
    /// The stock becomes, or is, what was counted.
    Count(Adjustment, ShardedStock),
}

impl Plan {
    /// Whether one item told everything, and told what was counted: nothing of it has to stay as it is, for it was so when
    /// it was read. That it was all there is says the record of shards, which no order ever touches.
    fn was_right(adjustment: &Adjustment, stock: &ShardedStock) -> bool {
        adjustment.delta == 0 && stock.flash.is_none() && stock.shards.len() == 1
    }

    fn writes(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Count(adjustment, stock) if Self::was_right(adjustment, stock) => 1,
            Self::Count(_, stock) => stock.shards.len().saturating_add(1),
        }
    }

    fn write(&self, transaction: &mut Transaction, seller: &SellerId) -> Vec<Guard> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Count(adjustment, stock) if Self::was_right(adjustment, stock) => {
                vec![flash_sales::check(transaction, &adjustment.variant, None)]
            }
            Self::Count(adjustment, stock) => count(transaction, seller, adjustment, stock),
        }
    }
}

/// What the next rows lead to: as many of them as fit into one transaction.
async fn plan(
    app: &App,
    import: &StockImport,
    rows: &[&Row],
    lost: &BTreeMap<u32, u32>,
) -> Result<Vec<(RowResult, Plan)>, Error> {
    let found = find(app, &import.seller, rows).await?;
    let (mut plans, mut touched, mut writes) = (Vec::new(), BTreeSet::new(), 0_usize);
    for (row, stock) in rows.iter().zip(found) {
        let (outcome, plan) = match (&row.counted, stock) {
            (Err(problem), _) => refused(problem.clone()),
            (Ok(_), None) => refused(RowProblem::SkuUnknown),
            (Ok(_), Some(_)) if lost.get(&row.line).is_some_and(|races| *races >= RACES_MAX) => {
                refused(RowProblem::KeepsMoving)
            }
            (Ok(counted), Some(stock)) => judge(app, import, counted, stock),
        };
        if let Plan::Count(adjustment, _) = &plan {
            writes = writes.saturating_add(plan.writes());
            // An article number that just went from one variant to another may lead to one that is here already.
            if writes > STOCK_WRITES_MAX || !touched.insert(adjustment.variant.clone()) {
                break;
            }
        }
        plans.push((RowResult { line: row.line, sku: row.sku.clone(), outcome }, plan));
    }
    Ok(plans)
}

fn refused(problem: RowProblem) -> (RowOutcome, Plan) {
    (RowOutcome::Refused { problem }, Plan::Nothing)
}

/// The stock that the rows count, in two round trips; nothing where a row does not read or names nothing of the seller's.
async fn find(app: &App, seller: &SellerId, rows: &[&Row]) -> Result<Vec<Option<ShardedStock>>, Error> {
    let skus: Vec<&str> = rows.iter().filter(|row| row.counted.is_ok()).map(|row| row.sku.as_str()).collect();
    let mut variants = app.store.variants_of_skus(seller, &skus).await?.into_iter();
    let mut named = |row: &&Row| if row.counted.is_ok() { variants.next().flatten() } else { None };
    let named: Vec<Option<VariantId>> = rows.iter().map(&mut named).collect();
    let wanted: Vec<Believed> = named.iter().flatten().map(|variant| (variant.clone(), 1)).collect();
    let mut stocks = app.store.sharded_stock(&wanted).await?.into_iter();
    let own = |stock: &ShardedStock| stock.total().is_some_and(|total| total.value.seller == *seller);
    Ok(named.into_iter().map(|variant| variant.and_then(|_| stocks.next().flatten()).filter(own)).collect())
}

/// What a count does to the stock that was found.
fn judge(app: &App, import: &StockImport, counted: &Counted, stock: ShardedStock) -> (RowOutcome, Plan) {
    let Some(total) = stock.total().map(|total| total.value) else { return refused(RowProblem::SkuUnknown) };
    let (before, after) = (total.on_hand(), u64::from(counted.on_hand));
    let held = before.saturating_sub(u64::from(total.available));
    if after < held {
        return refused(RowProblem::BelowHeld { held });
    }
    let adjustment = Adjustment {
        variant: total.variant,
        delta: i64::from(counted.on_hand).saturating_sub(i64::try_from(before).unwrap_or(i64::MAX)),
        reason: counted.reason.clone().unwrap_or_else(|| format!("import {}", import.id)),
        at: app.now(),
    };
    let outcome = if adjustment.delta == 0 {
        RowOutcome::Unchanged { on_hand: after }
    } else {
        RowOutcome::Applied { before, after }
    };
    (outcome, Plan::Count(adjustment, stock))
}
