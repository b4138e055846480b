//! Holds what came back in stock for who is next in line. A long line goes on in the next message.

use serde::{Deserialize, Serialize};
use sutler_domain::ids::VariantId;
use sutler_runtime::{Handled, queue::Sender, worker::QueueMessage};
use sutler_services::{App, Error, alerts, stock_imports::Pass};

/// How long one run goes on. The rest of the function's time is for what it has begun by then.
const RUN_SECONDS: i64 = 20;

/// The word that there are units of a variant, and were none.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackInStock {
    /// Which.
    pub variant: VariantId,
}

/// What this worker works with.
pub struct Holds {
    /// The use cases' needs.
    pub app: App,
    /// What takes the rest of a long line.
    pub queue: Sender,
}

impl Holds {
    /// Reads configuration.
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn connect() -> Result<Self, lambda_runtime::Error> {
        let (config, app) = sutler_runtime::start()?;
        Ok(Self { app, queue: Sender::connect(&config, "QUEUE_BACK_IN_STOCK")? })
    }
}

/// Holds what there is of a variant, as far as it gets.
///
/// # Errors
/// When queue or database do not answer; the queue then keeps the message.
pub async fn handle(state: &Holds, message: QueueMessage) -> Handled {
    let back: BackInStock =
        serde_json::from_str(&message.body).map_err(|error| Error::Internal(error.into()))?;
    let until = state.app.now().plus_seconds(RUN_SECONDS);
    match alerts::hold_for_next(&state.app, &back.variant, until).await? {
        Pass::Ended => Ok(()),
        Pass::Unfinished => state.queue.send(&back).await,
    }
}
