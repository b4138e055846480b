//! The process around a function: configuration, logging, clients, and the loops that feed it.

pub mod aws;
pub mod config;
pub mod logging;
pub mod serve;
pub mod system;
pub mod worker;

pub use config::{Config, ConfigError};
pub use serve::serve;
pub use worker::{Handled, queue_worker, stream_worker, task_worker};

use std::sync::Arc;

use sutler_services::App;
use sutler_store::Store;

/// Starts logging and reads the configuration, for functions without a database.
pub fn start_bare() -> Config {
    logging::start();
    Config::from_env()
}

/// The payment provider, with the key that the secret store keeps.
///
/// # Errors
/// When a setting is missing or the key cannot be read.
#[cfg(feature = "stripe")]
pub async fn stripe(
    config: &Config,
    app: &App,
) -> Result<sutler_gateways::stripe::StripeGateway, sutler_gateways::BoxError> {
    use sutler_gateways::{
        secrets::Secrets,
        stripe::{CallLimits, StripeGateway},
    };
    // The key lives as long as the process: a new one is taken up by new processes.
    let secrets = Secrets::new(aws::secrets(config)?, i64::MAX);
    let key = secrets.get(config.text("SECRET_STRIPE_API_KEY")?, app.now().seconds()).await?;
    Ok(StripeGateway::try_new(&key, config.optional("STRIPE_API_BASE"), CallLimits::default())?)
}

/// Starts logging, reads the configuration and builds what every use case needs.
///
/// # Errors
/// [`ConfigError`] naming the variable that is missing or does not read.
pub fn start() -> Result<(Config, App), ConfigError> {
    let config = start_bare();
    let ids: Arc<dyn sutler_domain::ids::IdGen> = Arc::new(system::SystemRandom::default());
    let store = Store::new(aws::dynamodb(&config)?, config.tables()?, Arc::clone(&ids));
    let app = App::new(store, Arc::new(system::SystemClock), ids, config.settings()?);
    Ok((config, app))
}
