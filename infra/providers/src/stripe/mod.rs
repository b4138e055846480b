//! A stand-in of Stripe: payment intents, checkout sessions, refunds, idempotency keys and signed webhooks.
//!
//! The calls live under `/stripe/v1/`; [`Stripe`] carries the test controls as methods.

mod controls;
pub(crate) mod error;
mod events;
mod form;
pub(crate) mod http;
mod idempotency;
mod intents;
mod operation;
mod refunds;
pub(crate) mod routes;
mod sessions;

use std::collections::{BTreeMap, HashMap};

use crate::{
    courier::Signing,
    stand_in::{Provider, StandIn},
};

pub use crate::{
    faults::{Answer, When},
    webhook::{Attempt, Delivery, EventRecord, Order, WebhookChanges, WebhookSettings},
};
pub use controls::{Emit, IntentChanges, Snapshot};
pub use error::Refusal;
pub(crate) use events::hmac_hex;
pub use events::signature;
pub use intents::{Challenge, Charge, Intent, IntentStatus};
pub use operation::Operation;
pub use refunds::{Refund, RefundStatus};
pub use sessions::{Session, SessionStatus};

/// A fault of some of Stripe's calls.
pub type Fault = crate::faults::Fault<Operation>;

/// The version of Stripe's API whose answers these are; the pinned SDK asks for it.
pub const API_VERSION: &str = "2026-09-30.endive";

/// The stand-in of Stripe.
pub type Stripe = StandIn<State>;

/// What the account holds.
#[derive(Debug, Default)]
pub struct State {
    intents: BTreeMap<String, Intent>,
    sessions: BTreeMap<String, Session>,
    charges: BTreeMap<String, Charge>,
    refunds: BTreeMap<String, Refund>,
    refunds_stay_pending: bool,
    keys: HashMap<String, idempotency::Kept>,
}

impl Provider for State {
    type Operation = Operation;
    type Snapshot = Snapshot;
    const NAME: &'static str = "stripe";

    fn sign(_: &str, message: &Signing<'_>) -> Vec<(&'static str, String)> {
        vec![("stripe-signature", signature(message.secret, message.at_epoch_s, message.body))]
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            intents: self.intents.values().cloned().collect(),
            sessions: self.sessions.values().cloned().collect(),
            charges: self.charges.values().cloned().collect(),
            refunds: self.refunds.values().cloned().collect(),
        }
    }
}

impl Stripe {
    fn new_id(&self, prefix: &str) -> String {
        format!("{prefix}_{}", self.new_number())
    }
}
