//! The test controls over HTTP, under `/_test/`. They take and answer JSON.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, State as Shared},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::stripe::{
    Challenge, Emit, Fault, IntentChanges, Order, RefundStatus, Snapshot, Stripe, WebhookChanges,
    WebhookSettings,
    error::{Refusal, respond},
};

pub(crate) fn router(stripe: &Stripe) -> Router {
    Router::new()
        .route("/_test/health", get(async || Json(json!({"status": "ok"}))))
        .route("/_test/reset", post(reset))
        .route("/_test/stripe/state", get(state))
        .route("/_test/stripe/webhook", post(webhook))
        .route("/_test/stripe/faults", post(fault))
        .route("/_test/stripe/release", post(release))
        .route("/_test/stripe/discard", post(discard))
        .route("/_test/stripe/redeliver", post(redeliver))
        .route("/_test/stripe/settled", post(settled))
        .route("/_test/stripe/emit", post(emit))
        .route("/_test/stripe/clock", post(clock))
        .route("/_test/stripe/intents/{id}/authenticate", post(authenticate))
        .route("/_test/stripe/intents/{id}/alter", post(alter))
        .route("/_test/stripe/refunds", post(refunds))
        .route("/_test/stripe/refunds/{id}/settle", post(settle))
        .with_state(stripe.clone())
}

async fn reset(Shared(stripe): Shared<Stripe>) -> Json<Value> {
    stripe.reset();
    Json(json!({}))
}

async fn state(Shared(stripe): Shared<Stripe>) -> Json<Snapshot> {
    Json(stripe.snapshot())
}

async fn webhook(
    Shared(stripe): Shared<Stripe>,
    Json(changes): Json<WebhookChanges>,
) -> Json<WebhookSettings> {
    stripe.configure_webhook(changes);
    Json(stripe.snapshot().webhook)
}

async fn fault(Shared(stripe): Shared<Stripe>, Json(fault): Json<Fault>) -> Json<Value> {
    stripe.inject(fault);
    Json(json!({}))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Release {
    order: Order,
}

async fn release(Shared(stripe): Shared<Stripe>, Json(release): Json<Release>) -> Json<Value> {
    stripe.release(release.order);
    Json(json!({}))
}

async fn discard(Shared(stripe): Shared<Stripe>) -> Json<Value> {
    stripe.discard_held();
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

async fn redeliver(Shared(stripe): Shared<Stripe>, Json(redeliver): Json<Redeliver>) -> Response {
    answered(stripe.redeliver(&redeliver.event, redeliver.copies).map(|()| json!({})))
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

async fn settled(Shared(stripe): Shared<Stripe>, Json(settled): Json<Settled>) -> Json<Value> {
    let settled = stripe.settled(Duration::from_millis(settled.timeout_ms)).await;
    Json(json!({"settled": settled}))
}

async fn emit(Shared(stripe): Shared<Stripe>, Json(emit): Json<Emit>) -> Response {
    answered(stripe.emit_by_hand(emit).map(|event| json!({"event": event})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    now: Option<i64>,
}

async fn clock(Shared(stripe): Shared<Stripe>, Json(clock): Json<Clock>) -> Json<Value> {
    stripe.set_now(clock.now);
    Json(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authenticate {
    outcome: Challenge,
}

async fn authenticate(
    Shared(stripe): Shared<Stripe>,
    Path(id): Path<String>,
    Json(answer): Json<Authenticate>,
) -> Response {
    answered(stripe.authenticate(&id, answer.outcome))
}

async fn alter(
    Shared(stripe): Shared<Stripe>,
    Path(id): Path<String>,
    Json(changes): Json<IntentChanges>,
) -> Response {
    answered(stripe.alter_intent(&id, changes))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refunds {
    stay_pending: bool,
}

async fn refunds(Shared(stripe): Shared<Stripe>, Json(refunds): Json<Refunds>) -> Json<Value> {
    stripe.keep_refunds_pending(refunds.stay_pending);
    Json(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settle {
    status: RefundStatus,
}

async fn settle(
    Shared(stripe): Shared<Stripe>,
    Path(id): Path<String>,
    Json(settle): Json<Settle>,
) -> Response {
    answered(stripe.settle(&id, settle.status))
}

fn answered(result: Result<Value, Refusal>) -> Response {
    match result {
        Ok(body) => Json(body).into_response(),
        Err(refusal) => respond(refusal.status(), &refusal.body()),
    }
}
