//! The calls under `/shippo/`, and the controls of Shippo alone.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State as Shared},
    http::{HeaderMap, Method, Uri, header::AUTHORIZATION},
    response::Response,
    routing::{any, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Refusal, Shippo, tracks::Status};
use crate::{
    controls::answered,
    server::{respond, to_its_end},
};

/// A call of the API, for choosing which ones fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `POST /shipments`
    Quote,
    /// `GET /shipments/{id}`
    Shipment,
    /// `POST /transactions`
    Buy,
    /// `GET /transactions`
    List,
    /// `GET /transactions/{id}`
    Purchase,
    /// `POST /refunds`
    Refund,
    /// `POST /tracks`
    Register,
    /// `GET /tracks/{carrier}/{number}`
    Track,
}

pub(crate) fn router(shippo: &Shippo) -> Router {
    Router::new()
        .route("/shippo/{*path}", any(handle))
        .route("/_test/shippo/tracks/{carrier}/{number}", post(tell))
        .route("/_test/shippo/refuse", post(refuse))
        .route("/_test/shippo/refunds", post(refunds))
        .with_state(shippo.clone())
}

async fn handle(
    Shared(shippo): Shared<Shippo>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    to_its_end(async move {
        match read(&method, &uri, &headers) {
            Ok(call) => {
                let fault = shippo.arrive(call.operation);
                fault.strike(Refusal::injected_body, || shippo.run(&call, &body)).await
            }
            Err(refusal) => respond(refusal.status, &refusal.body()),
        }
    })
    .await
}

/// What is asked for.
struct Asked {
    operation: Operation,
    /// What is in the path, or the rate in the query.
    names: Vec<String>,
}

fn read(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Asked, Refusal> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = header(AUTHORIZATION.as_str());
    if !key.starts_with("ShippoToken shippo_test_") {
        return Err(Refusal::new(401, "Invalid token header. No credentials provided."));
    }
    if header("shippo-api-version") != "2018-02-08" {
        return Err(Refusal::new(400, "There is no such version."));
    }
    let parts: Vec<&str> = uri.path().trim_start_matches("/shippo/").split('/').collect();
    let query = uri.query().unwrap_or_default();
    let rate = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "rate");
    let (operation, names) = match (method.as_str(), parts.as_slice()) {
        ("POST", ["shipments"]) => (Operation::Quote, Vec::new()),
        ("GET", ["shipments", id]) => (Operation::Shipment, vec![(*id).to_owned()]),
        ("POST", ["transactions"]) => (Operation::Buy, Vec::new()),
        ("GET", ["transactions"]) => {
            (Operation::List, rate.map(|(_, rate)| rate.into_owned()).into_iter().collect())
        }
        ("GET", ["transactions", id]) => (Operation::Purchase, vec![(*id).to_owned()]),
        ("POST", ["refunds"]) => (Operation::Refund, Vec::new()),
        ("POST", ["tracks"]) => (Operation::Register, Vec::new()),
        ("GET", ["tracks", carrier, number]) => {
            (Operation::Track, vec![(*carrier).to_owned(), (*number).to_owned()])
        }
        _ => return Err(Refusal::new(404, "Not found.")),
    };
    Ok(Asked { operation, names })
}

impl Shippo {
    fn run(&self, call: &Asked, body: &[u8]) -> Response {
        let mut state = self.state();
        let name = |at: usize| call.names.get(at).map(String::as_str);
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let answer = match call.operation {
            Operation::Quote => self.quote(&mut state, &body),
            Operation::Shipment => Self::shipment(&state, name(0).unwrap_or_default()),
            Operation::Buy => self.buy(&mut state, &body),
            Operation::List => Ok(self.list(&state, name(0))),
            Operation::Purchase => self.purchase(&state, name(0).unwrap_or_default()),
            Operation::Refund => self.refund(&mut state, &body),
            Operation::Register => Self::register(&mut state, &body),
            Operation::Track => Self::track(&state, name(0).unwrap_or_default(), name(1).unwrap_or_default()),
        };
        let made = matches!(
            call.operation,
            Operation::Quote | Operation::Buy | Operation::Refund | Operation::Register
        );
        match answer {
            Ok(body) => respond(if made { 201 } else { 200 }, &body),
            Err(refusal) => respond(refusal.status, &refusal.body()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    status: Status,
    at: Option<String>,
}

async fn tell(
    Shared(shippo): Shared<Shippo>,
    Path((carrier, number)): Path<(String, String)>,
    Json(told): Json<Told>,
) -> Response {
    answered(shippo.tell(&carrier, &number, told.status, told.at.as_deref()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refuse {
    code: String,
}

async fn refuse(Shared(shippo): Shared<Shippo>, Json(refuse): Json<Refuse>) -> Json<Value> {
    shippo.refuse_next(&refuse.code);
    Json(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refunds {
    accepted: bool,
}

async fn refunds(Shared(shippo): Shared<Shippo>, Json(refunds): Json<Refunds>) -> Json<Value> {
    shippo.decide_refunds(refunds.accepted);
    Json(json!({}))
}
