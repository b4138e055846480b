//! How fast a file with counts of stock is carried out: the real use case on the in-process database.

use std::io::{self, Write};

use sutler_domain::{
    ids::{ProductId, VariantId},
    stock::Stock,
    stock_import::StockImport,
};
use sutler_services::stock_imports::{Pass, create, file_key, get, remembered, run};
use sutler_store::{Transaction, catalog::claim_number, stock};
use sutler_testkit::{TestApp, TestCloud, TestUser};

use crate::{Findings, failure::Failure};

/// How many variants are written at a time: two items each.
const AT_ONCE: usize = 50;

/// Prints how long a file takes whose rows all change the stock, and the same file once more.
///
/// # Errors
/// When the marketplace cannot be prepared, or the line not be printed. A row that was not carried out is a finding.
pub fn print(rows: usize) -> Result<Findings, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let _entered = runtime.enter();
    runtime.block_on(measure(rows))
}

async fn measure(rows: usize) -> Result<Findings, Failure> {
    let (test, cloud) = (TestApp::new().await, TestCloud::default());
    test.db.stop_streams();
    let seller = test.seller("shop").await;
    let table = stocked(&test, &seller, rows).await?;
    let (mut findings, mut out) = (Findings::new(), io::stdout());
    for what in ["every row changes the stock", "every row is right already"] {
        test.db.reset_meter();
        #[expect(clippy::disallowed_methods, reason = "what is measured is time")]
        let started = std::time::Instant::now();
        let import = imported(&test, &cloud, &seller, &table).await?;
        let ms = started.elapsed().as_millis().max(1);
        let per_second = u128::try_from(rows).unwrap_or(0).saturating_mul(1_000).checked_div(ms).unwrap_or(0);
        let (calls, count) = (test.db.meter().round_trips(), import.counts);
        writeln!(
            out,
            "{rows} rows, {what}: {ms} ms, {per_second} rows a second, {calls} calls of the database \
             ({} applied, {} unchanged, {} refused)",
            count.applied, count.unchanged, count.refused
        )?;
        if count.sum() != import.rows || count.refused > 0 || usize::try_from(import.rows).ok() != Some(rows)
        {
            findings.push(format!("not every row was carried out: {import:?}"));
        }
    }
    Ok(findings)
}

/// So many variants with one unit each, and a table that counts five of each.
async fn stocked(test: &TestApp, seller: &TestUser, rows: usize) -> Result<String, Failure> {
    let mut table = "sku,quantity\n".to_owned();
    let mut left = rows;
    while left > 0 {
        let mut transaction = Transaction::new();
        let product = ProductId::generate(&*test.app.ids, test.app.now());
        for number in (0_u8..).take(left.min(AT_ONCE)) {
            let Some(variant) = VariantId::of(&product, number) else { break };
            let item = Stock::new(variant.clone(), seller.seller(), 1);
            stock::create(&mut transaction, &item).map_err(bench)?;
            claim_number(&mut transaction, &seller.seller(), variant.as_str(), &variant).map_err(bench)?;
            table.push_str(&format!("{variant},5\n"));
            left = left.saturating_sub(1);
        }
        test.app.store.transact(transaction).await.map_err(bench)?;
    }
    Ok(table)
}

async fn imported(
    test: &TestApp,
    cloud: &TestCloud,
    seller: &TestUser,
    table: &str,
) -> Result<StockImport, Failure> {
    let bytes = u64::try_from(table.len()).unwrap_or(u64::MAX);
    let import = create(&test.app, &seller.seller(), bytes, &test.once(remembered)).await.map_err(bench)?;
    cloud.put_file(&file_key(&import.id), table.as_bytes());
    let until = test.app.now().plus_seconds(1);
    while run(&test.app, &cloud.files(), &import.id, until).await.map_err(bench)? == Pass::Unfinished {}
    get(&test.app, &seller.seller(), &import.id).await.map_err(bench)
}

fn bench(error: impl std::error::Error) -> Failure {
    Failure::Bench(sutler_http::problem::chain(&error))
}
