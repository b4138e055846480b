//! Signatures of the form `t=…,v1=…`, as Stripe and Shippo make them: a time, and the HMAC-SHA256 of that and of the raw
//! bytes in hexadecimal.

use aws_lc_rs::hmac;

/// More signatures than this are not looked at; there is one per active secret.
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

/// Checks the value of the header for the bytes as they arrived. Any of `secrets` may have signed, so that
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
        fn no_header_upsets_the_reader(text in ".{0,300}", body: Vec<u8>) {
            prop_assert!(check(&body, &text).is_err());
        }
    }
}
