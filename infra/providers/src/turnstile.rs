//! Cloudflare Turnstile's `siteverify`.
//!
//! A token `solved:<action>:<anything>` is one that a person solved for that action; it works once. Every other token
//! was never issued.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Json, Router, body::Bytes, extract::State as Shared, http::HeaderMap, routing::post};
use serde_json::{Map, Value, json};

/// Where the widget was solved.
const HOSTNAME: &str = "localhost";

/// Which tokens were redeemed.
#[derive(Debug, Clone, Default)]
pub struct Turnstile {
    redeemed: Arc<Mutex<HashSet<String>>>,
}

impl Turnstile {
    /// Forgets everything.
    pub fn reset(&self) {
        self.redeemed.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn judge(&self, fields: &Map<String, Value>) -> Value {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let refuse = |code: &str| json!({"success": false, "error-codes": [code], "messages": []});
        match (text("secret"), text("response")) {
            ("", _) => refuse("missing-input-secret"),
            (secret, _) if !secret.starts_with("0x") => refuse("invalid-input-secret"),
            (_, "") => refuse("missing-input-response"),
            (_, token) => {
                let action = token.strip_prefix("solved:").and_then(|rest| rest.split_once(':'));
                let Some((action, _)) = action else { return refuse("invalid-input-response") };
                // A repetition under the same key is answered like the first.
                let key = text("idempotency_key");
                let mut redeemed = self.redeemed.lock().unwrap_or_else(PoisonError::into_inner);
                let repeated = !key.is_empty() && redeemed.contains(&format!("{token} {key}"));
                if !repeated && !redeemed.insert(token.to_owned()) {
                    return refuse("timeout-or-duplicate");
                }
                redeemed.insert(format!("{token} {key}"));
                json!({
                    "success": true, "error-codes": [], "challenge_ts": "2026-01-01T00:00:00Z",
                    "hostname": HOSTNAME, "action": action, "cdata": "",
                })
            }
        }
    }
}

pub(crate) fn router(turnstile: &Turnstile) -> Router {
    Router::new().route("/turnstile/v0/siteverify", post(verify)).with_state(turnstile.clone())
}

/// Takes a form or JSON, as the real one does.
async fn verify(Shared(turnstile): Shared<Turnstile>, headers: HeaderMap, body: Bytes) -> Json<Value> {
    let kind = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let fields = if kind.starts_with("application/json") {
        serde_json::from_slice(&body).unwrap_or_default()
    } else {
        form_urlencoded::parse(&body).map(|(name, value)| (name.into_owned(), json!(value))).collect()
    };
    Json(turnstile.judge(&fields))
}
