//! A stand-in of Chapa: transactions under the merchant's own references, refunds and signed webhooks.
//!
//! The calls live under `/chapa/v1/`; [`Chapa`] carries the test controls as methods.

pub(crate) mod http;
mod transactions;

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    courier::Signing,
    stand_in::{Provider, StandIn},
    stripe::hmac_hex,
    webhook::EventRecord,
};

pub use http::Operation;
pub use transactions::{Refund, Status, Transaction};

/// A fault of some of Chapa's calls.
pub type Fault = crate::faults::Fault<Operation>;

/// The stand-in of Chapa.
pub type Chapa = StandIn<State>;

/// What the account holds.
#[derive(Debug, Default)]
pub struct State {
    transactions: BTreeMap<String, Transaction>,
    refunds: Vec<Refund>,
}

/// Everything the stand-in holds.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// By reference.
    pub transactions: Vec<Transaction>,
    /// In the order they were made.
    pub refunds: Vec<Refund>,
}

impl Provider for State {
    type Operation = Operation;
    type Snapshot = Snapshot;
    const NAME: &'static str = "chapa";

    /// Both headers: the second is the same for every message and proves nothing.
    fn sign(_: &str, message: &Signing<'_>) -> Vec<(&'static str, String)> {
        vec![
            ("x-chapa-signature", signature(message.secret, message.body)),
            ("chapa-signature", signature(message.secret, message.secret)),
        ]
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            transactions: self.transactions.values().cloned().collect(),
            refunds: self.refunds.clone(),
        }
    }
}

impl Chapa {
    fn new_reference(&self) -> String {
        format!("AP{}", self.new_number().to_uppercase())
    }

    fn emit(&self, transaction: &Transaction, kind: &str, status: &str) {
        let body = transaction.event(kind, status);
        let id = format!("{kind}-{}-{}", transaction.reference, self.courier().events().len());
        self.courier().publish(EventRecord::new(id, kind, Some(transaction.tx_ref.clone()), body));
    }
}

/// The value of `x-chapa-signature` for a body.
#[must_use]
pub fn signature(secret: &str, body: &str) -> String {
    hmac_hex(secret, body)
}

/// A refusal, as Chapa words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// What went wrong.
    pub message: String,
}

impl Refusal {
    fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    fn body(&self) -> Value {
        json!({"message": self.message, "status": "failed", "data": null})
    }

    fn injected_body(status: u16) -> Value {
        Self::new(status, "Injected.").body()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
