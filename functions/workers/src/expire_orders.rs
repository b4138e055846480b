//! Releases orders that were not paid in time. A schedule runs it every minute.

use serde::Serialize;
use sutler_services::{App, Error, orders};

/// What one sweep did.
#[derive(Debug, Serialize)]
pub struct Swept {
    released: u32,
}

/// Releases what is overdue.
///
/// # Errors
/// When the database does not answer; the next run goes on.
pub async fn handle(app: &App) -> Result<Swept, Error> {
    let released = orders::sweep(app).await?;
    tracing::info!(orders.released = released, "Released {released} expired orders");
    Ok(Swept { released })
}
