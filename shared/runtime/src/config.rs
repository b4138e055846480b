//! Configuration: environment variables, read and checked once at start. Nothing else reads them.

use std::collections::HashMap;

use sutler_domain::money::{BasisPoints, Currency};
use sutler_services::Settings;
use sutler_store::TableNames;

/// A variable that is missing or does not read.
#[derive(Debug, thiserror::Error)]
#[error("environment variable {name} {problem}")]
pub struct ConfigError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// The environment as it was at start.
#[derive(Clone)]
pub struct Config {
    variables: HashMap<String, String>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be secrets.
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Config {
    /// Takes a copy of the environment.
    #[must_use]
    pub fn from_env() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
        let variables = std::env::vars().collect();
        Self { variables }
    }

    /// A variable that must be set.
    ///
    /// # Errors
    /// [`ConfigError`] when it is missing or empty.
    pub fn text(&self, name: &'static str) -> Result<&str, ConfigError> {
        self.optional(name).ok_or(ConfigError { name, problem: "is not set" })
    }

    /// A variable that may be missing; empty counts as missing.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A variable that reads as `T`.
    ///
    /// # Errors
    /// [`ConfigError`] when it is missing or does not read.
    pub fn parse<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        read(self.text(name)?).ok_or(ConfigError { name, problem: "does not read" })
    }

    fn number<T: std::str::FromStr>(&self, name: &'static str, default: T) -> Result<T, ConfigError> {
        match self.optional(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| ConfigError { name, problem: "is not a number in range" }),
        }
    }

    /// What the tables are called.
    ///
    /// A function knows only the tables it uses; the name of another is empty and DynamoDB refuses it.
    ///
    /// # Errors
    /// [`ConfigError`] when not even one table is named.
    pub fn tables(&self) -> Result<TableNames, ConfigError> {
        let name = |variable: &str| self.optional(variable).unwrap_or_default().to_owned();
        Ok(TableNames {
            identity: name("TABLE_IDENTITY"),
            catalog: name("TABLE_CATALOG"),
            commerce: name("TABLE_COMMERCE"),
            ledger: name("TABLE_LEDGER"),
        })
    }

    /// How this marketplace trades.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable that does not read.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        let rate = |name, default| {
            let bps = self.number::<u16>(name, default)?;
            BasisPoints::new(bps).ok_or(ConfigError { name, problem: "is above 10000 basis points" })
        };
        let currency = match self.optional("CURRENCY") {
            None => Currency::Usd,
            Some(_) => self.parse("CURRENCY", Currency::parse)?,
        };
        Ok(Settings {
            currency,
            tax: rate("TAX_BASIS_POINTS", 2_000)?,
            shipping_flat_minor: self.number("SHIPPING_FLAT_MINOR", 500)?,
            commission: rate("COMMISSION_BASIS_POINTS", 1_000)?,
            order_expiry_s: self.number("ORDER_EXPIRY_SECONDS", 900)?,
            refresh_expiry_s: self.number("REFRESH_EXPIRY_SECONDS", 86_400)?,
            frontend_url: self.optional("FRONTEND_URL").unwrap_or("http://localhost:5173").to_owned(),
            api_url: self.optional("API_URL").unwrap_or_default().trim_end_matches('/').to_owned(),
        })
    }
}
