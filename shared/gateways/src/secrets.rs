//! AWS Secrets Manager, cached per execution environment.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use aws_sdk_secretsmanager::{Client, error::ProvideErrorMetadata};

use crate::{
    aws,
    secret::{Secret, SecretSlot},
};

pub use crate::secret::SecretsError;

/// Reads and renews secrets.
#[derive(Debug)]
pub struct Secrets {
    client: Client,
    age_s_max: i64,
    cache: Mutex<HashMap<String, Cached>>,
}

#[derive(Debug, Clone)]
struct Cached {
    secret: Secret,
    read_at_epoch_s: i64,
}

impl Secrets {
    /// Keeps what it reads for `age_s_max` seconds.
    #[must_use]
    pub fn new(client: Client, age_s_max: i64) -> Self {
        Self { client, age_s_max, cache: Mutex::default() }
    }

    /// The current version of the secret `id`, at most `age_s_max` old.
    ///
    /// # Errors
    /// See [`SecretsError`].
    pub async fn get(&self, id: &str, now_epoch_s: i64) -> Result<Secret, SecretsError> {
        let cached = self.cache().get(id).cloned();
        if let Some(cached) = cached.filter(|cached| self.is_fresh(cached, now_epoch_s)) {
            return Ok(cached.secret);
        }
        let answer = match self.client.get_secret_value().secret_id(id).send().await {
            Ok(answer) => answer,
            Err(error) if aws::is_passing(&error) => return Err(SecretsError::Unavailable(error.into())),
            // So AWS answers for a secret that was created without a value.
            Err(error) if error.code() == Some("ResourceNotFoundException") => {
                return Err(SecretsError::Missing);
            }
            Err(error) => return Err(SecretsError::Rejected(error.into())),
        };
        // The local AWS answers an empty text instead.
        let text = answer.secret_string().filter(|text| !text.is_empty()).ok_or(SecretsError::Missing)?;
        Ok(self.keep(id, Secret::new(text), now_epoch_s))
    }

    /// Makes `secret` the current version of `id`. `token` (32 to 64 characters, made of our own ids) names the
    /// version, so that a repeated call makes no second one.
    ///
    /// # Errors
    /// See [`SecretsError`].
    pub async fn put(
        &self,
        id: &str,
        secret: &Secret,
        token: &str,
        now_epoch_s: i64,
    ) -> Result<(), SecretsError> {
        let call = self
            .client
            .put_secret_value()
            .secret_id(id)
            .secret_string(secret.expose())
            .client_request_token(token);
        match call.send().await {
            Ok(_) => {
                self.keep(id, secret.clone(), now_epoch_s);
                Ok(())
            }
            Err(error) if aws::is_passing(&error) => Err(SecretsError::Unavailable(error.into())),
            Err(error) => Err(SecretsError::Rejected(error.into())),
        }
    }

    fn keep(&self, id: &str, secret: Secret, now_epoch_s: i64) -> Secret {
        self.cache().insert(id.to_owned(), Cached { secret: secret.clone(), read_at_epoch_s: now_epoch_s });
        secret
    }

    /// A clock that went back makes a cached secret stale, not immortal.
    fn is_fresh(&self, cached: &Cached, now_epoch_s: i64) -> bool {
        (0..self.age_s_max).contains(&now_epoch_s.saturating_sub(cached.read_at_epoch_s))
    }

    fn cache(&self) -> MutexGuard<'_, HashMap<String, Cached>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One secret of the store.
#[derive(Debug)]
pub struct Slot {
    secrets: Secrets,
    id: String,
}

impl Slot {
    /// The secret called `id`.
    #[must_use]
    pub fn new(secrets: Secrets, id: impl Into<String>) -> Self {
        Self { secrets, id: id.into() }
    }
}

#[async_trait]
impl SecretSlot for Slot {
    async fn read(&self, now_epoch_s: i64) -> Result<Option<Secret>, SecretsError> {
        match self.secrets.get(&self.id, now_epoch_s).await {
            Ok(secret) => Ok(Some(secret)),
            Err(SecretsError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn write(&self, secret: &Secret, token: &str, now_epoch_s: i64) -> Result<(), SecretsError> {
        self.secrets.put(&self.id, secret, token, now_epoch_s).await
    }
}
