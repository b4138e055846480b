//! A payment provider that remembers everything it was asked, and buyers who pay there.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use serde_json::json;
use sutler_domain::money::Currency;
use sutler_gateways::{
    payment::{
        GatewayError, PaymentGateway, PaymentStatus, ProviderPayment, ProviderRefund, RefundPayment,
        RefundStatus, StartPayment, StartedPayment,
    },
    secret::Secret,
};

use crate::{
    chance::Chance,
    lock,
    mutations::{Mutation, ProviderBug},
    notes::Notes,
    wire::Weather,
};

/// A payment as the provider keeps it.
#[derive(Debug, Clone)]
pub struct Intent {
    /// What everybody knows of it.
    pub payment: ProviderPayment,
    /// What went back, or is to, by key.
    pub refunds: BTreeMap<String, Given>,
}

/// Money that is given back.
#[derive(Debug, Clone, Copy)]
pub struct Given {
    /// How much.
    pub minor: u64,
    /// How that stands.
    pub status: RefundStatus,
}

impl Intent {
    /// What went back in all, what is on its way included.
    #[must_use]
    pub fn refunded_minor(&self) -> u64 {
        let gone = |given: &&Given| !matches!(given.status, RefundStatus::Failed | RefundStatus::Cancelled);
        self.refunds.values().filter(gone).map(|given| given.minor).sum()
    }

    /// What was taken, in minor units; nothing while it is not paid.
    #[must_use]
    pub fn captured_minor(&self) -> u64 {
        if self.payment.status == PaymentStatus::Succeeded { self.payment.amount_received_minor } else { 0 }
    }
}

/// What a buyer does at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Pays what is asked.
    Pay,
    /// Pays another amount.
    PayAnother,
    /// Pays in another currency.
    PayForeign,
    /// Is refused by the bank.
    Declined,
    /// Waits until the provider gives up.
    Abandon,
}

/// A provider called `stripe`. Clones share everything.
#[derive(Clone)]
pub struct Provider {
    state: Arc<Mutex<State>>,
    chance: Chance,
    notes: Notes,
    weather: Weather,
    bug: Option<ProviderBug>,
}

#[derive(Default)]
struct State {
    intents: BTreeMap<String, Intent>,
    by_key: BTreeMap<String, String>,
    webhooks: Vec<String>,
    numbers: u64,
}

impl State {
    fn number(&mut self) -> u64 {
        self.numbers = self.numbers.saturating_add(1);
        self.numbers
    }

    /// Sends what happened to a payment.
    fn tell(&mut self, payment: &ProviderPayment, declined: bool, bug: Option<ProviderBug>) {
        let kind = match (declined, payment.status) {
            (true, _) => "payment_intent.payment_failed",
            (false, PaymentStatus::Succeeded) => "payment_intent.succeeded",
            (false, _) => "payment_intent.canceled",
        };
        let believed = bug == Some(ProviderBug::AmountsAreBelieved);
        let received = if believed { payment.amount_minor } else { payment.amount_received_minor };
        let currency = if believed { "usd".to_owned() } else { payment.currency.to_lowercase() };
        let error = payment.last_error_code.as_ref().map(|code| json!({ "code": code }));
        let body = json!({
            "id": format!("evt_{}", self.number()), "object": "event", "type": kind, "created": 1_798_761_600,
            "data": { "object": {
                "id": payment.provider_id, "object": "payment_intent", "amount": payment.amount_minor,
                "amount_received": received, "currency": currency,
                "metadata": {
                    "order_id": payment.order_id,
                    "attempt": payment.attempt.map(|attempt| attempt.to_string()),
                },
                "last_payment_error": error,
            } },
        });
        self.webhooks.push(body.to_string());
    }
}

impl Provider {
    /// A provider in this weather, with the planted bug if it is one of its own.
    #[must_use]
    pub fn new(chance: Chance, notes: Notes, weather: Weather, mutation: Option<&'static Mutation>) -> Self {
        let bug = mutation.and_then(Mutation::provider_bug);
        Self { state: Arc::default(), chance, notes, weather, bug }
    }

    /// All payments.
    #[must_use]
    pub fn intents(&self) -> Vec<Intent> {
        lock(&self.state).intents.values().cloned().collect()
    }

    /// The messages that were not fetched yet.
    #[must_use]
    pub fn take_webhooks(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.state).webhooks)
    }

    /// The buyer does something about a payment; nothing happens once it is final.
    pub fn act(&self, id: &str, deed: Deed) {
        let other = self.chance.between(1, 500);
        let mut state = lock(&self.state);
        let number = state.number();
        let Some(intent) = state.intents.get_mut(id) else { return };
        let payment = &mut intent.payment;
        if payment.status != PaymentStatus::AwaitingBuyer {
            drop(state);
            self.notes.say(&format!("{id} is not payable any more"));
            return;
        }
        let asked = payment.amount_minor;
        match deed {
            Deed::Declined => payment.last_error_code = Some(format!("declined_{number}")),
            Deed::Abandon => payment.status = PaymentStatus::Cancelled,
            Deed::Pay | Deed::PayAnother | Deed::PayForeign => {
                payment.status = PaymentStatus::Succeeded;
                payment.amount_received_minor = if deed == Deed::PayAnother {
                    asked.saturating_add(other).saturating_sub(250)
                } else {
                    asked
                };
                if deed == Deed::PayForeign {
                    "EUR".clone_into(&mut payment.currency);
                }
            }
        }
        let payment = payment.clone();
        state.tell(&payment, deed == Deed::Declined, self.bug);
        drop(state);
        self.notes.say(&format!(
            "{id} of {} is {:?}, {} of {asked}",
            payment.order_id.as_deref().unwrap_or_default(),
            payment.status,
            payment.amount_received_minor
        ));
    }

    /// One call: others may run before and after it, and either way may fail.
    async fn call<T>(
        &self,
        what: &str,
        effect: impl FnOnce(&mut State) -> Result<T, GatewayError>,
    ) -> Result<T, GatewayError> {
        tokio::task::yield_now().await;
        let level = self.weather.level();
        if self.chance.happens(level.saturating_mul(25)) {
            self.notes.fault("provider: request lost");
            return Err(GatewayError::Unavailable("told to fail".into()));
        }
        let answer = effect(&mut lock(&self.state));
        let lost = self.chance.happens(level.saturating_mul(40));
        let outcome = if answer.is_ok() { "done" } else { "refused" };
        self.notes.say(&format!("  provider: {what} → {outcome}"));
        tokio::task::yield_now().await;
        if lost {
            self.notes.fault("provider: answer lost");
            return Err(GatewayError::OutcomeUnknown("told to fail".into()));
        }
        answer
    }

    fn fresh_if(&self, bug: ProviderBug) -> String {
        if self.bug == Some(bug) { lock(&self.state).number().to_string() } else { String::new() }
    }
}

fn unknown() -> GatewayError {
    GatewayError::Rejected("no such payment".into())
}

/// A new payment; a second one that can be paid for the same order must not be.
fn open(state: &mut State, attempt: &StartPayment, notes: &Notes) -> String {
    let id = format!("pi_{}", state.number());
    let same = |intent: &&Intent| intent.payment.order_id.as_deref() == Some(attempt.order_id.as_str());
    let payable = |intent: &&Intent| intent.payment.status == PaymentStatus::AwaitingBuyer;
    if let Some(open) = state.intents.values().filter(same).find(payable) {
        let (known, order) = (&open.payment.provider_id, &attempt.order_id);
        notes.accuse(format!("{order} has two payments that can be paid: {known} and {id}"));
    }
    let payment = ProviderPayment {
        provider_id: id.clone(),
        status: PaymentStatus::AwaitingBuyer,
        amount_minor: attempt.amount_minor,
        amount_received_minor: 0,
        currency: attempt.currency.clone(),
        order_id: Some(attempt.order_id.clone()),
        attempt: Some(attempt.attempt),
        last_error_code: None,
    };
    state.intents.insert(id.clone(), Intent { payment, refunds: BTreeMap::new() });
    id
}

#[async_trait]
impl PaymentGateway for Provider {
    fn gateway(&self) -> &'static str {
        "stripe"
    }

    fn takes(&self, _: Currency) -> bool {
        true
    }

    async fn start(&self, attempt: &StartPayment) -> Result<StartedPayment, GatewayError> {
        let key = format!("{}{}", attempt.key(), self.fresh_if(ProviderBug::FreshStartKeys));
        self.call(&format!("start {key}"), |state| {
            let id = match state.by_key.get(&key) {
                Some(id) => id.clone(),
                None => open(state, attempt, &self.notes),
            };
            state.by_key.insert(key.clone(), id.clone());
            let payment = state.intents.get(&id).ok_or_else(unknown)?;
            let same = payment.payment.amount_minor == attempt.amount_minor;
            if !same {
                return Err(GatewayError::Rejected("the key was used for another payment".into()));
            }
            Ok(StartedPayment {
                client_secret: Some(Secret::new(format!("{id}_secret"))),
                status: payment.payment.status,
                provider_id: id,
                redirect_url: None,
            })
        })
        .await
    }

    async fn look_up(&self, payment: &str) -> Result<ProviderPayment, GatewayError> {
        let find = |state: &mut State| {
            state.intents.get(payment).map(|intent| intent.payment.clone()).ok_or_else(unknown)
        };
        self.call(&format!("look up {payment}"), find).await
    }

    async fn cancel(&self, payment: &str, key: &str) -> Result<ProviderPayment, GatewayError> {
        self.call(&format!("cancel {key}"), |state| {
            let intent = state.intents.get_mut(payment).ok_or_else(unknown)?;
            let ends = intent.payment.status == PaymentStatus::AwaitingBuyer;
            if ends {
                intent.payment.status = PaymentStatus::Cancelled;
            }
            let answer = intent.payment.clone();
            if ends {
                state.tell(&answer, false, self.bug);
            }
            Ok(answer)
        })
        .await
    }

    async fn refund(&self, refund: &RefundPayment) -> Result<ProviderRefund, GatewayError> {
        let key = format!("{}{}", refund.key(), self.fresh_if(ProviderBug::FreshRefundKeys));
        let slow = [(10, RefundStatus::Succeeded), (2, RefundStatus::Pending), (1, RefundStatus::Failed)];
        let status = *self.chance.weighted(&slow).unwrap_or(&RefundStatus::Succeeded);
        self.call(&format!("refund {key}"), |state| {
            let intent = state.intents.get_mut(&refund.payment).ok_or_else(unknown)?;
            let left = intent.captured_minor().saturating_sub(intent.refunded_minor());
            if !intent.refunds.contains_key(&key) {
                if refund.amount_minor > left {
                    let id = &refund.payment;
                    self.notes.accuse(format!("{} of {id} were to go back, of {left}", refund.amount_minor));
                    return Err(GatewayError::Rejected("more than was taken".into()));
                }
                intent.refunds.insert(key.clone(), Given { minor: refund.amount_minor, status });
            }
            shown(intent, &key)
        })
        .await
    }

    async fn look_up_refund(
        &self,
        refund: &RefundPayment,
        provider_id: &str,
    ) -> Result<ProviderRefund, GatewayError> {
        let arrives = self.chance.happens(700);
        self.call(&format!("look up {provider_id}"), |state| {
            let intent = state.intents.get_mut(&refund.payment).ok_or_else(unknown)?;
            let key = provider_id.trim_start_matches("re_");
            // By the time somebody asks, the bank has decided.
            let given = intent.refunds.get_mut(key).ok_or_else(unknown)?;
            if given.status == RefundStatus::Pending {
                given.status = if arrives { RefundStatus::Succeeded } else { RefundStatus::Failed };
            }
            shown(intent, key)
        })
        .await
    }
}

fn shown(intent: &Intent, key: &str) -> Result<ProviderRefund, GatewayError> {
    let given = intent.refunds.get(key).ok_or_else(unknown)?;
    Ok(ProviderRefund {
        provider_id: format!("re_{key}"),
        status: given.status,
        amount_minor: given.minor,
        currency: intent.payment.currency.clone(),
    })
}
