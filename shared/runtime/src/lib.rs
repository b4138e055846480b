//! The process around a function: configuration, logging, clients, and the loops that feed it.

pub mod aws;
pub mod config;
#[cfg(feature = "gateways")]
pub mod gateways;
pub mod logging;
#[cfg(feature = "queue")]
pub mod queue;
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
#[must_use]
pub fn start_bare() -> Config {
    logging::start();
    Config::from_env()
}

/// The secret that holds the signing keys, read again when it is `age_s_max` old.
///
/// # Errors
/// [`ConfigError`] when a setting is missing.
#[cfg(feature = "secrets")]
pub fn signing_keys(config: &Config, age_s_max: i64) -> Result<sutler_gateways::secrets::Slot, ConfigError> {
    use sutler_gateways::secrets::{Secrets, Slot};
    let secrets = Secrets::new(aws::secrets(config)?, age_s_max);
    Ok(Slot::new(secrets, config.text("SECRET_SIGNING_KEYS")?))
}

/// The application as one that may issue tokens.
///
/// # Errors
/// [`ConfigError`] when a setting is missing.
#[cfg(feature = "secrets")]
pub fn issuer(config: &Config, app: App) -> Result<sutler_services::identity::Issuer, ConfigError> {
    Ok(sutler_services::identity::Issuer::new(app, Arc::new(signing_keys(config, 60)?)))
}

/// The application with a door that only people pass, unless the deployment says that everybody may.
///
/// # Errors
/// [`ConfigError`] when a setting is missing.
#[cfg(feature = "turnstile")]
pub fn guarded(config: &Config, app: App) -> Result<App, ConfigError> {
    use sutler_gateways::{
        secrets::{Secrets, Slot},
        turnstile::Turnstile,
    };
    if config.text("BOT_CHECK")? == "off" {
        tracing::warn!("Programs may register and sign in: no bot check is configured");
        return Ok(app);
    }
    let key = Slot::new(Secrets::new(aws::secrets(config)?, i64::MAX), config.text("SECRET_TURNSTILE")?);
    // Challenges are solved on the pages of the frontend, and nowhere else.
    let frontend = app.settings.frontend_url.clone();
    let check = Turnstile::try_new(config.text("TURNSTILE_API_BASE")?, key, &frontend)
        .map_err(|problem| ConfigError { name: "FRONTEND_URL", problem })?;
    Ok(App { door: sutler_services::identity::Doorkeeper::new(Some(Arc::new(check))), ..app })
}

/// The application with somebody to ask about addresses, unless the deployment does without.
///
/// # Errors
/// [`ConfigError`] when a setting is missing, or `ADDRESS_CHECK` names nobody we know.
#[cfg(feature = "addresses")]
pub fn surveyed(config: &Config, app: App) -> Result<App, ConfigError> {
    use sutler_gateways::{
        address_check::AddressCheck,
        amazon_address::AmazonAddressCheck,
        google_address::GoogleAddressCheck,
        secrets::{Secrets, Slot},
    };
    let check: Arc<dyn AddressCheck> = match config.text("ADDRESS_CHECK")? {
        "none" => return Ok(app),
        "google" => {
            let secrets = Secrets::new(aws::secrets(config)?, i64::MAX);
            let key = Slot::new(secrets, config.text("SECRET_GOOGLE_MAPS")?);
            Arc::new(GoogleAddressCheck::new(config.text("GOOGLE_ADDRESS_API_BASE")?, key))
        }
        "amazon" => {
            let base_url = config.optional("AMAZON_LOCATION_API_BASE");
            Arc::new(AmazonAddressCheck::new(aws::geoplaces(config, base_url)?))
        }
        _ => {
            return Err(ConfigError { name: "ADDRESS_CHECK", problem: "is none of google, amazon and none" });
        }
    };
    Ok(App { surveyor: sutler_services::addresses::Surveyor::new(Some(check)), ..app })
}

/// The application with somebody to buy labels from and to ask about parcels, if the secret has a key.
///
/// # Errors
/// When a setting is missing or the key cannot be read.
#[cfg(feature = "carriers")]
pub async fn forwarding(config: &Config, app: App) -> Result<App, sutler_gateways::BoxError> {
    use sutler_gateways::{
        secret::SecretsError,
        secrets::Secrets,
        shippo::{Patience, Shippo},
    };
    // The key lives as long as the process: a new one is taken up by new processes.
    let secrets = Secrets::new(aws::secrets(config)?, i64::MAX);
    let key = match secrets.get(config.text("SECRET_SHIPPO_API_KEY")?, app.now().seconds()).await {
        Ok(key) => key,
        Err(SecretsError::Missing) => return Ok(app),
        Err(error) => return Err(error.into()),
    };
    let shippo = Shippo::new(&key, config.optional("SHIPPO_API_BASE"), Patience::default());
    Ok(App { forwarder: sutler_services::labels::Forwarder::new(Some(Arc::new(shippo))), ..app })
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
