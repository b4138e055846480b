//! Stripe's webhooks: is this message Stripe's, and what does it say. Without the SDK, so that the endpoint stays small.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

pub use crate::signature::{SignatureError, verify};

/// The gateway that payments on Stripe's own page belong to. Its sessions and their payments carry the name.
pub const CHECKOUT: &str = "stripe_checkout";

/// An event, as far as we act on it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StripeEvent {
    /// `evt_…`: the same for every delivery of one event.
    pub id: String,
    /// `payment_intent.succeeded` and the like.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened, in epoch seconds.
    pub created: i64,
    /// What it is about, as it was then.
    #[serde(rename = "data", deserialize_with = "object_of")]
    pub object: StripeObject,
}

/// The object of an event: an intent, a charge, a refund or a checkout session. What its kind lacks is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct StripeObject {
    /// `pi_…`, `ch_…`, `re_…`. Some kinds that we do not act on have none.
    pub id: Option<String>,
    /// `payment_intent`, `charge`, `refund`, `checkout.session`.
    pub object: String,
    /// What was asked, in minor units.
    #[serde(default)]
    pub amount: Option<u64>,
    /// What an intent has taken, in minor units.
    #[serde(default)]
    pub amount_received: Option<u64>,
    /// What a page takes, in minor units.
    #[serde(default)]
    pub amount_total: Option<u64>,
    /// Whether a page was paid on: `paid`, `unpaid`, `no_payment_required`.
    #[serde(default)]
    pub payment_status: Option<String>,
    /// What of a charge went back, in minor units.
    #[serde(default)]
    pub amount_refunded: Option<u64>,
    /// Upper-case ISO code.
    #[serde(default, deserialize_with = "upper_case")]
    pub currency: Option<String>,
    /// The object's own state.
    #[serde(default)]
    pub status: Option<String>,
    /// What we wrote on it. Intents that others made on the same account carry other things, or nothing.
    #[serde(default, deserialize_with = "null_is_default")]
    pub metadata: StripeMetadata,
    /// The intent of a charge or a refund.
    #[serde(default, deserialize_with = "id_or_object")]
    pub payment_intent: Option<String>,
    /// Why the last try to pay an intent failed.
    #[serde(default, rename = "last_payment_error", deserialize_with = "code_of")]
    pub last_error_code: Option<String>,
}

/// What we wrote on an intent or a refund.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct StripeMetadata {
    /// The order.
    #[serde(default)]
    pub order_id: Option<String>,
    /// The gateway, where it is not that of cards.
    #[serde(default)]
    pub gateway: Option<String>,
    /// The attempt; absent too when it is not a number, for then it is not ours.
    #[serde(default, deserialize_with = "number_or_nothing")]
    pub attempt: Option<u32>,
}

/// Authentic bytes that are no event. The reader's own words are not kept: they quote what they stumbled over, and
/// an event is full of personal data.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message is not an event of Stripe: line {line}, column {column}")]
pub struct UnreadableEvent {
    line: usize,
    column: usize,
}

/// Reads an event. Call [`verify`] first.
///
/// # Errors
/// [`UnreadableEvent`] when the bytes are no event.
pub fn parse_event(raw: &[u8]) -> Result<StripeEvent, UnreadableEvent> {
    serde_json::from_slice(raw).map_err(|e| UnreadableEvent { line: e.line(), column: e.column() })
}

fn object_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StripeObject, D::Error> {
    #[derive(Deserialize)]
    struct Data {
        object: Value,
    }
    let object = Data::deserialize(deserializer)?.object;
    let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
    match text("object") {
        Some(kind)
            if !matches!(kind.as_str(), "payment_intent" | "charge" | "refund" | "checkout.session") =>
        {
            // Of kinds we do not act on nothing is expected, so that they cannot stop a queue.
            Ok(StripeObject { id: text("id"), object: kind, ..StripeObject::default() })
        }
        Some(_) | None => serde_json::from_value(object).map_err(D::Error::custom),
    }
}

fn upper_case<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| text.to_ascii_uppercase()))
}

fn null_is_default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StripeMetadata, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn number_or_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// Stripe shows a reference as an id, or as the whole object where someone asked it to.
fn id_or_object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Reference {
        Id(String),
        Object { id: String },
    }
    let reference = Option::<Reference>::deserialize(deserializer)?;
    Ok(reference.map(|reference| match reference {
        Reference::Id(id) | Reference::Object { id } => id,
    }))
}

fn code_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    struct PaymentError {
        code: Option<String>,
    }
    let error = Option::<PaymentError>::deserialize(deserializer)?;
    Ok(error.and_then(|error| error.code))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_790_000_000;

    proptest! {
        #[test]
        fn no_body_upsets_the_parser(body: Vec<u8>) {
            prop_assert!(parse_event(&body).is_err());
        }
    }

    fn event(object: &serde_json::Value) -> Result<StripeEvent, UnreadableEvent> {
        let event = serde_json::json!({
            "id": "evt_1", "type": "some.thing", "created": NOW, "livemode": false, "data": {"object": object},
        });
        parse_event(event.to_string().as_bytes())
    }

    #[test]
    fn an_intent_is_read() {
        let event = event(&serde_json::json!({
            "id": "pi_1", "object": "payment_intent", "amount": 2599, "amount_received": 0, "currency": "usd",
            "status": "requires_payment_method", "metadata": {"order_id": "ord_1", "attempt": "2", "other": "x"},
            "last_payment_error": {"code": "card_declined", "type": "card_error"}, "unknown": [1],
        }));
        let event = event.unwrap();
        assert_eq!((event.id.as_str(), event.kind.as_str(), event.created), ("evt_1", "some.thing", NOW));
        let metadata = StripeMetadata { order_id: Some("ord_1".to_owned()), attempt: Some(2), gateway: None };
        let intent = StripeObject {
            id: Some("pi_1".to_owned()),
            object: "payment_intent".to_owned(),
            amount: Some(2599),
            amount_received: Some(0),
            currency: Some("USD".to_owned()),
            status: Some("requires_payment_method".to_owned()),
            metadata,
            last_error_code: Some("card_declined".to_owned()),
            ..StripeObject::default()
        };
        assert_eq!(event.object, intent);
    }

    #[test]
    fn a_charge_names_its_intent_by_id_or_whole() {
        for reference in [serde_json::json!("pi_1"), serde_json::json!({"id": "pi_1", "amount": 5})] {
            let charge = serde_json::json!({
                "id": "ch_1", "object": "charge", "amount_refunded": 5, "payment_intent": reference, "metadata": null,
                "last_payment_error": null, "currency": null,
            });
            let object = event(&charge).unwrap().object;
            assert_eq!((object.payment_intent.as_deref(), object.amount_refunded), (Some("pi_1"), Some(5)));
        }
    }

    #[test]
    fn events_we_do_not_act_on_are_read_and_nonsense_is_not() {
        let other = event(&serde_json::json!({"object": "balance", "amount": [-1], "status": 3})).unwrap();
        assert_eq!(other.object, StripeObject { object: "balance".to_owned(), ..StripeObject::default() });
        let foreign =
            serde_json::json!({"id": "pi_1", "object": "payment_intent", "metadata": {"attempt": "first"}});
        assert_eq!(event(&foreign).unwrap().object.metadata, StripeMetadata::default());
        let negative = serde_json::json!({"id": "pi_1", "object": "payment_intent", "amount": -1});
        assert!(event(&negative).is_err());
        assert!(event(&serde_json::json!({"id": "pi_1"})).is_err());
        assert!(parse_event(b"[]").is_err());
    }
}
