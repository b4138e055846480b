//! What a test may do to the stand-in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Challenge, Charge, EventRecord, Intent, Refund, RefundStatus, Refusal, Session, Stripe, WebhookChanges,
    events::{event_json, record},
    form::Form,
};

/// Everything the stand-in holds.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// In the order they were made.
    pub intents: Vec<Intent>,
    /// In the order they were made.
    pub sessions: Vec<Session>,
    /// In the order they were made.
    pub charges: Vec<Charge>,
    /// In the order they were made.
    pub refunds: Vec<Refund>,
}

/// A change behind everyone's back; what is absent stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntentChanges {
    /// Minor units to charge.
    pub amount: Option<u64>,
    /// Minor units charged.
    pub amount_received: Option<u64>,
    /// Lower-case ISO code.
    pub currency: Option<String>,
    /// All of the metadata.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// An event made by hand.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Emit {
    /// `payment_intent.succeeded` and the like.
    #[serde(rename = "type")]
    pub kind: String,
    /// The object; with `intent` its fields are laid over that intent's.
    pub object: Option<Value>,
    /// Start from this intent as it stands.
    pub intent: Option<String>,
    /// The event's id, to repeat or forge one; a new one otherwise.
    pub id: Option<String>,
    /// When it claims to have happened, in epoch seconds.
    pub created: Option<i64>,
    /// Sign with this secret instead of the webhook's.
    pub secret: Option<String>,
    /// Sign as of this time, in epoch seconds.
    pub signed_at: Option<i64>,
}

impl Stripe {
    /// Sets where events go and how they are signed.
    pub fn set_webhook(&self, url: impl Into<String>, secret: impl Into<String>) {
        self.configure_webhook(WebhookChanges {
            url: Some(url.into()),
            secret: Some(secret.into()),
            ..WebhookChanges::default()
        });
    }

    /// The buyer answers the bank's question.
    ///
    /// # Errors
    /// When no such intent waits for it.
    pub fn authenticate(&self, intent: &str, challenge: Challenge) -> Result<Value, Refusal> {
        self.answer_challenge(&mut self.state(), intent, challenge)
    }

    /// Confirms as the buyer's browser would, without HTTP.
    ///
    /// # Errors
    /// When it is refused, or the card is declined.
    pub fn confirm(&self, intent: &str, payment_method: &str) -> Result<Value, Refusal> {
        self.confirm_intent(&mut self.state(), intent, &Form::of("payment_method", payment_method))
    }

    /// Lets new refunds stay pending until [`Stripe::settle`] says how they end.
    pub fn keep_refunds_pending(&self, pending: bool) {
        self.state().refunds_stay_pending = pending;
    }

    /// The bank answers a refund.
    ///
    /// # Errors
    /// When there is none that could go there.
    pub fn settle(&self, refund: &str, status: RefundStatus) -> Result<Value, Refusal> {
        self.settle_refund(&mut self.state(), refund, status)
    }

    /// Changes an intent behind everyone's back, without an event.
    ///
    /// # Errors
    /// When there is no such intent.
    pub fn alter_intent(&self, id: &str, changes: IntentChanges) -> Result<Value, Refusal> {
        let mut state = self.state();
        let Some(intent) = state.intents.get_mut(id) else {
            return Err(Refusal::missing("payment_intent", id));
        };
        let IntentChanges { amount, amount_received, currency, metadata } = changes;
        intent.amount = amount.unwrap_or(intent.amount);
        intent.amount_received = amount_received.unwrap_or(intent.amount_received);
        intent.currency = currency.unwrap_or_else(|| intent.currency.clone());
        intent.metadata = metadata.unwrap_or_else(|| intent.metadata.clone());
        Ok(intent.json(self.base_url()))
    }

    /// Sends an event made by hand and answers its id. It changes nothing the API shows.
    ///
    /// # Errors
    /// When it starts from an intent that is not there.
    pub fn emit_by_hand(&self, emit: Emit) -> Result<String, Refusal> {
        let mut object = match &emit.intent {
            Some(id) => self.retrieve_intent(&self.state(), id)?,
            None => Value::Object(Map::new()),
        };
        if let (Some(fields), Some(Value::Object(changes))) = (object.as_object_mut(), emit.object) {
            fields.extend(changes);
        }
        let id = emit.id.unwrap_or_else(|| self.new_id("evt"));
        let body = event_json(&id, &emit.kind, emit.created.unwrap_or_else(|| self.now()), &object);
        let event =
            EventRecord { secret: emit.secret, signed_at: emit.signed_at, ..record(id, &emit.kind, body) };
        Ok(self.courier().publish(event))
    }
}
