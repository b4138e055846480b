//! The test controls over HTTP, under `/_test/`. They take and answer JSON. What every stand-in can do is here once.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::State as Shared,
    response::Response,
    routing::{get, post},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    courier::Courier,
    faults::Fault,
    server::respond,
    webhook::{Order, WebhookChanges, WebhookSettings},
};

/// A stand-in, as far as the controls of all of them go.
pub(crate) trait StandIn: Clone + Send + Sync + 'static {
    /// Its calls.
    type Operation: DeserializeOwned + Send + 'static;
    /// What its controls lie under.
    const NAME: &'static str;

    /// Who delivers its events.
    fn courier(&self) -> &Courier;
    /// Injects a fault.
    fn break_next(&self, fault: Fault<Self::Operation>);
    /// Everything it holds.
    fn show(&self) -> Value;
    /// Forgets everything but where its webhook is.
    fn forget(&self);
}

/// The controls that every stand-in has.
pub(crate) fn router<P: StandIn>(stand_in: &P) -> Router {
    let path = |name: &str| format!("/_test/{}/{name}", P::NAME);
    Router::new()
        .route(&path("state"), get(state::<P>))
        .route(&path("webhook"), post(webhook::<P>))
        .route(&path("faults"), post(fault::<P>))
        .route(&path("release"), post(release::<P>))
        .route(&path("discard"), post(discard::<P>))
        .route(&path("redeliver"), post(redeliver::<P>))
        .route(&path("settled"), post(settled::<P>))
        .route(&path("clock"), post(clock::<P>))
        .route(&path("reset"), post(reset::<P>))
        .with_state(stand_in.clone())
}

/// What a control answers.
pub(crate) fn answered<E: ToString>(result: Result<Value, E>) -> Response {
    match result {
        Ok(body) => respond(200, &body),
        Err(error) => respond(400, &json!({"error": error.to_string()})),
    }
}

async fn state<P: StandIn>(Shared(stand_in): Shared<P>) -> Json<Value> {
    Json(stand_in.show())
}

async fn webhook<P: StandIn>(
    Shared(stand_in): Shared<P>,
    Json(changes): Json<WebhookChanges>,
) -> Json<WebhookSettings> {
    stand_in.courier().configure(changes);
    Json(stand_in.courier().settings())
}

async fn fault<P: StandIn>(
    Shared(stand_in): Shared<P>,
    Json(fault): Json<Fault<P::Operation>>,
) -> Json<Value> {
    stand_in.break_next(fault);
    Json(json!({}))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Release {
    order: Order,
}

async fn release<P: StandIn>(Shared(stand_in): Shared<P>, Json(release): Json<Release>) -> Json<Value> {
    stand_in.courier().release(release.order);
    Json(json!({}))
}

async fn discard<P: StandIn>(Shared(stand_in): Shared<P>) -> Json<Value> {
    stand_in.courier().discard_held();
    Json(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redeliver {
    event: String,
    #[serde(default = "one")]
    copies: u32,
}

fn one() -> u32 {
    1
}

async fn redeliver<P: StandIn>(Shared(stand_in): Shared<P>, Json(redeliver): Json<Redeliver>) -> Response {
    let known = stand_in.courier().redeliver(&redeliver.event, redeliver.copies);
    answered(if known { Ok(json!({})) } else { Err("no such event") })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settled {
    #[serde(default = "ten_seconds")]
    timeout_ms: u64,
}

fn ten_seconds() -> u64 {
    10_000
}

async fn settled<P: StandIn>(Shared(stand_in): Shared<P>, Json(settled): Json<Settled>) -> Json<Value> {
    let settled = stand_in.courier().settled(Duration::from_millis(settled.timeout_ms)).await;
    Json(json!({"settled": settled}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    now: Option<i64>,
}

async fn clock<P: StandIn>(Shared(stand_in): Shared<P>, Json(clock): Json<Clock>) -> Json<Value> {
    stand_in.courier().set_now(clock.now);
    Json(json!({}))
}

async fn reset<P: StandIn>(Shared(stand_in): Shared<P>) -> Json<Value> {
    stand_in.forget();
    Json(json!({}))
}
