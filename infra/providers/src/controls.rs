//! The test controls over HTTP, under `/_test/`. They take and answer JSON. What every stand-in can do is here once.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::State as Shared,
    response::Response,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    faults::Fault,
    server::respond,
    stand_in::{Provider, Shown, StandIn},
    webhook::{Order, WebhookChanges, WebhookSettings},
};

/// The controls that every stand-in has.
pub(crate) fn router<P: Provider>(stand_in: &StandIn<P>) -> Router {
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

/// What a payment is made to be about, behind everyone's back, in minor units.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Amount {
    pub amount: u64,
}

/// What a control answers.
pub(crate) fn answered<E: ToString>(result: Result<Value, E>) -> Response {
    match result {
        Ok(body) => respond(200, &body),
        Err(error) => respond(400, &json!({"error": error.to_string()})),
    }
}

async fn state<P: Provider>(Shared(stand_in): Shared<StandIn<P>>) -> Json<Shown<P>> {
    Json(stand_in.shown())
}

async fn webhook<P: Provider>(
    Shared(stand_in): Shared<StandIn<P>>,
    Json(changes): Json<WebhookChanges>,
) -> Json<WebhookSettings> {
    stand_in.configure_webhook(changes);
    Json(stand_in.courier().settings())
}

async fn fault<P: Provider>(
    Shared(stand_in): Shared<StandIn<P>>,
    Json(fault): Json<Fault<P::Operation>>,
) -> Json<Value> {
    stand_in.inject(fault);
    Json(json!({}))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Release {
    order: Order,
}

async fn release<P: Provider>(
    Shared(stand_in): Shared<StandIn<P>>,
    Json(release): Json<Release>,
) -> Json<Value> {
    stand_in.release(release.order);
    Json(json!({}))
}

async fn discard<P: Provider>(Shared(stand_in): Shared<StandIn<P>>) -> Json<Value> {
    stand_in.discard_held();
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

async fn redeliver<P: Provider>(
    Shared(stand_in): Shared<StandIn<P>>,
    Json(redeliver): Json<Redeliver>,
) -> Response {
    let known = stand_in.redeliver(&redeliver.event, redeliver.copies);
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

async fn settled<P: Provider>(
    Shared(stand_in): Shared<StandIn<P>>,
    Json(settled): Json<Settled>,
) -> Json<Value> {
    let settled = stand_in.settled(Duration::from_millis(settled.timeout_ms)).await;
    Json(json!({"settled": settled}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    now: Option<i64>,
}

async fn clock<P: Provider>(Shared(stand_in): Shared<StandIn<P>>, Json(clock): Json<Clock>) -> Json<Value> {
    stand_in.set_now(clock.now);
    Json(json!({}))
}

async fn reset<P: Provider>(Shared(stand_in): Shared<StandIn<P>>) -> Json<Value> {
    stand_in.reset();
    Json(json!({}))
}
