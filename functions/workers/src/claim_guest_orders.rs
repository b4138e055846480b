//! Hands what guests bought over to the account that has proven their address to be its own.

use sutler_domain::event::EventKind;
use sutler_runtime::{Handled, worker::QueueMessage};
use sutler_services::{App, guests};

use crate::publish_events::event_of;

/// Obeys one event.
///
/// # Errors
/// When the database does not answer; the queue then keeps the message.
pub async fn handle(app: &App, message: QueueMessage) -> Handled {
    let event = event_of(&message)?;
    let EventKind::UserVerified { user } = &event.event else { return Ok(()) };
    let orders = guests::claim_orders(app, user).await?;
    tracing::info!(user.id = %user, event.id = event.event_id, orders, "Looked for what {user} bought as a guest");
    Ok(())
}
