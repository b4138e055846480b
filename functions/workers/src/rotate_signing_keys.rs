//! Once a day and after each deployment: makes sure there is a signing key that is not too old.

use sutler_gateways::secrets::Slot;
use sutler_services::{
    App, Error,
    identity::{self, Rotation},
};

/// The application and the secret that holds the signing keys.
#[derive(Debug)]
pub struct Keys {
    /// The application.
    pub app: App,
    /// The secret, never cached.
    pub slot: Slot,
}

/// Makes a new signing key when it is time, and withdraws the public halves of old ones.
///
/// # Errors
/// When the database or the secret store does not answer; the next run goes on from there.
pub async fn handle(keys: &Keys) -> Result<Rotation, Error> {
    identity::rotate_signing_keys(&keys.app, &keys.slot).await
}
