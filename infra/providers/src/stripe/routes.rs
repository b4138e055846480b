//! Stripe's own test controls over HTTP.

use axum::{
    Json, Router,
    extract::{Path, State as Shared},
    response::Response,
    routing::post,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Challenge, Emit, IntentChanges, RefundStatus, Stripe, error::Refusal};
use crate::server::respond;

pub(crate) fn router(stripe: &Stripe) -> Router {
    Router::new()
        .route("/_test/stripe/emit", post(emit))
        .route("/_test/stripe/intents/{id}/authenticate", post(authenticate))
        .route("/_test/stripe/intents/{id}/alter", post(alter))
        .route("/_test/stripe/refunds", post(refunds))
        .route("/_test/stripe/refunds/{id}/settle", post(settle))
        .with_state(stripe.clone())
}

async fn emit(Shared(stripe): Shared<Stripe>, Json(emit): Json<Emit>) -> Response {
    answered(stripe.emit_by_hand(emit).map(|event| json!({"event": event})))
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
        Ok(body) => respond(200, &body),
        Err(refusal) => respond(refusal.status(), &refusal.body()),
    }
}
