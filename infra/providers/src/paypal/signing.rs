//! How PayPal proves that a message is its own.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, prelude::BASE64_STANDARD};

use crate::courier::Signing;

/// Where certificates lie.
pub(crate) const DIRECTORY: &str = "/v1/notifications/certs/";

/// The root that the stand-in's certificates lead to. Only tests trust it.
pub const ROOT: &str = include_str!("certificates/root.pem");
/// The certificate of the key that signs.
pub const CERTIFICATE: &str = include_str!("certificates/signer.pem");
/// A certificate of the same key and root, issued to somebody who is not PayPal.
pub const CERTIFICATE_OF_ANOTHER: &str = include_str!("certificates/other.pem");
const KEY: &[u8] = include_bytes!("certificates/signer.key.der");

/// The headers that prove a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmission {
    /// `PAYPAL-TRANSMISSION-ID`
    pub id: String,
    /// `PAYPAL-TRANSMISSION-TIME`
    pub time: String,
    /// `PAYPAL-TRANSMISSION-SIG`
    pub signature: String,
}

/// Signs a body as PayPal does, for the webhook `webhook_id`.
#[must_use]
pub fn transmission(id: &str, webhook_id: &str, at_epoch_s: i64, body: &[u8]) -> Transmission {
    let time = time(at_epoch_s);
    let signature = signature(&message(id, &time, webhook_id, body));
    Transmission { id: id.to_owned(), time, signature }
}

pub(crate) fn message(id: &str, time: &str, webhook_id: &str, body: &[u8]) -> String {
    format!("{id}|{time}|{webhook_id}|{}", crc32fast::hash(body))
}

pub(crate) fn signature(message: &str) -> String {
    // The key is a file of ours and the buffer has its size, so neither can fail.
    let Ok(key) = RsaKeyPair::from_pkcs8(KEY) else { return String::new() };
    let mut signature = vec![0; key.public_modulus_len()];
    let signed = key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature);
    signed.map_or_else(|_| String::new(), |()| BASE64_STANDARD.encode(signature))
}

pub(crate) fn sign(signing: &Signing<'_>, cert_url: &str) -> Vec<(&'static str, String)> {
    let made = transmission(signing.event, signing.secret, signing.at_epoch_s, signing.body.as_bytes());
    vec![
        ("paypal-transmission-id", made.id),
        ("paypal-transmission-time", made.time),
        ("paypal-transmission-sig", made.signature),
        ("paypal-cert-url", cert_url.to_owned()),
        ("paypal-auth-algo", "SHA256withRSA".to_owned()),
    ]
}

/// RFC 3339 without fractions, as PayPal writes it.
pub(crate) fn time(epoch_s: i64) -> String {
    jiff::Timestamp::from_second(epoch_s).map_or_else(|_| epoch_s.to_string(), |at| at.to_string())
}
