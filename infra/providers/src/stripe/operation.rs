//! The calls of the API.

use serde::{Deserialize, Serialize};

/// A call of the API, for choosing which ones fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `POST /v1/payment_intents`
    CreateIntent,
    /// `GET /v1/payment_intents/{id}`
    RetrieveIntent,
    /// `POST /v1/payment_intents/{id}/confirm`
    ConfirmIntent,
    /// `POST /v1/payment_intents/{id}/cancel`
    CancelIntent,
    /// `POST /v1/checkout/sessions`
    CreateSession,
    /// `GET /v1/checkout/sessions/{id}`
    RetrieveSession,
    /// `POST /v1/checkout/sessions/{id}/expire`
    ExpireSession,
    /// `POST /v1/refunds`
    CreateRefund,
    /// `GET /v1/refunds/{id}`
    RetrieveRefund,
    /// `GET /v1/charges/{id}`
    RetrieveCharge,
    /// `GET /v1/events/{id}`
    RetrieveEvent,
}
