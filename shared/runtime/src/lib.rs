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

/// Starts logging, reads the configuration and builds what every use case needs.
///
/// # Errors
/// [`ConfigError`] naming the variable that is missing or does not read.
pub fn start() -> Result<(Config, App), ConfigError> {
    logging::start();
    let config = Config::from_env();
    let ids: Arc<dyn sutler_domain::ids::IdGen> = Arc::new(system::SystemRandom::default());
    let store = Store::new(aws::dynamodb(&config)?, config.tables()?, Arc::clone(&ids));
    let app = App::new(store, Arc::new(system::SystemClock), ids, config.settings()?);
    Ok((config, app))
}
