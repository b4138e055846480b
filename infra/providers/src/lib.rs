//! Local stand-ins for the outside services the marketplace calls.
//!
//! A test starts [`Providers`] in its own process on a free port; `make run` starts the `providers` program.
//! Both keep state in memory, refuse what the real service refuses and take orders under `/_test/`.

mod controls;
mod server;
pub mod stripe;

use std::{io, net::SocketAddr, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

pub use stripe::Stripe;

/// The stand-ins, listening. They stop when this is dropped.
#[derive(Debug)]
pub struct Providers {
    address: SocketAddr,
    stripe: Stripe,
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
        let stripe = Stripe::new(format!("http://{address}"), stopped.clone());
        let router = Router::new().merge(stripe::http::router(&stripe)).merge(controls::router(&stripe));
        let serving = tokio::spawn(server::serve(listener, router, stopped));
        Ok(Self { address, stripe, stop, serving })
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

impl Drop for Providers {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.serving.abort();
    }
}
