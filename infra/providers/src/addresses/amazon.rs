//! Amazon Location's `Geocode`.

use axum::{
    body::Bytes,
    extract::State as Shared,
    http::{HeaderMap, HeaderValue, header::AUTHORIZATION},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Addresses, Operation, Street};
use crate::server::respond;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Question {
    query_text: String,
    #[serde(default)]
    max_results: Option<u32>,
    filter: Filter,
    intended_use: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Filter {
    include_countries: Vec<String>,
}

pub(super) async fn geocode(
    Shared(addresses): Shared<Addresses>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fault = addresses.faults().arrive(Operation::AmazonGeocode);
    fault.strike(injected, || answer(&headers, &body)).await
}

fn answer(headers: &HeaderMap, body: &[u8]) -> Response {
    let signature = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // Whose key it is cannot be checked without its secret; that the call is signed for this service can.
    let is_signed = signature.starts_with("AWS4-HMAC-SHA256 Credential=")
        && signature.contains("/geo-places/aws4_request")
        && signature.contains("Signature=");
    if !is_signed || signature.contains("Credential=REFUSED/") {
        return refuse(403, "AccessDeniedException", "User is not authorized to perform: geo-places:Geocode");
    }
    let Ok(question) = serde_json::from_slice::<Question>(body) else {
        return refuse(400, "ValidationException", "The input does not conform to the model.");
    };
    let is_bounded = (1..=200).contains(&question.query_text.chars().count())
        && question.max_results.is_none_or(|max| (1..=100).contains(&max))
        && matches!(question.intended_use.as_str(), "SingleUse" | "Storage");
    match question.filter.include_countries.as_slice() {
        [country] if is_bounded && country != "AQ" => respond(200, &found(&question.query_text, country)),
        // Nobody has an address in the Antarctic.
        _ => refuse(400, "ValidationException", &format!("Not valid: {}", question.query_text)),
    }
}

fn found(query: &str, country: &str) -> Value {
    let parts: Vec<&str> = query.split(", ").collect();
    let (street, city, code) = match parts.as_slice() {
        [street, city, .., code] => (*street, *city, *code),
        _ => (query, "", ""),
    };
    let (kind, score, city) = match Street::of(street) {
        Street::Unknown => return json!({"PricingBucket": "Core", "ResultItems": []}),
        Street::Known => ("PointAddress", 1.0, city.to_owned()),
        Street::Misspelt => ("PointAddress", 0.8, city.replace("Typo", "Type")),
        Street::WithFlats => ("Street", 0.9, city.to_owned()),
    };
    json!({
        "PricingBucket": "Core",
        "ResultItems": [{
            "PlaceId": "AQAA", "PlaceType": kind, "Title": query,
            "Address": {
                "Label": query, "Country": {"Code2": country}, "Locality": city, "PostalCode": code, "Street": street,
            },
            "Position": [-89.643_957_1, 39.799_017_9],
            "MatchScores": {"Overall": score},
        }],
    })
}

fn refuse(status: u16, kind: &'static str, message: &str) -> Response {
    let mut response = respond(status, &json!({"message": message}));
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(kind));
    response
}

/// The SDK tries again where the kind says so, and takes it from the body as well.
fn injected(status: u16) -> Value {
    let kind = match status {
        429 => "ThrottlingException",
        500.. => "InternalServerException",
        _ => "AccessDeniedException",
    };
    json!({"__type": kind, "message": "Injected."})
}
