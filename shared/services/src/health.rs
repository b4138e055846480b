//! Whether what we depend on answers.

use crate::{App, Error};

/// Asks the database for something small.
///
/// # Errors
/// [`Error`] when it does not answer.
pub async fn check(app: &App) -> Result<(), Error> {
    app.store.public_keys().await.map(|_| ()).map_err(Error::from)
}
