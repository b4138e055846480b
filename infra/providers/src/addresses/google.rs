//! Google's `validateAddress`.

use axum::{body::Bytes, extract::State as Shared, http::HeaderMap, response::Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Addresses, Operation, Street};
use crate::server::respond;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Question {
    address: Typed,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Typed {
    region_code: String,
    #[serde(default)]
    postal_code: String,
    administrative_area: Option<String>,
    #[serde(default)]
    locality: String,
    address_lines: Vec<String>,
}

pub(super) async fn validate(
    Shared(addresses): Shared<Addresses>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fault = addresses.faults().arrive(Operation::GoogleValidate);
    fault.strike(injected, || answer(&headers, &body)).await
}

fn answer(headers: &HeaderMap, body: &[u8]) -> Response {
    let key = headers.get("x-goog-api-key").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if key.is_empty() {
        return refuse(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers.", None);
    }
    if !key.starts_with("AIza") {
        let message = "API key not valid. Please pass a valid API key.";
        return refuse(400, "INVALID_ARGUMENT", message, Some("API_KEY_INVALID"));
    }
    match serde_json::from_slice::<Question>(body) {
        Err(_) => refuse(400, "INVALID_ARGUMENT", "Invalid JSON payload received.", Some("BAD_PAYLOAD")),
        // One of those that Google does not cover.
        Ok(Question { address }) if address.region_code == "ET" => {
            refuse(400, "INVALID_ARGUMENT", "Unsupported region code.", None)
        }
        Ok(Question { address }) => respond(200, &judged(&address)),
    }
}

fn judged(typed: &Typed) -> Value {
    let line = typed.address_lines.first().map(String::as_str).unwrap_or_default();
    let street = Street::of(line);
    let (action, level, missing) = match street {
        Street::Known => ("ACCEPT", "CONFIRMED", json!([])),
        Street::Unknown => ("FIX", "UNCONFIRMED_AND_SUSPICIOUS", json!([])),
        Street::Misspelt => ("CONFIRM", "CONFIRMED", json!([])),
        Street::WithFlats => ("CONFIRM_ADD_SUBPREMISES", "CONFIRMED", json!(["subpremise"])),
    };
    let lines: Vec<String> = typed.address_lines.iter().map(|line| line.replace("Typo", "Type")).collect();
    let component = |kind: &str, text: &str, level: &str| json!({"componentName": {"text": text, "languageCode": "en"}, "componentType": kind, "confirmationLevel": level});
    let mut answer = json!({
        "result": {
            "verdict": {
                "inputGranularity": "PREMISE", "validationGranularity": "PREMISE", "geocodeGranularity": "PREMISE",
                "addressComplete": street == Street::Known, "possibleNextAction": action,
            },
            "address": {
                "formattedAddress": lines.join(", "),
                "postalAddress": {
                    "regionCode": typed.region_code, "languageCode": "en", "postalCode": typed.postal_code,
                    "administrativeArea": typed.administrative_area, "locality": typed.locality, "addressLines": lines,
                },
                "addressComponents": [
                    component("route", line, level), component("locality", &typed.locality, "CONFIRMED"),
                    component("country", &typed.region_code, "CONFIRMED"),
                ],
                "missingComponentTypes": missing,
            },
        },
        "responseId": "00000000-0000-4000-8000-000000000000",
    });
    // What is not there has no place.
    if street != Street::Unknown
        && let Some(result) = answer.pointer_mut("/result").and_then(Value::as_object_mut)
    {
        let location = json!({"latitude": 39.799_017_9, "longitude": -89.643_957_1});
        result.insert("geocode".to_owned(), json!({"location": location, "placeId": "ChIJ"}));
    }
    answer
}

fn refusal(status: u16, word: &str, message: &str, reason: Option<&str>) -> Value {
    let details: Vec<Value> = reason
        .map(|reason| json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}))
        .into_iter()
        .collect();
    json!({"error": {"code": status, "message": message, "status": word, "details": details}})
}

fn refuse(status: u16, word: &str, message: &str, reason: Option<&str>) -> Response {
    respond(status, &refusal(status, word, message, reason))
}

fn injected(status: u16) -> Value {
    refusal(status, if status == 429 { "RESOURCE_EXHAUSTED" } else { "UNAVAILABLE" }, "Injected.", None)
}
