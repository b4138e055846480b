//! PayPal's webhooks: is this message PayPal's, and which payment is it about. The signature is verified here, with the
//! certificate the message names and the roots we trust; what became of the payment is asked, not believed.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime, pem::PemObject};
use serde::Deserialize;
use serde_json::{Map, Value};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::{
    BoxError,
    json_http::{Call, HttpFailure, Https, send},
};

/// Whom the signing certificate is issued to.
const SIGNER: &str = "messageverificationcerts.paypal.com";
/// Where certificates lie on every host of PayPal's.
const CERTIFICATES: &str = "/v1/notifications/certs/";
/// The only algorithm there is.
const ALGORITHM: &str = "SHA256withRSA";
/// How many certificates are kept; PayPal uses one at a time.
const KEPT_MAX: usize = 8;
/// How many certificates a chain may have.
const CHAIN_MAX: usize = 8;
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);

/// The headers that prove a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmission<'a> {
    /// `PAYPAL-TRANSMISSION-ID`
    pub id: &'a str,
    /// `PAYPAL-TRANSMISSION-TIME`
    pub time: &'a str,
    /// `PAYPAL-TRANSMISSION-SIG`
    pub signature: &'a str,
    /// `PAYPAL-CERT-URL`
    pub cert_url: &'a str,
    /// `PAYPAL-AUTH-ALGO`
    pub algorithm: &'a str,
}

impl Transmission<'_> {
    /// What PayPal is asked with when it is to decide itself.
    #[must_use]
    pub fn question(&self, webhook_id: &str) -> Map<String, Value> {
        let fields = [
            ("auth_algo", self.algorithm),
            ("cert_url", self.cert_url),
            ("transmission_id", self.id),
            ("transmission_sig", self.signature),
            ("transmission_time", self.time),
            ("webhook_id", webhook_id),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
    }
}

/// Why a message is not believed.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// It is not PayPal's, or not as PayPal sent it.
    #[error("the signature is not PayPal's")]
    Forged,
    /// It was signed too long ago, or later than now.
    #[error("the signature is too old, or from the future")]
    Stale,
    /// The certificate cannot be had, or leads to no root we know. PayPal itself can tell.
    #[error("the certificate of the signature cannot be judged")]
    Undecided(#[source] BoxError),
}

/// Verifies messages, and keeps the certificates they name.
#[derive(Debug)]
pub struct Verifier {
    https: Https,
    /// What the address of a certificate has to start with.
    allowed: Vec<String>,
    roots: Vec<TrustAnchor<'static>>,
    kept: Mutex<HashMap<String, Vec<CertificateDer<'static>>>>,
}

impl Verifier {
    /// Believes certificates of the PayPal at `base_url`, live or sandbox, that lead to the roots that browsers trust.
    ///
    /// At any other address is a stand-in: it serves its own certificates, and `roots` (PEM) is what they lead to.
    ///
    /// # Errors
    /// [`HttpFailure::Invalid`] when `roots` do not read.
    pub fn try_new(base_url: &str, roots: Option<&str>) -> Result<Self, HttpFailure> {
        let base_url = base_url.trim_end_matches('/');
        let hosts: &[&str] = match base_url {
            "https://api-m.paypal.com" | "https://api.paypal.com" => {
                &["https://api.paypal.com", "https://api-m.paypal.com"]
            }
            "https://api-m.sandbox.paypal.com" | "https://api.sandbox.paypal.com" => {
                &["https://api.sandbox.paypal.com", "https://api-m.sandbox.paypal.com"]
            }
            stand_in => &[stand_in],
        };
        let is_paypal = hosts.len() > 1;
        let roots = match roots.filter(|_| !is_paypal) {
            None => webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            Some(pem) => anchors(pem).ok_or_else(|| HttpFailure::Invalid("roots".to_owned()))?,
        };
        Ok(Self {
            https: Https::default(),
            allowed: hosts.iter().map(|host| format!("{host}{CERTIFICATES}")).collect(),
            roots,
            kept: Mutex::default(),
        })
    }

    /// Checks that the bytes are a message of PayPal's to the webhook `webhook_id`, signed within `tolerance_s` of now.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub async fn verify(
        &self,
        raw: &[u8],
        transmission: &Transmission<'_>,
        webhook_id: &str,
        now_epoch_s: i64,
        tolerance_s: i64,
    ) -> Result<(), SignatureError> {
        let at: jiff::Timestamp = transmission.time.parse().map_err(|_| SignatureError::Forged)?;
        let signature = BASE64_STANDARD.decode(transmission.signature).map_err(|_| SignatureError::Forged)?;
        if transmission.algorithm != ALGORITHM || webhook_id.is_empty() {
            return Err(SignatureError::Forged);
        }
        let age_s = now_epoch_s.saturating_sub(at.as_second());
        if age_s > tolerance_s || age_s < tolerance_s.saturating_neg() {
            return Err(SignatureError::Stale);
        }
        let message =
            format!("{}|{}|{webhook_id}|{}", transmission.id, transmission.time, crc32fast::hash(raw));
        let chain = self.chain(transmission.cert_url).await?;
        let now = Duration::from_secs(u64::try_from(now_epoch_s).unwrap_or_default());
        self.judge(&chain, message.as_bytes(), &signature, UnixTime::since_unix_epoch(now))
    }

    fn judge(
        &self,
        chain: &[CertificateDer<'_>],
        message: &[u8],
        signature: &[u8],
        now: UnixTime,
    ) -> Result<(), SignatureError> {
        let undecided = |error: webpki::Error| SignatureError::Undecided(error.into());
        let (leaf, others) = chain.split_first().ok_or(SignatureError::Forged)?;
        let leaf = EndEntityCert::try_from(leaf).map_err(undecided)?;
        let usage = KeyUsage::server_auth();
        leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &self.roots, others, now, usage, None, None)
            .map_err(undecided)?;
        let signer = ServerName::try_from(SIGNER).map_err(|_| SignatureError::Forged)?;
        leaf.verify_is_valid_for_subject_name(&signer).map_err(undecided)?;
        leaf.verify_signature(webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256, message, signature)
            .map_err(|_| SignatureError::Forged)
    }

    /// The certificate at `url` with those it leads to, from the cache or from PayPal.
    async fn chain(&self, url: &str) -> Result<Vec<CertificateDer<'static>>, SignatureError> {
        if !self.is_allowed(url) {
            return Err(SignatureError::Forged);
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned();
        if let Some(chain) = kept {
            return Ok(chain);
        }
        let call = Call { method: "GET", path: "", headers: &[], body: None, key: "certificate" };
        let pem = match send(self.https.connector(), url, call, FETCH_TIMEOUT).await {
            Ok((200, body)) => body,
            // PayPal has no such certificate, and did not move it: redirects are not followed.
            Ok((300..=499, _)) => return Err(SignatureError::Forged),
            Ok((status, _)) => {
                return Err(SignatureError::Undecided(format!("the answer was {status}").into()));
            }
            Err(error) => return Err(SignatureError::Undecided(error.into())),
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).take(CHAIN_MAX).collect();
        let chain = chain.map_err(|error| SignatureError::Undecided(error.to_string().into()))?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(url.to_owned(), chain.clone());
        Ok(chain)
    }

    /// Whether a certificate may lie there: on exactly one of the hosts, in exactly their directory.
    fn is_allowed(&self, url: &str) -> bool {
        let name = self.allowed.iter().find_map(|allowed| url.strip_prefix(allowed.as_str()));
        name.is_some_and(|name| {
            !name.is_empty()
                && name.len() <= 200
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
    }
}

fn anchors(pem: &str) -> Option<Vec<TrustAnchor<'static>>> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let certificates = certificates.ok().filter(|found: &Vec<CertificateDer<'static>>| !found.is_empty())?;
    certificates
        .iter()
        .map(|root| anchor_from_trusted_cert(root).ok().map(|anchor| anchor.to_owned()))
        .collect()
}

/// A message, as far as we act on it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PayPalEvent {
    /// `WH-…`: the same for every delivery of one event.
    pub id: String,
    /// `CHECKOUT.ORDER.APPROVED` and the like.
    #[serde(rename = "event_type")]
    pub kind: String,
    #[serde(default)]
    resource: Resource,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Resource {
    #[serde(default)]
    custom_id: Option<String>,
    #[serde(default)]
    purchase_units: Vec<Unit>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Unit {
    #[serde(default)]
    custom_id: Option<String>,
}

impl PayPalEvent {
    /// The order and the attempt it is about, as we once told PayPal.
    #[must_use]
    pub fn attempt(&self) -> Option<(&str, u32)> {
        let unit = self.resource.purchase_units.first().and_then(|unit| unit.custom_id.as_deref());
        let (order, attempt) = self.resource.custom_id.as_deref().or(unit)?.rsplit_once('/')?;
        Some((order, attempt.parse().ok()?))
    }

    /// Whether it is about a buyer's payment, and not about refunds or other things.
    #[must_use]
    pub fn is_of_a_payment(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "CHECKOUT.ORDER.APPROVED"
                | "CHECKOUT.ORDER.COMPLETED"
                | "CHECKOUT.ORDER.VOIDED"
                | "CHECKOUT.PAYMENT-APPROVAL.REVERSED"
                | "PAYMENT.CAPTURE.COMPLETED"
                | "PAYMENT.CAPTURE.DENIED"
                | "PAYMENT.CAPTURE.DECLINED"
                | "PAYMENT.CAPTURE.PENDING"
        )
    }
}

/// Reads a message; nothing when the bytes are none. Verify them first.
#[must_use]
pub fn parse_event(raw: &[u8]) -> Option<PayPalEvent> {
    serde_json::from_slice(raw).ok()
}
