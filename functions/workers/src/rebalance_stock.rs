//! Evens out the shards of variants in great demand. A schedule runs it every minute.

use serde::Serialize;
use sutler_services::{App, Error, flash_sales};

/// What one run did.
#[derive(Debug, Serialize)]
pub struct Rebalanced {
    moved: u64,
}

/// Evens out what is spread.
///
/// # Errors
/// When the database does not answer; the next run goes on.
pub async fn handle(app: &App) -> Result<Rebalanced, Error> {
    let moved = flash_sales::balance_all(app).await?;
    tracing::info!(stock.moved = moved, "Moved {moved} units between shards");
    Ok(Rebalanced { moved })
}
