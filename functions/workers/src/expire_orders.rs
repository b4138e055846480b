//! Releases orders that were not paid in time, and units that were held and not ordered in time. A schedule runs it every
//! minute.

use serde::Serialize;
use sutler_services::{App, Error, alerts, orders};

/// What one sweep did.
#[derive(Debug, Serialize)]
pub struct Swept {
    released: u32,
    holds: u32,
}

/// Releases what is overdue. Neither kind keeps the other from it.
///
/// # Errors
/// When the database does not answer; the next run goes on.
pub async fn handle(app: &App) -> Result<Swept, Error> {
    let (orders, holds) = (orders::sweep(app).await, alerts::sweep(app).await);
    let (released, holds) = (orders?, holds?);
    tracing::info!(
        orders.released = released,
        holds.released = holds,
        "Released {released} expired orders and {holds} holds"
    );
    Ok(Swept { released, holds })
}
