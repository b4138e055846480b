//! Stripe's webhooks: is this message Stripe's, and what does it say. Without the SDK, so that the endpoint stays small.

use aws_lc_rs::hmac;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

/// More signatures than this are not looked at; Stripe sends one per active secret.
const SIGNATURES_MAX: usize = 8;

/// Why a message is not believed. When several hold, the first of this list is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header is not `t=…,v1=…`.
    #[error("the signature header cannot be read")]
    Malformed,
    /// No secret of ours made any of the signatures.
    #[error("no signature matches")]
    Forged,
    /// It was signed too long ago: a replay, or a very late delivery.
    #[error("the signature is too old")]
    Stale,
    /// It claims to be signed later than now.
    #[error("the signature is from the future")]
    Future,
}

/// Checks the value of `Stripe-Signature` for the bytes as they arrived. Any of `secrets` may have signed, so that
/// they can be rotated.
///
/// # Errors
/// See [`SignatureError`].
pub fn verify(
    raw: &[u8],
    header: &str,
    secrets: &[&str],
    now_epoch_s: i64,
    tolerance_s: i64,
) -> Result<(), SignatureError> {
    let signed = Header::parse(header).ok_or(SignatureError::Malformed)?;
    if !secrets.iter().any(|secret| signed.is_by(secret, raw)) {
        return Err(SignatureError::Forged);
    }
    let age_s = now_epoch_s.saturating_sub(signed.at_epoch_s);
    if age_s > tolerance_s {
        return Err(SignatureError::Stale);
    }
    if age_s < tolerance_s.saturating_neg() {
        return Err(SignatureError::Future);
    }
    Ok(())
}

struct Header<'a> {
    /// As signed: the text, not the number.
    at: &'a str,
    at_epoch_s: i64,
    signatures: Vec<Vec<u8>>,
}

impl<'a> Header<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let mut at = None;
        let mut signatures = Vec::new();
        for part in header.split(',') {
            match part.trim().split_once('=')? {
                ("t", _) if at.is_some() => return None,
                ("t", text) => at = Some(text),
                ("v1", text) if signatures.len() < SIGNATURES_MAX => signatures.push(hex::decode(text).ok()?),
                // Other schemes prove nothing to us.
                _ => {}
            }
        }
        let at = at.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        if signatures.is_empty() {
            return None;
        }
        Some(Self { at, at_epoch_s: at.parse().ok()?, signatures })
    }

    /// Compares in constant time.
    fn is_by(&self, secret: &str, raw: &[u8]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let message = [self.at.as_bytes(), b".", raw].concat();
        // An empty secret is one that was never configured.
        !secret.is_empty() && self.signatures.iter().any(|tag| hmac::verify(&key, &message, tag).is_ok())
    }
}

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
    const TOLERANCE: i64 = 300;
    const SECRET: &str = "whsec_now";
    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    fn tag(secret: &str, at: i64, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        hex::encode(hmac::sign(&key, &[format!("{at}.").as_bytes(), body].concat()))
    }

    fn header(secret: &str, at: i64, body: &[u8]) -> String {
        format!("t={at},v1={}", tag(secret, at, body))
    }

    fn check(body: &[u8], header: &str) -> Result<(), SignatureError> {
        verify(body, header, &[SECRET], NOW, TOLERANCE)
    }

    #[test]
    fn a_signature_made_elsewhere_is_accepted() {
        // Made by openssl: `printf '1790000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_now`.
        let known = "t=1790000000,v1=122bb1d6a965c81c2ff15feb45de389d3f651235993453dd9373b4268f2d1d48";
        assert_eq!(check(BODY, known), Ok(()));
    }

    #[test]
    fn a_forged_signature_is_refused() {
        assert_eq!(check(BODY, &header("whsec_other", NOW, BODY)), Err(SignatureError::Forged));
        assert_eq!(check(b"{}", &header(SECRET, NOW, BODY)), Err(SignatureError::Forged));
        assert_eq!(
            check(BODY, &header(SECRET, NOW, BODY).replace("t=17", "t=18")),
            Err(SignatureError::Forged)
        );
        let whole = header(SECRET, NOW, BODY);
        assert_eq!(check(BODY, &whole[..whole.len() - 2]), Err(SignatureError::Forged));
        assert_eq!(verify(BODY, &header("", NOW, BODY), &[""], NOW, TOLERANCE), Err(SignatureError::Forged));
        assert_eq!(verify(BODY, &whole, &[], NOW, TOLERANCE), Err(SignatureError::Forged));
    }

    #[test]
    fn a_stale_or_future_signature_is_refused() {
        for (at, answer) in [
            (NOW - TOLERANCE, Ok(())),
            (NOW + TOLERANCE, Ok(())),
            (NOW - TOLERANCE - 1, Err(SignatureError::Stale)),
            (NOW + TOLERANCE + 1, Err(SignatureError::Future)),
            (i64::MAX, Err(SignatureError::Future)),
            (0, Err(SignatureError::Stale)),
        ] {
            assert_eq!(check(BODY, &header(SECRET, at, BODY)), answer, "{at}");
        }
        // A forgery is told as one, whatever time it claims.
        assert_eq!(check(BODY, &header("whsec_other", 0, BODY)), Err(SignatureError::Forged));
    }

    #[test]
    fn any_of_several_signatures_and_secrets_will_do() {
        let (good, bad) = (tag(SECRET, NOW, BODY), tag("whsec_other", NOW, BODY));
        assert_eq!(check(BODY, &format!("t={NOW},v1={bad},v1={good},v0=ab")), Ok(()));
        assert_eq!(check(BODY, &format!("v1={good}, t={NOW}")), Ok(()));
        assert_eq!(check(BODY, &format!("t={NOW},v0={good}")), Err(SignatureError::Malformed));
        let old = header("whsec_old", NOW, BODY);
        assert_eq!(verify(BODY, &old, &[SECRET, "whsec_old"], NOW, TOLERANCE), Ok(()));
    }

    #[test]
    fn an_unreadable_header_is_refused() {
        let good = tag(SECRET, NOW, BODY);
        for bad in [
            String::new(),
            "t".to_owned(),
            "t=,v1=".to_owned(),
            format!("t={NOW}"),
            format!("v1={good}"),
            format!("t=-5,v1={good}"),
            format!("t=+5,v1={good}"),
            format!("t=99999999999999999999,v1={good}"),
            format!("t={NOW},t={NOW},v1={good}"),
            format!("t={NOW},v1={good}x"),
            format!("t={NOW},v1=zz"),
        ] {
            assert_eq!(check(BODY, &bad), Err(SignatureError::Malformed), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_signed_is_accepted_and_nothing_near_it(body: Vec<u8>, place: usize, bit in 0..8_u8) {
            let signed = header(SECRET, NOW, &body);
            prop_assert_eq!(check(&body, &signed), Ok(()));
            let mut other = body.clone();
            if let Some(byte) = other.get_mut(place.checked_rem(body.len()).unwrap_or_default()) {
                *byte ^= 1 << bit;
                prop_assert_eq!(check(&other, &signed), Err(SignatureError::Forged));
            }
        }

        #[test]
        fn no_header_or_body_upsets_the_parsers(text in ".{0,300}", body: Vec<u8>) {
            prop_assert!(check(&body, &text).is_err());
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
