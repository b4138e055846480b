//! Asks the provider for what events call for: refunds, and the end of payments whose order is over.

use std::sync::Arc;

use sutler_domain::{event::Event, ids::OrderId};
use sutler_gateways::payment::PaymentGateway;
use sutler_runtime::{Handled, worker::QueueMessage};
use sutler_services::{App, Error, payments::obey};

use crate::publish_events::event_of;

/// What this worker works with.
pub struct PaymentCommands {
    /// The use cases' needs.
    pub app: App,
    /// The provider.
    pub gateway: Arc<dyn PaymentGateway>,
}

impl PaymentCommands {
    /// Reads configuration and the provider's key.
    ///
    /// # Errors
    /// When a setting is missing or the key cannot be read.
    pub async fn connect() -> Result<Self, lambda_runtime::Error> {
        let (config, app) = sutler_runtime::start()?;
        let gateway = Arc::new(sutler_runtime::stripe(&config, &app).await?);
        Ok(Self { app, gateway })
    }
}

/// Obeys one event.
///
/// # Errors
/// When provider or database do not answer; the queue then keeps the message.
pub async fn handle(state: &PaymentCommands, message: QueueMessage) -> Handled {
    let event: Event = event_of(&message)?;
    let order = OrderId::parse(&event.aggregate).map_err(|e| Error::Internal(e.into()))?;
    let change = obey(&state.app, state.gateway.as_ref(), &order, &event.event).await?;
    tracing::info!(order.id = %order, event.id = event.event_id, payment.change = ?change, "Obeyed an event of {order}");
    Ok(())
}
