//! Cloudflare Turnstile: a page's widget gives out a token, and `siteverify` says once whether a person got it.

use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::json;

use crate::{
    bot_check::{BotCheck, BotCheckError, Claim},
    calls::{CallLimits, Cause, Failure, Verdict},
    json_http::{Call, JsonClient, Payload},
    secret::{SecretSlot, SecretsError},
};

/// Where Turnstile is.
pub const BASE_URL: &str = "https://challenges.cloudflare.com";

/// A person waits for the answer, so it is not waited for as long as for money.
const LIMITS: CallLimits = CallLimits {
    deadline: Duration::from_secs(5),
    try_timeout: Duration::from_secs(2),
    tries_max: 2,
    backoff: Duration::from_millis(100),
};

/// Asks Turnstile about the challenges of one frontend.
#[derive(Debug)]
pub struct Turnstile<S> {
    http: JsonClient,
    secret_key: S,
    hostname: String,
}

impl<S: SecretSlot> Turnstile<S> {
    /// Asks at `base_url` with the key in `secret_key`, which may be cached for ever. Only challenges that were solved
    /// on the pages of `frontend_url` count.
    ///
    /// # Errors
    /// What is wrong with `frontend_url`.
    pub fn try_new(base_url: &str, secret_key: S, frontend_url: &str) -> Result<Self, &'static str> {
        let host = frontend_url.split_once("://").and_then(|(_, rest)| rest.split(['/', ':']).next());
        let hostname = host.filter(|host| !host.is_empty()).ok_or("has no host")?.to_ascii_lowercase();
        Ok(Self { http: JsonClient::new(base_url, LIMITS, |_| None), secret_key, hostname })
    }

    fn judge(&self, claim: &Claim, answer: &Answer) -> Result<bool, BotCheckError> {
        if answer.success {
            let right = answer.hostname.as_deref() == Some(self.hostname.as_str())
                && answer.action.as_deref() == Some(claim.action);
            if !right {
                tracing::warn!(
                    bot_check.action = claim.action,
                    "A challenge of another page or form was presented"
                );
            }
            return Ok(right);
        }
        let codes = answer.error_codes.join(", ");
        let ours = |code: &String| {
            matches!(code.as_str(), "missing-input-secret" | "invalid-input-secret" | "bad-request")
        };
        if answer.error_codes.iter().any(ours) {
            return Err(BotCheckError::Rejected(codes.into()));
        }
        if answer.error_codes.iter().any(|code| code == "internal-error") {
            return Err(BotCheckError::Unavailable(codes.into()));
        }
        tracing::info!(bot_check.codes = codes, "A challenge was not solved");
        Ok(false)
    }
}

/// The same token is always asked about under the same key, so that a repeated question is not a second use.
fn key_of(token: &str) -> String {
    let hash = digest(&SHA256, token.as_bytes());
    let (head, _) = hash.as_ref().split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
    // The layout of a version 8 UUID, whose bits are the maker's own (RFC 9562, section 5.8).
    let bits = u128::from_be_bytes(*head) & !(0xf_u128 << 76) & !(0x3_u128 << 62)
        | (0x8_u128 << 76)
        | (0x2_u128 << 62);
    let hex = format!("{bits:032x}");
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}

#[derive(Deserialize)]
struct Answer {
    success: bool,
    #[serde(default)]
    hostname: Option<String>,
    #[serde(default)]
    action: Option<String>,
    #[serde(default, rename = "error-codes")]
    error_codes: Vec<String>,
}

#[async_trait]
impl<S: SecretSlot> BotCheck for Turnstile<S> {
    async fn is_person(&self, claim: &Claim) -> Result<bool, BotCheckError> {
        let secret = match self.secret_key.read(0).await {
            Ok(secret) => secret.ok_or_else(|| BotCheckError::Rejected(SecretsError::Missing.into()))?,
            Err(error @ SecretsError::Unavailable(_)) => {
                return Err(BotCheckError::Unavailable(error.into()));
            }
            Err(error) => return Err(BotCheckError::Rejected(error.into())),
        };
        let key = key_of(&claim.token);
        let question = json!({
            "secret": secret.expose(), "response": claim.token, "remoteip": claim.source_ip, "idempotency_key": key,
        })
        .to_string();
        let call = Call {
            method: "POST",
            path: "/turnstile/v0/siteverify",
            headers: &[],
            body: Some(Payload::Json(&question)),
            key: &key,
        };
        let answer =
            self.http.call::<Answer>(call).await.map_err(|Failure { cause, .. }| match cause.verdict() {
                Verdict::Final => BotCheckError::Rejected(cause.into()),
                Verdict::Unknown | Verdict::Busy => BotCheckError::Unavailable(cause.into()),
            })?;
        self.judge(claim, &answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_uuid_and_always_the_same() {
        let key = key_of("token");
        assert_eq!(key, key_of("token"));
        assert_ne!(key, key_of("token2"));
        let lengths: Vec<_> = key.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(key.as_bytes().get(14), Some(&b'8'), "{key}");
        assert!(matches!(key.as_bytes().get(19), Some(b'8' | b'9' | b'a' | b'b')), "{key}");
    }
}
