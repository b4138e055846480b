//! Stripe's own test controls over HTTP.

use axum::{
    Json, Router,
    extract::{Path, State as Shared},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Challenge, Emit, IntentChanges, RefundStatus, Stripe, error::Refusal};
use crate::{controls::Amount, page::page, server::respond};

pub(crate) fn router(stripe: &Stripe) -> Router {
    Router::new()
        .route("/_test/stripe/emit", post(emit))
        .route("/_test/stripe/intents/{id}/authenticate", post(authenticate))
        .route("/_test/stripe/intents/{id}/alter", post(alter))
        .route("/stripe/checkout/{id}", get(checkout).post(checked_out))
        .route("/_test/stripe/sessions/{id}/pay", post(pay))
        .route("/_test/stripe/sessions/{id}/alter", post(alter_session))
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

/// The card that a buyer has without naming one.
const CARD: &str = "pm_card_visa";

async fn checkout(Path(id): Path<String>) -> Html<String> {
    page("Stripe", &id, "Pay")
}

async fn checked_out(Shared(stripe): Shared<Stripe>, Path(id): Path<String>) -> Response {
    let back = stripe.success_url(&id);
    match (stripe.pay_session(&id, CARD), back) {
        (Ok(_), Some(back)) => Redirect::to(&back).into_response(),
        (result, _) => answered(result),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pay {
    #[serde(default)]
    payment_method: Option<String>,
}

async fn pay(Shared(stripe): Shared<Stripe>, Path(id): Path<String>, Json(pay): Json<Pay>) -> Response {
    answered(stripe.pay_session(&id, pay.payment_method.as_deref().unwrap_or(CARD)))
}

async fn alter_session(
    Shared(stripe): Shared<Stripe>,
    Path(id): Path<String>,
    Json(changes): Json<Amount>,
) -> Response {
    answered(stripe.alter_session(&id, changes.amount))
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
