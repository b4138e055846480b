//! Asks the provider of labels what became of calls that nobody has an answer to. A schedule runs it every five minutes.

use serde::Serialize;
use sutler_services::{App, Error, labels};

/// What one run did.
#[derive(Debug, Serialize)]
pub struct Asked {
    asked: u32,
}

/// Brings on the labels that have waited too long.
///
/// # Errors
/// When provider or database do not answer; the next run goes on.
pub async fn handle(app: &App) -> Result<Asked, Error> {
    let asked = labels::resolve_all(app).await?;
    tracing::info!(labels.asked = asked, "Asked about {asked} labels");
    Ok(Asked { asked })
}
