//! Shippo's webhooks: is this message Shippo's, and which parcel is it about.
//!
//! Shippo signs like Stripe where that is agreed with it, and otherwise only repeats a token that we put into the address
//! of the webhook. Whoever reads such an address can send anything, so a message that only has the token is good for a
//! question.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde::Deserialize;
use sutler_domain::{
    shipment::{CarrierNews, Tracking, TrackingToken},
    time::Timestamp,
};

use crate::carriers::Track;
pub use crate::signature::{SignatureError, verify};

/// The event that tells of a parcel.
const TRACK_UPDATED: &str = "track_updated";

/// Whether the token of the address is ours, in constant time. Any of `tokens` will do, so that they can be changed.
#[must_use]
pub fn is_token(given: &str, tokens: &[&str]) -> bool {
    // An empty token is one that was never configured.
    let is = |token: &&str| {
        !token.is_empty() && verify_slices_are_equal(token.as_bytes(), given.as_bytes()).is_ok()
    };
    tokens.iter().any(is)
}

/// A message about a parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShippoEvent {
    /// Which parcel.
    pub parcel: TrackingToken,
    /// How it stands.
    pub track: Track,
}

/// Reads a message; nothing when the bytes are none, or it is about other things than a parcel. Of the places that it names
/// nothing is read.
#[must_use]
pub fn parse_event(raw: &[u8]) -> Option<ShippoEvent> {
    let message: Message = serde_json::from_slice(raw).ok()?;
    if message.event != TRACK_UPDATED {
        return None;
    }
    let Tracked { carrier, tracking_number, tracking_status } = message.data;
    let parcel = Tracking::parse(&carrier?, &tracking_number?).ok()?.token();
    Some(ShippoEvent {
        parcel,
        track: tracking_status.map_or(Track { news: None, at: None }, |status| status.read()),
    })
}

#[derive(Deserialize)]
struct Message {
    event: String,
    data: Tracked,
}

/// A parcel, in messages and in answers alike.
#[derive(Deserialize)]
pub(crate) struct Tracked {
    pub carrier: Option<String>,
    pub tracking_number: Option<String>,
    pub tracking_status: Option<Status>,
}

#[derive(Deserialize)]
pub(crate) struct Status {
    #[serde(rename = "status")]
    word: String,
    #[serde(rename = "status_date")]
    at: Option<String>,
    substatus: Option<Substatus>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Substatus {
    Whole { code: String },
    Code(String),
}

impl Status {
    pub(crate) fn read(&self) -> Track {
        let code = self.substatus.as_ref().map(|substatus| match substatus {
            Substatus::Whole { code } | Substatus::Code(code) => code.as_str(),
        });
        let news = match (self.word.as_str(), code) {
            ("TRANSIT", Some("out_for_delivery")) => Some(CarrierNews::OutForDelivery),
            ("DELIVERED", _) => Some(CarrierNews::Delivered),
            ("RETURNED", _) => Some(CarrierNews::Returned),
            ("FAILURE", _) => Some(CarrierNews::Failed),
            // `UNKNOWN`, `PRE_TRANSIT`, other stops on the way, and words of the future.
            _ => None,
        };
        Track { news, at: self.at.as_deref().and_then(Timestamp::parse) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn message(status: &Value) -> Vec<u8> {
        let data = json!({
            "carrier": "usps", "tracking_number": "9205590164917312751089", "eta": null, "messages": [],
            "address_to": {"city": "Springfield", "state": "IL", "zip": "62701", "country": "US"},
            "tracking_status": status, "tracking_history": [status],
        });
        json!({"event": "track_updated", "test": false, "data": data}).to_string().into_bytes()
    }

    #[test]
    fn what_a_message_says_of_a_parcel_is_read() {
        for (status, news) in [
            (json!({"status": "UNKNOWN"}), None),
            (json!({"status": "PRE_TRANSIT", "substatus": null}), None),
            (json!({"status": "TRANSIT", "substatus": {"code": "package_accepted", "text": "x"}}), None),
            (
                json!({"status": "TRANSIT", "substatus": {"code": "out_for_delivery", "text": "x"}}),
                Some(CarrierNews::OutForDelivery),
            ),
            (
                json!({"status": "TRANSIT", "substatus": "out_for_delivery"}),
                Some(CarrierNews::OutForDelivery),
            ),
            (json!({"status": "DELIVERED"}), Some(CarrierNews::Delivered)),
            (json!({"status": "RETURNED"}), Some(CarrierNews::Returned)),
            (json!({"status": "FAILURE"}), Some(CarrierNews::Failed)),
            (json!({"status": "SOMETHING_NEW"}), None),
        ] {
            let event = parse_event(&message(&status)).unwrap();
            assert_eq!((event.track.news, event.parcel.carrier.as_str()), (news, "usps"), "{status}");
        }
        let dated = json!({"status": "DELIVERED", "status_date": "2027-01-02T03:04:05Z"});
        let at = parse_event(&message(&dated)).unwrap().track.at;
        assert_eq!(at, Timestamp::parse("2027-01-02T03:04:05Z"));
        let undated = json!({"status": "DELIVERED", "status_date": "yesterday"});
        assert_eq!(parse_event(&message(&undated)).unwrap().track.at, None);
    }

    #[test]
    fn what_is_not_about_a_parcel_is_none() {
        for other in [
            json!({"event": "transaction_created", "data": {"object_id": "1"}}),
            json!({"event": "track_updated", "data": {"carrier": "usps"}}),
            json!({"event": "track_updated", "data": {"carrier": "", "tracking_number": "1"}}),
            json!({"event": "track_updated", "data": null}),
            json!([]),
        ] {
            assert_eq!(parse_event(other.to_string().as_bytes()), None, "{other}");
        }
        assert_eq!(parse_event(&message(&Value::Null)).unwrap().track, Track { news: None, at: None });
    }

    #[test]
    fn a_token_is_ours_or_it_is_not() {
        assert!(is_token("t0ken", &["old", "t0ken"]));
        for bad in ["", "t0ke", "t0kenn", "T0KEN"] {
            assert!(!is_token(bad, &["t0ken", ""]), "{bad}");
        }
        assert!(!is_token("", &[]));
    }

    proptest! {
        #[test]
        fn no_body_upsets_the_reader(body: Vec<u8>) {
            drop(parse_event(&body));
        }
    }
}
