//! The stand-ins as a program.
//!
//! `PROVIDERS_ADDR` (default `127.0.0.1:8420`) is where it listens; `STRIPE_WEBHOOK_URL`, `CHAPA_WEBHOOK_URL`,
//! `PAYPAL_WEBHOOK_URL` and `SHIPPO_WEBHOOK_URL` say where events go, `STRIPE_WEBHOOK_SECRET`, `CHAPA_WEBHOOK_SECRET`,
//! `PAYPAL_WEBHOOK_ID` and `SHIPPO_WEBHOOK_SECRET` what they are signed with; `API_URL` is where buyers are sent on to from `/api/`. It stops on SIGINT and SIGTERM.

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
    let webhook = |url, secret| WebhookChanges {
        url: variable(url),
        secret: variable(secret),
        ..WebhookChanges::default()
    };
    providers.stripe().configure_webhook(webhook("STRIPE_WEBHOOK_URL", "STRIPE_WEBHOOK_SECRET"));
    providers.chapa().configure_webhook(webhook("CHAPA_WEBHOOK_URL", "CHAPA_WEBHOOK_SECRET"));
    providers.paypal().configure_webhook(webhook("PAYPAL_WEBHOOK_URL", "PAYPAL_WEBHOOK_ID"));
    providers.shippo().configure_webhook(webhook("SHIPPO_WEBHOOK_URL", "SHIPPO_WEBHOOK_SECRET"));
    if let Some(url) = variable("API_URL") {
        providers.send_on_to(url);
    }
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
