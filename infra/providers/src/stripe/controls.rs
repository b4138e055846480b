//! What a test may do to the stand-in.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Challenge, Charge, EventRecord, Fault, Intent, Operation, Order, Refund, RefundStatus, Refusal, Session,
    State, Stripe, WebhookChanges, WebhookSettings,
    events::{event_json, record},
    form::Form,
};
use crate::{controls::StandIn, courier::Courier};

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
    /// In the order they happened, with every attempt to deliver them.
    pub events: Vec<EventRecord>,
    /// Ids of events that wait to be released.
    pub held: Vec<String>,
    /// Deliveries that have not ended.
    pub pending_deliveries: usize,
    /// How often each call arrived, failed ones included.
    pub calls: BTreeMap<Operation, u64>,
    /// Faults still to strike.
    pub faults: Vec<Fault>,
    /// How events are delivered.
    pub webhook: WebhookSettings,
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
    /// Changes how events are delivered.
    pub fn configure_webhook(&self, changes: WebhookChanges) {
        self.inner.courier.configure(changes);
    }

    /// Sets where events go and how they are signed.
    pub fn set_webhook(&self, url: impl Into<String>, secret: impl Into<String>) {
        self.configure_webhook(WebhookChanges {
            url: Some(url.into()),
            secret: Some(secret.into()),
            ..WebhookChanges::default()
        });
    }

    /// Injects a fault; several strike in the order they came.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Stops holding events and delivers the held ones, one after the other.
    pub fn release(&self, order: Order) {
        self.inner.courier.release(order);
    }

    /// Throws the held events away: they are never delivered.
    pub fn discard_held(&self) {
        self.inner.courier.discard_held();
    }

    /// Delivers an event again, `copies` times in parallel.
    ///
    /// # Errors
    /// When there is no such event.
    pub fn redeliver(&self, event: &str, copies: u32) -> Result<(), Refusal> {
        let known = self.inner.courier.redeliver(event, copies);
        if known { Ok(()) } else { Err(Refusal::missing("event", event)) }
    }

    /// Waits until no delivery is under way; `false` when `patience` runs out first.
    pub async fn settled(&self, patience: Duration) -> bool {
        self.inner.courier.settled(patience).await
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
        Ok(intent.json(&self.inner.base_url))
    }

    /// Sends an event made by hand and answers its id. It changes nothing the API shows.
    ///
    /// # Errors
    /// When it starts from an intent that is not there.
    pub fn emit_by_hand(&self, emit: Emit) -> Result<String, Refusal> {
        let mut state = self.state();
        let mut object = match &emit.intent {
            Some(id) => self.retrieve_intent(&state, id)?,
            None => Value::Object(Map::new()),
        };
        if let (Some(fields), Some(Value::Object(changes))) = (object.as_object_mut(), emit.object) {
            fields.extend(changes);
        }
        let id = emit.id.unwrap_or_else(|| self.new_id(&mut state, "evt"));
        let body = event_json(&id, &emit.kind, emit.created.unwrap_or_else(|| self.now()), &object);
        let event =
            EventRecord { secret: emit.secret, signed_at: emit.signed_at, ..record(id, &emit.kind, body) };
        Ok(self.inner.courier.publish(event))
    }

    /// Fixes Stripe's clock, or lets it run again.
    pub fn set_now(&self, now: Option<i64>) {
        self.inner.courier.set_now(now);
    }

    /// Everything there is.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let state = self.state();
        Snapshot {
            intents: state.intents.values().cloned().collect(),
            sessions: state.sessions.values().cloned().collect(),
            charges: state.charges.values().cloned().collect(),
            refunds: state.refunds.values().cloned().collect(),
            events: self.inner.courier.events(),
            held: self.inner.courier.held(),
            pending_deliveries: self.inner.courier.pending(),
            calls: state.faults.calls(),
            faults: state.faults.waiting(),
            webhook: self.inner.courier.settings(),
        }
    }

    /// Forgets everything but where the webhook is and its secret.
    pub fn reset(&self) {
        let mut state = self.state();
        *state = State { sequence: state.sequence, ..State::default() };
        self.inner.courier.reset();
    }
}

impl StandIn for Stripe {
    type Operation = Operation;
    const NAME: &'static str = "stripe";

    fn courier(&self) -> &Courier {
        &self.inner.courier
    }

    fn break_next(&self, fault: Fault) {
        self.inject(fault);
    }

    fn show(&self) -> Value {
        serde_json::to_value(self.snapshot()).unwrap_or_default()
    }

    fn forget(&self) {
        self.reset();
    }
}
