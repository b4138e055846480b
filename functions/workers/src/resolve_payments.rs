//! Asks the payment provider what it should have told us. A schedule runs it every five minutes.

use serde::Serialize;
use sutler_services::{Error, payments};

use crate::run_payment_commands::PaymentCommands;

/// What one run did.
#[derive(Debug, Serialize)]
pub struct Resolved {
    resolved: u32,
}

/// Resolves the payments that have waited too long.
///
/// # Errors
/// When provider or database do not answer; the next run goes on.
pub async fn handle(state: &PaymentCommands) -> Result<Resolved, Error> {
    let resolved = payments::resolve_all(&state.app, &state.gateways).await?;
    tracing::info!(payments.resolved = resolved, "Resolved {resolved} payments by asking");
    Ok(Resolved { resolved })
}
