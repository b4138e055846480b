//! Stripe's refusals, in its own JSON.

use std::fmt;

use serde_json::{Value, json};

/// A call that Stripe answers with an error.
#[derive(Debug, Clone)]
pub struct Refusal {
    status: u16,
    kind: &'static str,
    message: String,
    code: Option<&'static str>,
    decline_code: Option<&'static str>,
    param: Option<&'static str>,
    intent: Option<Box<Value>>,
    /// Whether the call had begun to run, so that its idempotency key keeps this answer.
    pub(crate) ran: bool,
}

impl Refusal {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, kind, message, code: None, decline_code: None, param: None, intent: None, ran: false }
    }

    /// A parameter is missing or unreadable; nothing ran.
    pub(crate) fn parameter(param: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        let refusal = Self::new(400, "invalid_request_error", message).code(code);
        Self { param: Some(param), ..refusal }
    }

    /// The state of the object forbids the call.
    pub(crate) fn state(code: &'static str, message: impl Into<String>, intent: Option<Value>) -> Self {
        let refusal = Self::new(400, "invalid_request_error", message).code(code);
        Self { intent: intent.map(Box::new), ran: true, ..refusal }
    }

    pub(crate) fn missing(kind: &str, id: &str) -> Self {
        let refusal = Self::new(404, "invalid_request_error", format!("No such {kind}: '{id}'"));
        Self { param: Some("id"), ..refusal.code("resource_missing") }
    }

    pub(crate) fn unauthorised(message: impl Into<String>) -> Self {
        Self::new(401, "invalid_request_error", message)
    }

    pub(crate) fn url() -> Self {
        Self::new(404, "invalid_request_error", "Unrecognized request URL.")
    }

    pub(crate) fn card(
        code: &'static str,
        decline_code: Option<&'static str>,
        message: &str,
        intent: Value,
    ) -> Self {
        let refusal = Self::new(402, "card_error", message).code(code);
        Self { decline_code, intent: Some(Box::new(intent)), ran: true, ..refusal }
    }

    pub(crate) fn key_reused(message: &str) -> Self {
        Self::new(400, "idempotency_error", message)
    }

    pub(crate) fn key_in_use() -> Self {
        let message = "There is currently another in-progress request using this Idempotent Key.";
        Self::new(409, "idempotency_error", message).code("idempotency_key_in_use")
    }

    /// What a test asked for instead of the true answer.
    pub(crate) fn injected(status: u16) -> Self {
        match status {
            409 => Self::new(status, "invalid_request_error", "Injected.").code("lock_timeout"),
            429 => Self::new(status, "invalid_request_error", "Injected.").code("rate_limit"),
            _ => Self::new(status, "api_error", "Injected."),
        }
    }

    pub(crate) fn injected_body(status: u16) -> Value {
        Self::injected(status).body()
    }

    fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The inner error object; it is also what an intent keeps as its last payment error.
    #[must_use]
    pub fn error(&self) -> Value {
        let mut error = json!({"type": self.kind, "message": self.message});
        let optional = [("code", self.code), ("decline_code", self.decline_code), ("param", self.param)];
        if let Some(fields) = error.as_object_mut() {
            for (name, value) in optional {
                fields.extend(value.map(|text| (name.to_owned(), Value::from(text))));
            }
            fields.extend(self.intent.as_deref().map(|intent| ("payment_intent".to_owned(), intent.clone())));
        }
        error
    }

    pub(crate) fn body(&self) -> Value {
        json!({"error": self.error()})
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
