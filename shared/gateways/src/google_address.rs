//! Google Address Validation: corrects an address, and says whether post would arrive.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use sutler_domain::{
    address::{Address, AddressDraft},
    address_check::{CheckedBy, Coordinates, Doubt, Field, Opinion, Verdict},
};

use crate::{
    address_check::{AddressCheck, AddressCheckError, Question},
    calls::{self, CallLimits, Cause, Failure},
    json_http::{Call, HttpFailure, JsonClient, Payload},
    secret::{Secret, SecretSlot, SecretsError},
};

/// Where Google is.
pub const BASE_URL: &str = "https://addressvalidation.googleapis.com";

/// A person waits, and does without the answer if it takes longer.
const LIMITS: CallLimits = CallLimits {
    deadline: Duration::from_secs(3),
    try_timeout: Duration::from_millis(1_500),
    tries_max: 2,
    backoff: Duration::from_millis(100),
};

/// Asks Google.
#[derive(Debug)]
pub struct GoogleAddressCheck<S> {
    http: JsonClient,
    key: S,
}

impl<S: SecretSlot> GoogleAddressCheck<S> {
    /// Asks at `base_url` with the API key in `key`, which may be cached for ever.
    #[must_use]
    pub fn new(base_url: &str, key: S) -> Self {
        Self { http: JsonClient::new(base_url, LIMITS, code_of), key }
    }

    async fn secret(&self) -> Result<Secret, AddressCheckError> {
        match self.key.read(0).await {
            Ok(Some(secret)) => Ok(secret),
            Ok(None) => Err(AddressCheckError::Rejected(SecretsError::Missing.into())),
            Err(error @ SecretsError::Unavailable(_)) => Err(AddressCheckError::Unavailable(error.into())),
            Err(error @ (SecretsError::Missing | SecretsError::Rejected(_))) => {
                Err(AddressCheckError::Rejected(error.into()))
            }
        }
    }
}

#[async_trait]
impl<S: SecretSlot> AddressCheck for GoogleAddressCheck<S> {
    fn checked_by(&self) -> CheckedBy {
        CheckedBy::Google
    }

    async fn check(&self, question: &Question) -> Result<Opinion, AddressCheckError> {
        let secret = self.secret().await?;
        let typed = &question.address;
        let lines: Vec<&str> =
            [Some(typed.line1.as_str()), typed.line2.as_deref()].into_iter().flatten().collect();
        let body = json!({"address": {
            "regionCode": typed.country.code(), "postalCode": typed.postal_code,
            "administrativeArea": typed.region, "locality": typed.city, "addressLines": lines,
        }})
        .to_string();
        let call = Call {
            method: "POST",
            path: "/v1:validateAddress",
            // Not in the address of the call, where every proxy would see it.
            headers: &[("x-goog-api-key", secret.expose())],
            body: Some(Payload::Json(&body)),
            key: &question.key,
        };
        let answer = self.http.call::<Answer>(call).await.map_err(error)?;
        Ok(answer.result.opinion(typed))
    }
}

fn error(Failure { cause, .. }: Failure<HttpFailure>) -> AddressCheckError {
    // So Google answers about a country that it does not cover; a key that it does not know has a reason of its own.
    if cause.status() == Some(400) && cause.has_code("INVALID_ARGUMENT") {
        return AddressCheckError::NotCovered(cause.into());
    }
    match cause.verdict() {
        calls::Verdict::Final => AddressCheckError::Rejected(cause.into()),
        calls::Verdict::Unknown | calls::Verdict::Busy => AddressCheckError::Unavailable(cause.into()),
    }
}

/// The reason of a refusal, or its status. Its message may quote what was asked, and is not read.
fn code_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        error: Error,
    }
    #[derive(Deserialize)]
    struct Error {
        status: String,
        #[serde(default)]
        details: Vec<Detail>,
    }
    #[derive(Deserialize)]
    struct Detail {
        reason: Option<String>,
    }
    let Refusal { error } = serde_json::from_slice(body).ok()?;
    let reason = error.details.into_iter().find_map(|detail| detail.reason);
    let is_word = |text: &String| {
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
    };
    reason.filter(is_word).or(Some(error.status).filter(is_word))
}

#[derive(Deserialize)]
struct Answer {
    result: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    verdict: Signals,
    address: Found,
    geocode: Option<Geocode>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signals {
    possible_next_action: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    #[serde(default)]
    postal_address: PostalAddress,
    #[serde(default)]
    address_components: Vec<Component>,
    #[serde(default)]
    missing_component_types: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostalAddress {
    region_code: Option<String>,
    postal_code: Option<String>,
    administrative_area: Option<String>,
    locality: Option<String>,
    #[serde(default)]
    address_lines: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Component {
    component_type: String,
    confirmation_level: Option<String>,
}

#[derive(Deserialize)]
struct Geocode {
    location: Option<Location>,
}

#[derive(Deserialize)]
struct Location {
    latitude: Option<Box<RawValue>>,
    longitude: Option<Box<RawValue>>,
}

impl Outcome {
    fn opinion(&self, typed: &Address) -> Opinion {
        let verdict = match self.verdict.possible_next_action.as_deref() {
            Some("ACCEPT") => Verdict::Accept,
            Some("FIX") => Verdict::Fix,
            // The two ways to confirm; and whatever Google may add is for the buyer to look at.
            Some(_) | None => Verdict::Confirm,
        };
        let location = self.geocode.as_ref().and_then(|geocode| geocode.location.as_ref());
        let coordinates = location.and_then(|Location { latitude, longitude }| {
            Coordinates::parse(latitude.as_ref()?.get(), longitude.as_ref()?.get())
        });
        Opinion::new(verdict, typed, &self.address.draft(typed), &self.address.doubts(), coordinates)
    }
}

impl Found {
    /// The address as Google writes it; what Google leaves out is as it was typed.
    fn draft(&self, typed: &Address) -> AddressDraft {
        let PostalAddress { region_code, postal_code, administrative_area, locality, address_lines } =
            &self.postal_address;
        let typed = AddressDraft::from(typed);
        let mut found = AddressDraft {
            city: locality.clone().unwrap_or(typed.city),
            region: administrative_area.clone().or(typed.region),
            postal_code: postal_code.clone().or(typed.postal_code),
            country: region_code.clone().unwrap_or(typed.country),
            ..typed
        };
        if let Some((first, rest)) = address_lines.split_first() {
            found.line1.clone_from(first);
            found.line2 = (!rest.is_empty()).then(|| rest.join(", "));
        }
        found
    }

    fn doubts(&self) -> BTreeMap<Field, Doubt> {
        let missing = self.missing_component_types.iter().map(|kind| (field_of(kind), Doubt::Missing));
        let unconfirmed = self.address_components.iter().filter(|component| {
            component.confirmation_level.as_deref().is_some_and(|level| level.starts_with("UNCONFIRMED"))
        });
        let unconfirmed =
            unconfirmed.map(|component| (field_of(&component.component_type), Doubt::Unconfirmed));
        // Of a field with both, that something is missing is what helps.
        unconfirmed.chain(missing).collect()
    }
}

/// Which of our fields a component belongs to.
fn field_of(component_type: &str) -> Field {
    match component_type {
        "subpremise" | "floor" => Field::Line2,
        "locality" | "postal_town" | "administrative_area_level_3" => Field::City,
        "administrative_area_level_1" | "administrative_area_level_2" => Field::Region,
        "postal_code" | "postal_code_suffix" => Field::PostalCode,
        "country" => Field::Country,
        kind if kind.starts_with("sublocality") => Field::City,
        // Number, street, building, and what there is in other countries instead.
        _ => Field::Line1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_by_its_reason_and_never_by_its_message() {
        let unknown_key = br#"{"error": {"code": 400, "message": "Ada lives at 1 Market Street", "status": "INVALID_ARGUMENT",
            "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]}}"#;
        assert_eq!(code_of(unknown_key).as_deref(), Some("API_KEY_INVALID"));
        let country =
            br#"{"error": {"code": 400, "message": "Unsupported region", "status": "INVALID_ARGUMENT"}}"#;
        assert_eq!(code_of(country).as_deref(), Some("INVALID_ARGUMENT"));
        for odd in [&b"<html>"[..], br#"{"error": {"status": "1 Market Street"}}"#, b"{}"] {
            assert_eq!(code_of(odd), None);
        }
    }

    #[test]
    fn every_component_has_a_field() {
        for (kind, field) in [
            ("street_number", Field::Line1),
            ("route", Field::Line1),
            ("premise", Field::Line1),
            ("subpremise", Field::Line2),
            ("locality", Field::City),
            ("sublocality_level_1", Field::City),
            ("administrative_area_level_1", Field::Region),
            ("postal_code_suffix", Field::PostalCode),
            ("country", Field::Country),
            ("something_new", Field::Line1),
        ] {
            assert_eq!(field_of(kind), field, "{kind}");
        }
    }
}
