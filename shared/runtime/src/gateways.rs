//! The payment gateways, each with the key that the secret store keeps. One whose secret has no value is not offered.

use std::sync::Arc;

use sutler_gateways::{
    BoxError,
    calls::CallLimits,
    chapa::ChapaGateway,
    paypal::PayPalGateway,
    secret::{Secret, SecretsError},
    secrets::Secrets,
};
use sutler_services::{App, gateways::Gateways};

use crate::{Config, aws};

/// The keys live as long as the process: a new one is taken up by new processes.
struct Keys<'a> {
    secrets: Secrets,
    config: &'a Config,
    now_epoch_s: i64,
}

impl<'a> Keys<'a> {
    fn new(config: &'a Config, app: &App) -> Result<Self, BoxError> {
        let secrets = Secrets::new(aws::secrets(config)?, i64::MAX);
        Ok(Self { secrets, config, now_epoch_s: app.now().seconds() })
    }

    /// The secret that the variable names, if it has a value.
    async fn get(&self, variable: &'static str) -> Result<Option<Secret>, BoxError> {
        let Some(id) = self.config.optional(variable) else { return Ok(None) };
        match self.secrets.get(id, self.now_epoch_s).await {
            Ok(secret) => Ok(Some(secret)),
            Err(SecretsError::Missing) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The keys of those that send buyers to their own pages and back to ours: none before this API knows its own
    /// address.
    async fn of_redirecting(&self, app: &App) -> Result<Redirecting, BoxError> {
        if app.settings.api_url.is_empty() {
            return Ok(Redirecting::default());
        }
        let (chapa, paypal) =
            tokio::try_join!(self.get("SECRET_CHAPA_API_KEY"), self.get("SECRET_PAYPAL_CREDENTIALS"))?;
        Ok(Redirecting { chapa, paypal })
    }
}

#[derive(Default)]
struct Redirecting {
    chapa: Option<Secret>,
    paypal: Option<Secret>,
}

/// The gateways that only tell that something happened, and are asked what.
///
/// # Errors
/// When a setting is missing or a key cannot be read.
pub async fn asked(config: &Config, app: &App) -> Result<Gateways, BoxError> {
    let keys = Keys::new(config, app)?;
    let read = keys.of_redirecting(app).await?;
    Ok(redirecting(Gateways::default(), read, config, app))
}

/// All gateways.
///
/// # Errors
/// When a setting is missing or a key cannot be read.
#[cfg(feature = "stripe")]
pub async fn all(config: &Config, app: &App) -> Result<Gateways, BoxError> {
    use sutler_gateways::{stripe::StripeGateway, stripe_checkout::StripeCheckoutGateway};
    let keys = Keys::new(config, app)?;
    let (stripe, others) = tokio::try_join!(keys.get("SECRET_STRIPE_API_KEY"), keys.of_redirecting(app))?;
    let mut gateways = Gateways::default();
    if let Some(key) = stripe {
        let base_url = config.optional("STRIPE_API_BASE");
        let stripe = StripeGateway::try_new(&key, base_url, CallLimits::default())?;
        gateways = gateways.with(stripe.clone()).with(StripeCheckoutGateway::new(stripe));
    }
    Ok(redirecting(gateways, others, config, app))
}

fn redirecting(
    mut gateways: Gateways,
    Redirecting { chapa, paypal }: Redirecting,
    config: &Config,
    app: &App,
) -> Gateways {
    if let Some(key) = chapa {
        let base_url = config.optional("CHAPA_API_BASE");
        gateways = gateways.with(ChapaGateway::new(&key, base_url, CallLimits::default()));
    }
    if let Some(credentials) = paypal {
        let base_url = config.optional("PAYPAL_API_BASE");
        let clock = Arc::clone(&app.clock);
        gateways = gateways.with(PayPalGateway::new(&credentials, base_url, CallLimits::default(), clock));
    }
    gateways
}

/// A certificate from a variable, which has no line breaks: the text between the lines of a PEM file.
///
/// # Errors
/// When it is something else.
pub fn pem(base64: &str) -> Result<String, BoxError> {
    let plain = base64.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    if !plain || base64.is_empty() {
        return Err("the certificate is not the text between the lines of a PEM file".into());
    }
    Ok(format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n"))
}
