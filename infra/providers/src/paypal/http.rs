//! The calls under `/paypal/`, the page of the buyer, and the controls of PayPal alone.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State as Shared},
    http::{HeaderMap, Method, Uri, header::AUTHORIZATION},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{any, get, post},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{PayPal, Refusal, State, signing};
use crate::{
    controls::{Amount, answered},
    page::page,
    server::{respond, to_its_end},
};

/// How long a token can be used, in seconds.
const TOKEN_S: u32 = 32_400;

/// A call of the API, for choosing which ones fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `POST /v1/oauth2/token`
    Token,
    /// `POST /v2/checkout/orders`
    CreateOrder,
    /// `GET /v2/checkout/orders/{id}`
    GetOrder,
    /// `POST /v2/checkout/orders/{id}/capture`
    CaptureOrder,
    /// `POST /v2/payments/captures/{id}/refund`
    RefundCapture,
    /// `POST /v1/notifications/verify-webhook-signature`
    VerifySignature,
    /// `GET /v1/notifications/certs/{name}`
    Certificate,
}

pub(crate) fn router(paypal: &PayPal) -> Router {
    Router::new()
        .route("/paypal/v1/{*path}", any(handle))
        .route("/paypal/v2/{*path}", any(handle))
        .route("/paypal/checkoutnow/{id}", get(checkout).post(checked_out))
        .route("/_test/paypal/orders/{id}/approve", post(approve))
        .route("/_test/paypal/orders/{id}/decline", post(decline))
        .route("/_test/paypal/orders/{id}/alter", post(alter))
        .with_state(paypal.clone())
}

/// One call, read but not yet judged.
struct Call {
    operation: Operation,
    path: String,
    id: String,
    authorization: String,
    request_id: Option<String>,
    body: Bytes,
}

async fn handle(
    Shared(paypal): Shared<PayPal>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    to_its_end(async move {
        let Some((operation, id)) = operation(&method, uri.path()) else {
            return respond(404, &Refusal::missing().body());
        };
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let call = Call {
            operation,
            id,
            path: uri.path().to_owned(),
            authorization: header(AUTHORIZATION.as_str()).unwrap_or_default(),
            request_id: header("paypal-request-id"),
            body,
        };
        let fault = paypal.arrive(operation);
        fault.strike(Refusal::injected_body, || paypal.run(&call)).await
    })
    .await
}

fn operation(method: &Method, path: &str) -> Option<(Operation, String)> {
    let parts: Vec<&str> = path.trim_start_matches("/paypal/").split('/').collect();
    let (operation, id) = match (method.as_str(), parts.as_slice()) {
        ("POST", ["v1", "oauth2", "token"]) => (Operation::Token, ""),
        ("POST", ["v2", "checkout", "orders"]) => (Operation::CreateOrder, ""),
        ("GET", ["v2", "checkout", "orders", id]) => (Operation::GetOrder, *id),
        ("POST", ["v2", "checkout", "orders", id, "capture"]) => (Operation::CaptureOrder, *id),
        ("POST", ["v2", "payments", "captures", id, "refund"]) => (Operation::RefundCapture, *id),
        ("POST", ["v1", "notifications", "verify-webhook-signature"]) => (Operation::VerifySignature, ""),
        ("GET", ["v1", "notifications", "certs", name]) => (Operation::Certificate, *name),
        _ => return None,
    };
    Some((operation, id.to_owned()))
}

impl PayPal {
    fn run(&self, call: &Call) -> Response {
        let mut state = self.state();
        match call.operation {
            Operation::Token => return self.token(&mut state, call),
            Operation::Certificate => return certificate(&call.id),
            Operation::CreateOrder
            | Operation::GetOrder
            | Operation::CaptureOrder
            | Operation::RefundCapture
            | Operation::VerifySignature => {}
        }
        let bearer = call.authorization.strip_prefix("Bearer ").unwrap_or_default();
        if !state.tokens.contains(bearer) {
            return respond(401, &json!({"error": "invalid_token"}));
        }
        let place = call.request_id.clone().map(|id| (id, call.path.clone()));
        if let Some((status, body)) = place.as_ref().and_then(|place| state.requests.get(place)) {
            return respond(*status, body);
        }
        let (status, body) = match self.execute(&mut state, call) {
            Ok(body) => (if call.operation == Operation::GetOrder { 200 } else { 201 }, body),
            Err(refusal) => (refusal.status, refusal.body()),
        };
        if let Some(place) = place {
            state.requests.insert(place, (status, body.clone()));
        }
        respond(status, &body)
    }

    fn execute(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        match call.operation {
            Operation::CreateOrder => self.create_order(state, &call.body),
            Operation::GetOrder => self.get_order(state, &call.id),
            Operation::CaptureOrder => self.capture_order(state, &call.id),
            Operation::RefundCapture => self.refund_capture(state, &call.id, &call.body),
            Operation::VerifySignature => Ok(judged(&call.body)),
            Operation::Token | Operation::Certificate => Err(Refusal::missing()),
        }
    }

    fn token(&self, state: &mut State, call: &Call) -> Response {
        let pair =
            call.authorization.strip_prefix("Basic ").and_then(|text| BASE64_STANDARD.decode(text).ok());
        let pair = pair.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        if !pair.starts_with("client_test") || !pair.contains(':') {
            return respond(401, &json!({"error": "invalid_client"}));
        }
        let token = self.new_id("A21");
        state.tokens.insert(token.clone());
        respond(200, &json!({"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_S}))
    }
}

fn certificate(name: &str) -> Response {
    match name {
        "CERT-stand-in" => signing::CERTIFICATE.into_response(),
        "CERT-another" => signing::CERTIFICATE_OF_ANOTHER.into_response(),
        // Longer than anybody should read.
        "CERT-endless" => "x".repeat(1 << 20).into_response(),
        "CERT-moved" => Redirect::to("/paypal/v1/notifications/certs/CERT-stand-in").into_response(),
        _ => respond(404, &Refusal::missing().body()),
    }
}

/// PayPal's own word for whether a message is its own. Signing is deterministic, so signing anew tells.
fn judged(body: &[u8]) -> Value {
    #[derive(Deserialize)]
    struct Question<'a> {
        transmission_id: String,
        transmission_time: String,
        transmission_sig: String,
        webhook_id: String,
        #[serde(borrow)]
        webhook_event: &'a serde_json::value::RawValue,
    }
    let is_ours = serde_json::from_slice::<Question<'_>>(body).is_ok_and(|asked| {
        let raw = asked.webhook_event.get().as_bytes();
        let message =
            signing::message(&asked.transmission_id, &asked.transmission_time, &asked.webhook_id, raw);
        signing::signature(&message) == asked.transmission_sig
    });
    json!({"verification_status": if is_ours { "SUCCESS" } else { "FAILURE" }})
}

async fn checkout(Path(id): Path<String>) -> Html<String> {
    page("PayPal", &id, "Approve")
}

async fn checked_out(Shared(paypal): Shared<PayPal>, Path(id): Path<String>) -> Response {
    let back = paypal.return_url(&id);
    match (paypal.approve(&id), back) {
        (Ok(_), Some(back)) => Redirect::to(&format!("{back}&token={id}&PayerID=TEST")).into_response(),
        (result, _) => answered(result),
    }
}

async fn approve(Shared(paypal): Shared<PayPal>, Path(id): Path<String>) -> Response {
    answered(paypal.approve(&id))
}

async fn decline(Shared(paypal): Shared<PayPal>, Path(id): Path<String>) -> Response {
    answered(paypal.decline_next(&id))
}

async fn alter(
    Shared(paypal): Shared<PayPal>,
    Path(id): Path<String>,
    Json(changes): Json<Amount>,
) -> Response {
    answered(paypal.alter(&id, changes.amount))
}
