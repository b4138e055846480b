//! The stand-ins as a program.
//!
//! `PROVIDERS_ADDR` (default `127.0.0.1:8420`) is where it listens; `STRIPE_WEBHOOK_URL` and
//! `STRIPE_WEBHOOK_SECRET` say where Stripe's events go and how they are signed. It stops on SIGINT and SIGTERM.

use std::{env, error::Error, io::Write, net::SocketAddr, time::Duration};

use sutler_providers::{Providers, stripe::WebhookChanges};
use tokio::signal::unix::{SignalKind, signal};

const ADDRESS: &str = "127.0.0.1:8420";
const STOP_PATIENCE: Duration = Duration::from_secs(3);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address: SocketAddr = variable("PROVIDERS_ADDR").as_deref().unwrap_or(ADDRESS).parse()?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let providers =
        Providers::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    providers.stripe().configure_webhook(WebhookChanges {
        url: variable("STRIPE_WEBHOOK_URL"),
        secret: variable("STRIPE_WEBHOOK_SECRET"),
        ..WebhookChanges::default()
    });
    writeln!(std::io::stdout(), "providers listening on {}", providers.base_url())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    providers.stop(STOP_PATIENCE).await;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "this program reads its own configuration, once, at its start")]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
