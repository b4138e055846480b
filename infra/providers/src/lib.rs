//! Local stand-ins for the outside services the marketplace calls.
//!
//! A test starts [`Providers`] in its own process on a free port; `make run` starts the `providers` program.
//! Both keep state in memory, refuse what the real service refuses and take orders under `/_test/`.

pub mod addresses;
pub mod chapa;
mod controls;
mod courier;
mod faults;
mod money;
mod page;
pub mod paypal;
mod server;
pub mod shippo;
mod stand_in;
pub mod stripe;
pub mod turnstile;
mod webhook;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde_json::json;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

pub use addresses::Addresses;
pub use chapa::Chapa;
pub use faults::{Answer, Fault, When};
pub use paypal::PayPal;
pub use shippo::Shippo;
pub use stand_in::StandIn;
pub use stripe::Stripe;
pub use turnstile::Turnstile;

/// The stand-ins, listening. They stop when this is dropped.
#[derive(Debug)]
pub struct Providers {
    address: SocketAddr,
    stripe: Stripe,
    chapa: Chapa,
    paypal: PayPal,
    shippo: Shippo,
    addresses: Addresses,
    api: Arc<OnceLock<String>>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Providers {
    /// Starts on a free loopback port.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let base_url = format!("http://{address}");
        let stripe = Stripe::new(base_url.clone(), stopped.clone());
        let chapa = Chapa::new(base_url.clone(), stopped.clone());
        let paypal = PayPal::new(base_url.clone(), stopped.clone());
        let shippo = Shippo::new(base_url, stopped.clone());
        let turnstile = Turnstile::default();
        let addresses = Addresses::default();
        let api = Arc::new(OnceLock::new());
        let sending_on = Router::new().route("/api/{*path}", get(send_on)).with_state(Arc::clone(&api));
        let router = Router::new()
            .merge(sending_on)
            .route("/_test/health", get(async || Json(json!({"status": "ok"}))))
            .merge(resetting((&stripe, &chapa, &paypal), &shippo, &turnstile, &addresses))
            .merge(stripe::http::router(&stripe))
            .merge(stripe::routes::router(&stripe))
            .merge(controls::router(&stripe))
            .merge(chapa::http::router(&chapa))
            .merge(controls::router(&chapa))
            .merge(paypal::http::router(&paypal))
            .merge(controls::router(&paypal))
            .merge(shippo::http::router(&shippo))
            .merge(controls::router(&shippo))
            .merge(turnstile::router(&turnstile))
            .merge(addresses::router(&addresses));
        let serving = tokio::spawn(server::serve(listener, router, stopped));
        Ok(Self { address, stripe, chapa, paypal, shippo, addresses, api, stop, serving })
    }

    /// Where the stand-ins listen, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What to give the Stripe SDK as its base URL.
    #[must_use]
    pub fn stripe_url(&self) -> String {
        format!("http://{}/stripe", self.address)
    }

    /// What to give the adapter of Chapa as its base URL.
    #[must_use]
    pub fn chapa_url(&self) -> String {
        format!("http://{}/chapa", self.address)
    }

    /// What to give the adapter of PayPal as its base URL.
    #[must_use]
    pub fn paypal_url(&self) -> String {
        format!("http://{}/paypal", self.address)
    }

    /// What to give the adapter of Shippo as its base URL.
    #[must_use]
    pub fn shippo_url(&self) -> String {
        format!("http://{}/shippo", self.address)
    }

    /// What to give the adapter of Google Address Validation as its base URL.
    #[must_use]
    pub fn google_url(&self) -> String {
        format!("http://{}/google", self.address)
    }

    /// What to give the SDK of Amazon Location as its endpoint.
    #[must_use]
    pub fn geo_places_url(&self) -> String {
        format!("http://{}/geo-places", self.address)
    }

    /// Sends browsers that come to `/api/…` on to the marketplace at `url`: its address may not be known before it is
    /// deployed, and has to be told to it when it is.
    pub fn send_on_to(&self, url: impl Into<String>) {
        // The first one stays.
        drop(self.api.set(url.into()));
    }

    /// The test controls of those who check addresses.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Chapa's test controls.
    #[must_use]
    pub fn chapa(&self) -> &Chapa {
        &self.chapa
    }

    /// PayPal's test controls.
    #[must_use]
    pub fn paypal(&self) -> &PayPal {
        &self.paypal
    }

    /// Shippo's test controls.
    #[must_use]
    pub fn shippo(&self) -> &Shippo {
        &self.shippo
    }

    /// Stripe's test controls.
    #[must_use]
    pub fn stripe(&self) -> &Stripe {
        &self.stripe
    }

    /// Finishes running calls, for at most `patience`, and stops.
    pub async fn stop(mut self, patience: Duration) {
        self.stop.send_replace(true);
        if tokio::time::timeout(patience, &mut self.serving).await.is_err() {
            self.serving.abort();
        }
    }
}

async fn send_on(State(api): State<Arc<OnceLock<String>>>, uri: Uri) -> Response {
    let rest = uri.path_and_query().map(|all| all.as_str().trim_start_matches("/api")).unwrap_or_default();
    match api.get() {
        Some(api) => Redirect::temporary(&format!("{api}{rest}")).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Forgets what all of them hold.
fn resetting(
    (stripe, chapa, paypal): (&Stripe, &Chapa, &PayPal),
    shippo: &Shippo,
    turnstile: &Turnstile,
    addresses: &Addresses,
) -> Router {
    let (stripe, chapa, paypal) = (stripe.clone(), chapa.clone(), paypal.clone());
    let (shippo, turnstile, addresses) = (shippo.clone(), turnstile.clone(), addresses.clone());
    let reset = move || async move {
        stripe.reset();
        chapa.reset();
        paypal.reset();
        shippo.reset();
        turnstile.reset();
        addresses.reset();
        Json(json!({}))
    };
    Router::new().route("/_test/reset", post(reset))
}

impl Drop for Providers {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.serving.abort();
    }
}
