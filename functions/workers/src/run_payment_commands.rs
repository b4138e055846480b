//! Asks the provider for what events call for: refunds, and the end of payments whose order is over.

use sutler_domain::{event::Event, ids::OrderId};
use sutler_runtime::{Handled, worker::QueueMessage};
use sutler_services::{App, Error, gateways::Gateways, payments::obey};

use crate::publish_events::event_of;

/// What the workers of payments work with.
pub struct PaymentCommands {
    /// The use cases' needs.
    pub app: App,
    /// The providers.
    pub gateways: Gateways,
}

impl PaymentCommands {
    /// Reads configuration and the keys of all providers.
    ///
    /// # Errors
    /// When a setting is missing or a key cannot be read.
    pub async fn connect() -> Result<Self, lambda_runtime::Error> {
        let (config, app) = sutler_runtime::start()?;
        let gateways = sutler_runtime::gateways::all(&config, &app).await?;
        Ok(Self { app, gateways })
    }

    /// Reads configuration and the keys of those providers that tell only that something happened, and are asked what.
    ///
    /// # Errors
    /// When a setting is missing or a key cannot be read.
    pub async fn connect_asking() -> Result<Self, lambda_runtime::Error> {
        let (config, app) = sutler_runtime::start()?;
        let gateways = sutler_runtime::gateways::asked(&config, &app).await?;
        Ok(Self { app, gateways })
    }
}

/// Obeys one event.
///
/// # Errors
/// When provider or database do not answer; the queue then keeps the message.
pub async fn handle(state: &PaymentCommands, message: QueueMessage) -> Handled {
    let event: Event = event_of(&message)?;
    let order = OrderId::parse(&event.aggregate).map_err(|e| Error::Internal(e.into()))?;
    let change = obey(&state.app, &state.gateways, &order, &event.event).await?;
    tracing::info!(order.id = %order, event.id = event.event_id, payment.change = ?change, "Obeyed an event of {order}");
    Ok(())
}
