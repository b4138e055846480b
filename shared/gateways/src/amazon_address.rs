//! Amazon Location: finds the place of an address, and says how well it fits.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use aws_sdk_geoplaces::{
    Client,
    config::{Builder, retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    operation::geocode::GeocodeError,
    types::{self, GeocodeFilter, GeocodeIntendedUse, GeocodeResultItem},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use sutler_domain::{
    address::{Address, AddressDraft},
    address_check::{CheckedBy, Coordinates, Doubt, Field, Opinion, Verdict},
};

use crate::{
    address_check::{AddressCheck, AddressCheckError, Question},
    aws,
};

/// A person waits, and does without the answer if it takes longer.
const DEADLINE: Duration = Duration::from_secs(3);
const TRY_TIMEOUT: Duration = Duration::from_millis(1_500);
const TRIES_MAX: u32 = 2;

/// The longest question there may be.
const QUERY_CHARS_MAX: usize = 200;
/// How well a door fits that is surely meant.
const SURE: f64 = 0.9;
/// How well a place fits that may be meant.
const PLAUSIBLE: f64 = 0.5;

/// Asks Amazon Location.
#[derive(Debug, Clone)]
pub struct AmazonAddressCheck {
    client: Client,
}

impl AmazonAddressCheck {
    /// Asks as `config` says, within the limits of a call that somebody waits for.
    #[must_use]
    pub fn new(config: Builder) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(DEADLINE)
            .operation_attempt_timeout(TRY_TIMEOUT)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(TRIES_MAX)
            .with_initial_backoff(Duration::from_millis(100));
        Self { client: Client::from_conf(config.timeout_config(timeouts).retry_config(retries).build()) }
    }
}

#[async_trait]
impl AddressCheck for AmazonAddressCheck {
    fn checked_by(&self) -> CheckedBy {
        CheckedBy::Amazon
    }

    async fn check(&self, question: &Question) -> Result<Opinion, AddressCheckError> {
        let typed = &question.address;
        let query = query(typed).ok_or_else(|| AddressCheckError::NotCovered("it is too long".into()))?;
        let filter = GeocodeFilter::builder().include_countries(typed.country.code()).build();
        let call = self
            .client
            .geocode()
            .query_text(query)
            .filter(filter)
            .intended_use(if question.is_kept {
                GeocodeIntendedUse::Storage
            } else {
                GeocodeIntendedUse::SingleUse
            })
            .max_results(1);
        let answer = call.send().await.map_err(|failure| error(&failure))?;
        Ok(opinion(typed, answer.result_items().first()))
    }
}

/// The causes are left out: Amazon may quote what was asked.
fn error(failure: &SdkError<GeocodeError, HttpResponse>) -> AddressCheckError {
    let cause = match failure.code() {
        Some(code) => code.to_owned().into(),
        None => failure.to_string().into(),
    };
    if aws::is_passing(failure) {
        AddressCheckError::Unavailable(cause)
    } else if failure.as_service_error().is_some_and(GeocodeError::is_validation_exception) {
        AddressCheckError::NotCovered(cause)
    } else {
        AddressCheckError::Rejected(cause)
    }
}

/// The address on one line, without the flat, which Amazon Location knows in few countries.
fn query(address: &Address) -> Option<String> {
    let parts = [
        Some(address.line1.as_str()),
        Some(address.city.as_str()),
        address.region.as_deref(),
        Some(address.postal_code.as_str()).filter(|code| !code.is_empty()),
    ];
    let query = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    (query.chars().count() <= QUERY_CHARS_MAX).then_some(query)
}

/// What the best match says about an address.
fn opinion(typed: &Address, found: Option<&GeocodeResultItem>) -> Opinion {
    let no_such_street = BTreeMap::from([(Field::Line1, Doubt::Unconfirmed)]);
    let Some(found) = found else {
        return Opinion::new(Verdict::Fix, typed, &AddressDraft::from(typed), &no_such_street, None);
    };
    let score = found.match_scores().map_or(0.0, types::MatchScoreDetails::overall);
    let (is_sure, is_plausible) = (score >= SURE, score >= PLAUSIBLE);
    let draft =
        found.address().map_or_else(|| AddressDraft::from(typed), |address| corrected(typed, address));
    let (verdict, doubts) = match found.place_type().as_str() {
        "PointAddress"
        | "InterpolatedAddress"
        | "SecondaryAddress"
        | "InferredSecondaryAddress"
        | "PointOfInterest"
            if is_plausible =>
        {
            (if is_sure { Verdict::Accept } else { Verdict::Confirm }, BTreeMap::new())
        }
        // The street is there; the number may be too new to be known.
        "Street" | "Intersection" | "Block" | "SubBlock" if is_plausible => {
            (Verdict::Confirm, no_such_street)
        }
        _ => (Verdict::Fix, no_such_street),
    };
    let coordinates = match found.position() {
        [longitude, latitude] => Coordinates::parse(&format!("{latitude:.6}"), &format!("{longitude:.6}")),
        _ => None,
    };
    let opinion = Opinion::new(verdict, typed, &draft, &doubts, coordinates);
    let is_changed = opinion.address != *typed;
    Opinion {
        verdict: if is_changed && verdict == Verdict::Accept { Verdict::Confirm } else { verdict },
        ..opinion
    }
}

/// The address with what Amazon Location knows better. Street and number stay as they were typed: which of them comes
/// first differs from country to country.
fn corrected(typed: &Address, found: &types::Address) -> AddressDraft {
    let same = |typed: &str, found: Option<&str>| found.is_some_and(|found| alike(typed, found));
    let mut draft = AddressDraft::from(typed);
    if let Some(city) = found.locality()
        && ![Some(city), found.district(), found.sub_district()]
            .into_iter()
            .any(|name| same(&typed.city, name))
    {
        city.clone_into(&mut draft.city);
    }
    if let Some(region) = found.region()
        && let Some(typed) = &typed.region
        && ![region.code(), region.name()].into_iter().any(|name| same(typed, name))
    {
        draft.region = region.code().or(region.name()).map(str::to_owned);
    }
    // The longer form of a code, with the carrier's route, is the same code.
    if let Some(code) = found.postal_code()
        && !spelling(code).starts_with(&spelling(&typed.postal_code))
    {
        draft.postal_code = Some(code.to_owned());
    }
    draft
}

fn alike(typed: &str, found: &str) -> bool {
    spelling(typed) == spelling(found)
}

/// A name without what people write differently.
fn spelling(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_geoplaces::types::{MatchScoreDetails, PlaceType, Region};

    use super::*;

    fn typed() -> Address {
        let draft = AddressDraft {
            name: "Ada Lovelace".to_owned(),
            line1: "1 Market Street".to_owned(),
            city: "Springfield".to_owned(),
            region: Some("IL".to_owned()),
            postal_code: Some("62701".to_owned()),
            country: "US".to_owned(),
            ..AddressDraft::default()
        };
        Address::parse(&draft).unwrap()
    }

    fn found(kind: PlaceType, score: f64, city: &str, region: &str, code: &str) -> GeocodeResultItem {
        let region = Region::builder().code(region).name("Illinois").build();
        let address = types::Address::builder().locality(city).region(region).postal_code(code).build();
        GeocodeResultItem::builder()
            .place_id("x")
            .title("x")
            .place_type(kind)
            .address(address)
            .match_scores(MatchScoreDetails::builder().overall(score).build())
            .position(-89.643_957_1)
            .position(39.799_017)
            .build()
            .unwrap()
    }

    #[test]
    fn the_verdict_follows_how_well_a_door_fits() {
        for (kind, score, verdict) in [
            (PlaceType::PointAddress, 1.0, Verdict::Accept),
            (PlaceType::InterpolatedAddress, 0.9, Verdict::Accept),
            (PlaceType::PointAddress, 0.7, Verdict::Confirm),
            (PlaceType::PointAddress, 0.3, Verdict::Fix),
            (PlaceType::PointAddress, f64::NAN, Verdict::Fix),
            (PlaceType::Street, 0.95, Verdict::Confirm),
            (PlaceType::Locality, 1.0, Verdict::Fix),
            (PlaceType::PostalCode, 1.0, Verdict::Fix),
        ] {
            let item = found(kind.clone(), score, "SPRINGFIELD", "IL", "62701-1234");
            let opinion = opinion(&typed(), Some(&item));
            assert_eq!(opinion.verdict, verdict, "{kind:?} {score}");
            assert_eq!(opinion.address, typed());
            let at = opinion.coordinates.unwrap();
            assert_eq!((at.latitude(), at.longitude()), ("39.799017".to_owned(), "-89.643957".to_owned()));
        }
        assert_eq!(opinion(&typed(), None).verdict, Verdict::Fix);
    }

    #[test]
    fn what_amazon_knows_better_is_for_the_buyer_to_confirm() {
        let item = found(PlaceType::PointAddress, 1.0, "Chicago", "IN", "60601");
        let opinion = opinion(&typed(), Some(&item));
        let told: Vec<_> =
            opinion.suggestions.iter().map(|s| (s.pointer.as_str(), s.value.as_deref())).collect();
        let expected = [("/city", Some("Chicago")), ("/region", Some("IN")), ("/postal_code", Some("60601"))];
        assert_eq!((opinion.verdict, told), (Verdict::Confirm, expected.to_vec()));
    }

    #[test]
    fn a_question_names_nobody_and_is_bounded() {
        assert_eq!(query(&typed()).as_deref(), Some("1 Market Street, Springfield, IL, 62701"));
        let mut long = typed();
        (long.line1, long.city) = ("x".repeat(100), "y".repeat(100));
        assert_eq!(query(&long), None);
    }
}
