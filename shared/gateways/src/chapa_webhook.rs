//! Chapa's webhooks: is this message Chapa's, and which payment is it about. What became of that is asked, not believed.

use aws_lc_rs::hmac;
use serde::Deserialize;

/// Checks the value of `x-chapa-signature`, the HMAC-SHA256 of the raw bytes in hexadecimal. Any of `secrets` may have
/// signed, so that they can be rotated. The header `chapa-signature` is the same for every message and proves nothing.
#[must_use]
pub fn verify(raw: &[u8], signature: &str, secrets: &[&str]) -> bool {
    let Ok(tag) = hex::decode(signature) else { return false };
    let made_by = |secret: &&str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        // An empty secret is one that was never configured. The comparison takes constant time.
        !secret.is_empty() && hmac::verify(&key, raw, &tag).is_ok()
    };
    secrets.iter().any(made_by)
}

/// A message, as far as we act on it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ChapaEvent {
    /// `charge.success` and the like.
    pub event: String,
    /// Our name of the payment; payouts have none.
    #[serde(default)]
    pub tx_ref: Option<String>,
    /// Chapa's name of what happened.
    #[serde(default)]
    pub reference: Option<String>,
}

impl ChapaEvent {
    /// The same for every delivery of one event, which Chapa itself does not number.
    #[must_use]
    pub fn id(&self) -> String {
        let of = |part: &Option<String>| part.clone().unwrap_or_default();
        format!("{}/{}/{}", self.event, of(&self.tx_ref), of(&self.reference))
    }

    /// Whether it is about a buyer's payment, and not about refunds or payouts.
    #[must_use]
    pub fn is_of_a_charge(&self) -> bool {
        matches!(
            self.event.as_str(),
            "charge.success" | "charge.failed" | "charge.cancelled" | "charge.failed/cancelled"
        )
    }
}

/// Reads a message; nothing when the bytes are none. Call [`verify`] first.
#[must_use]
pub fn parse_event(raw: &[u8]) -> Option<ChapaEvent> {
    serde_json::from_slice(raw).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "hash_now";

    fn sign(secret: &str, body: &[u8]) -> String {
        hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body))
    }

    #[test]
    fn a_signature_made_elsewhere_is_accepted() {
        // Made by openssl: `printf '{"event":"charge.success"}' | openssl dgst -sha256 -hmac hash_now`.
        let known = "5ffd748faa96977a611f5c0de55cce1b9d736ff7882112e7c835fafa0ad2ad1c";
        assert!(verify(br#"{"event":"charge.success"}"#, known, &[SECRET]));
    }

    #[test]
    fn a_forged_signature_is_refused() {
        let body = br#"{"event":"charge.success"}"#;
        let good = sign(SECRET, body);
        assert!(verify(body, &good, &["hash_old", SECRET]));
        for bad in ["", "x", "zz", &good[2..], &sign("hash_other", body), &sign("", body)] {
            assert!(!verify(body, bad, &[SECRET, ""]), "{bad}");
        }
        assert!(!verify(body, &good, &[]));
        assert!(!verify(b"{}", &good, &[SECRET]));
        // What Chapa sends as `chapa-signature`: the secret signed with itself.
        assert!(!verify(body, &sign(SECRET, SECRET.as_bytes()), &[SECRET]));
    }

    proptest! {
        #[test]
        fn what_is_signed_is_accepted_and_nothing_near_it(body: Vec<u8>, place: usize, bit in 0..8_u8) {
            let signature = sign(SECRET, &body);
            prop_assert!(verify(&body, &signature, &[SECRET]));
            let mut other = body.clone();
            if let Some(byte) = other.get_mut(place.checked_rem(body.len()).unwrap_or_default()) {
                *byte ^= 1 << bit;
                prop_assert!(!verify(&other, &signature, &[SECRET]));
            }
        }

        #[test]
        fn no_signature_or_body_upsets_the_readers(text in ".{0,100}", body: Vec<u8>) {
            prop_assert!(!verify(&body, &text, &[SECRET]));
            drop(parse_event(&body));
        }
    }

    #[test]
    fn an_event_is_known_by_what_it_is_about() {
        let read = |text: &str| parse_event(text.as_bytes());
        let paid = r#"{"event":"charge.success","tx_ref":"ord_1-1","reference":"AP1","amount":"400.00"}"#;
        let paid = read(paid).unwrap();
        assert_eq!(paid.id(), "charge.success/ord_1-1/AP1");
        assert!(paid.is_of_a_charge());
        let payout = read(r#"{"event":"payout.success","reference":"M1"}"#).unwrap();
        assert!(!payout.is_of_a_charge());
        assert_eq!(read("[]"), None);
        assert_eq!(read(r#"{"tx_ref":"ord_1-1"}"#), None);
    }
}
