//! The calls under `/chapa/v1/`, the page of the buyer, and the controls of Chapa alone.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State as Shared},
    http::{HeaderMap, Method, Uri, header::AUTHORIZATION},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{any, get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Chapa, Refusal};
use crate::{
    controls::{Amount, answered},
    page::page,
    server::{respond, to_its_end},
};

/// A call of the API, for choosing which ones fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `POST /v1/transaction/initialize`
    Initialize,
    /// `GET /v1/transaction/verify/{tx_ref}`
    Verify,
    /// `PUT /v1/transaction/cancel/{tx_ref}`
    Cancel,
    /// `POST /v1/refund/{tx_ref}`
    Refund,
}

pub(crate) fn router(chapa: &Chapa) -> Router {
    Router::new()
        .route("/chapa/v1/{*path}", any(handle))
        .route("/chapa/checkout/{tx_ref}", get(checkout).post(checked_out))
        .route("/_test/chapa/transactions/{tx_ref}/pay", post(pay))
        .route("/_test/chapa/transactions/{tx_ref}/decline", post(decline))
        .route("/_test/chapa/transactions/{tx_ref}/alter", post(alter))
        .with_state(chapa.clone())
}

async fn handle(
    Shared(chapa): Shared<Chapa>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    to_its_end(async move {
        match read(&method, &uri, &headers) {
            Ok((operation, id)) => {
                let fault = chapa.arrive(operation);
                fault.strike(Refusal::injected_body, || chapa.run(operation, &id, &body)).await
            }
            Err(refusal) => respond(refusal.status, &refusal.body()),
        }
    })
    .await
}

fn read(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(Operation, String), Refusal> {
    let key = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !key.starts_with("Bearer CHASECK_TEST-") {
        return Err(Refusal::new(401, "Invalid API Key or User doesn't exist"));
    }
    let parts: Vec<&str> = uri.path().trim_start_matches("/chapa/v1/").split('/').collect();
    let (operation, id) = match (method.as_str(), parts.as_slice()) {
        ("POST", ["transaction", "initialize"]) => (Operation::Initialize, ""),
        ("GET", ["transaction", "verify", id]) => (Operation::Verify, *id),
        ("PUT", ["transaction", "cancel", id]) => (Operation::Cancel, *id),
        ("POST", ["refund", id]) => (Operation::Refund, *id),
        _ => return Err(Refusal::new(404, "No such route")),
    };
    Ok((operation, id.to_owned()))
}

impl Chapa {
    fn run(&self, operation: Operation, id: &str, body: &[u8]) -> Response {
        let mut state = self.state();
        let answer = match operation {
            Operation::Initialize => match serde_json::from_slice::<Value>(body) {
                Ok(body) => self.initialize(&mut state, &body),
                Err(_) => Err(Refusal::new(400, "content-type must be application/json")),
            },
            Operation::Verify => Self::verify(&state, id),
            Operation::Cancel => Self::cancel(&mut state, id),
            Operation::Refund => {
                let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
                self.refund(&mut state, id, &form)
            }
        };
        match answer {
            Ok(body) => respond(200, &body),
            Err(refusal) => respond(refusal.status, &refusal.body()),
        }
    }
}

async fn checkout(Path(tx_ref): Path<String>) -> Html<String> {
    page("Chapa", &tx_ref, "Pay")
}

async fn checked_out(Shared(chapa): Shared<Chapa>, Path(tx_ref): Path<String>) -> Response {
    let back = chapa.return_url(&tx_ref);
    match (chapa.pay(&tx_ref), back) {
        (Ok(_), Some(back)) => Redirect::to(&back).into_response(),
        (result, _) => answered(result),
    }
}

async fn pay(Shared(chapa): Shared<Chapa>, Path(tx_ref): Path<String>) -> Response {
    answered(chapa.pay(&tx_ref))
}

async fn decline(Shared(chapa): Shared<Chapa>, Path(tx_ref): Path<String>) -> Response {
    answered(chapa.decline(&tx_ref))
}

async fn alter(
    Shared(chapa): Shared<Chapa>,
    Path(tx_ref): Path<String>,
    Json(changes): Json<Amount>,
) -> Response {
    answered(chapa.alter(&tx_ref, changes.amount))
}
