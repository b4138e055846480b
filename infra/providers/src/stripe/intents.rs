//! Payment intents and the charges they make.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::{State, Stripe, error::Refusal, form::Form};

/// Stripe refuses amounts of nine digits and more.
const AMOUNT_MAX: u64 = 99_999_999;

/// Where an intent is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentStatus {
    /// The buyer has not given a card that works.
    RequiresPaymentMethod,
    /// There is a card; nobody has said go.
    RequiresConfirmation,
    /// The buyer must prove who they are.
    RequiresAction,
    /// Final: nobody will be charged.
    Canceled,
    /// Final: the buyer was charged.
    Succeeded,
}

/// What the buyer does with the bank's question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Challenge {
    /// Proves who they are: the payment succeeds.
    Passed,
    /// Fails to: the payment fails, and may be tried again.
    Failed,
}

/// A payment intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Intent {
    /// `pi_…`
    pub id: String,
    /// Minor units to charge.
    pub amount: u64,
    /// Minor units charged.
    pub amount_received: u64,
    /// Lower-case ISO code.
    pub currency: String,
    /// Where it is in its life.
    pub status: IntentStatus,
    /// What a browser confirms with.
    pub client_secret: String,
    /// What its maker wrote on it.
    pub metadata: BTreeMap<String, String>,
    /// What the buyer reads.
    pub description: Option<String>,
    /// The card last tried.
    pub payment_method: Option<String>,
    /// Why the last try failed, as Stripe's error object.
    pub last_payment_error: Option<Value>,
    /// The charge, once it succeeded.
    pub latest_charge: Option<String>,
    /// Why it was cancelled.
    pub cancellation_reason: Option<String>,
    /// Epoch seconds.
    pub created: i64,
    /// Epoch seconds.
    pub canceled_at: Option<i64>,
}

/// Money taken from a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Charge {
    /// `ch_…`
    pub id: String,
    /// The intent that made it.
    pub payment_intent: String,
    /// Minor units taken.
    pub amount: u64,
    /// Minor units given back.
    pub amount_refunded: u64,
    /// Lower-case ISO code.
    pub currency: String,
    /// The card.
    pub payment_method: Option<String>,
    /// Copied from the intent.
    pub metadata: BTreeMap<String, String>,
    /// Epoch seconds.
    pub created: i64,
}

/// How a test card behaves.
enum Card {
    Works,
    Asks,
    Declined { code: &'static str, decline_code: &'static str },
}

impl Card {
    fn named(name: &str) -> Option<Self> {
        let declined = |code, decline_code| Some(Self::Declined { code, decline_code });
        match name {
            "pm_card_visa" | "pm_card_visa_debit" | "pm_card_mastercard" | "pm_card_amex"
            | "pm_card_discover" => Some(Self::Works),
            "pm_card_authenticationRequired" | "pm_card_threeDSecure2Required" => Some(Self::Asks),
            "pm_card_chargeDeclined" | "pm_card_visa_chargeDeclined" => {
                declined("card_declined", "generic_decline")
            }
            "pm_card_chargeDeclinedInsufficientFunds" | "pm_card_visa_chargeDeclinedInsufficientFunds" => {
                declined("card_declined", "insufficient_funds")
            }
            "pm_card_chargeDeclinedExpiredCard" => declined("expired_card", "expired_card"),
            "pm_card_chargeDeclinedProcessingError" => declined("processing_error", "processing_error"),
            _ => None,
        }
    }
}

impl Intent {
    /// As the API shows it.
    pub(crate) fn json(&self, base_url: &str) -> Value {
        let next_action = (self.status == IntentStatus::RequiresAction).then(|| {
            let url = format!("{base_url}/_test/stripe/intents/{}/authenticate", self.id);
            json!({"type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": null}})
        });
        json!({
            "id": self.id, "object": "payment_intent", "amount": self.amount, "amount_capturable": 0,
            "amount_details": {"tip": {}}, "amount_received": self.amount_received, "application": null,
            "application_fee_amount": null, "automatic_payment_methods": null, "canceled_at": self.canceled_at,
            "cancellation_reason": self.cancellation_reason, "capture_method": "automatic_async",
            "client_secret": self.client_secret, "confirmation_method": "automatic", "created": self.created,
            "currency": self.currency, "customer": null, "description": self.description,
            "last_payment_error": self.last_payment_error, "latest_charge": self.latest_charge, "livemode": false,
            "metadata": self.metadata, "next_action": next_action, "on_behalf_of": null,
            "payment_method": self.payment_method, "payment_method_options": {}, "payment_method_types": ["card"],
            "processing": null, "receipt_email": null, "setup_future_usage": null, "shipping": null,
            "statement_descriptor": null, "statement_descriptor_suffix": null, "status": self.status,
            "transfer_data": null, "transfer_group": null,
        })
    }

    fn unexpected(&self, verb: &str, base_url: &str) -> Refusal {
        let status = json!(self.status);
        let status = status.as_str().unwrap_or_default();
        let message = format!("You cannot {verb} this PaymentIntent because it has a status of {status}.");
        Refusal::state("payment_intent_unexpected_state", message, Some(self.json(base_url)))
    }
}

impl Charge {
    /// As the API shows it.
    pub(crate) fn json(&self) -> Value {
        let billing = json!({"address": null, "email": null, "name": null, "phone": null, "tax_id": null});
        json!({
            "id": self.id, "object": "charge", "amount": self.amount, "amount_captured": self.amount,
            "amount_refunded": self.amount_refunded, "billing_details": billing, "captured": true,
            "created": self.created, "currency": self.currency, "disputed": false, "livemode": false,
            "metadata": self.metadata, "paid": true, "payment_intent": self.payment_intent,
            "payment_method": self.payment_method, "refunded": self.amount_refunded == self.amount,
            "status": "succeeded",
        })
    }
}

impl Stripe {
    pub(crate) fn create_intent(&self, state: &mut State, form: &Form) -> Result<Value, Refusal> {
        let currency = currency(form.required("currency")?)?;
        form.required("amount")?;
        let amount = form.amount("amount")?.unwrap_or_default();
        check_amount(amount, &currency)?;
        let payment_method = form.text("payment_method").map(str::to_owned);
        let intent = Intent {
            amount,
            currency,
            status: match payment_method {
                None => IntentStatus::RequiresPaymentMethod,
                Some(_) => IntentStatus::RequiresConfirmation,
            },
            metadata: form.metadata(),
            description: form.text("description").map(str::to_owned),
            payment_method,
            ..self.blank_intent()
        };
        let id = intent.id.clone();
        let created = self.keep_intent(state, intent, "payment_intent.created");
        if form.is_true("confirm") { self.confirm_intent(state, &id, form) } else { Ok(created) }
    }

    /// An intent about nothing, with an id and a secret.
    pub(crate) fn blank_intent(&self) -> Intent {
        let id = self.new_id("pi");
        Intent {
            client_secret: format!("{id}_secret_{}", self.secret_part(&id)),
            amount: 0,
            amount_received: 0,
            currency: String::new(),
            status: IntentStatus::RequiresPaymentMethod,
            metadata: BTreeMap::new(),
            description: None,
            payment_method: None,
            last_payment_error: None,
            latest_charge: None,
            cancellation_reason: None,
            created: self.now(),
            canceled_at: None,
            id,
        }
    }

    pub(crate) fn retrieve_intent(&self, state: &State, id: &str) -> Result<Value, Refusal> {
        Ok(find(state, id)?.json(self.base_url()))
    }

    pub(crate) fn confirm_intent(&self, state: &mut State, id: &str, form: &Form) -> Result<Value, Refusal> {
        // What is charged was fixed when the intent was made; a browser has no say in it.
        for param in ["amount", "currency"] {
            // A create call that confirms at once carries both and means itself.
            if form.text(param).is_some() && !form.is_true("confirm") {
                let message = format!("Received unknown parameter: {param}");
                return Err(Refusal::parameter(param, "parameter_unknown", message));
            }
        }
        let mut intent = find(state, id)?;
        match intent.status {
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction => {}
            IntentStatus::Canceled | IntentStatus::Succeeded => {
                return Err(intent.unexpected("confirm", self.base_url()));
            }
        }
        let Some(name) = form.text("payment_method").map(str::to_owned).or(intent.payment_method.take())
        else {
            let message = "You cannot confirm this PaymentIntent because it's missing a payment method.";
            return Err(Refusal::parameter("payment_method", "parameter_missing", message));
        };
        let Some(card) = Card::named(&name) else {
            let message = format!("No such PaymentMethod: '{name}'");
            return Err(Refusal::parameter("payment_method", "resource_missing", message));
        };
        intent.payment_method = Some(name);
        match card {
            Card::Works => Ok(self.succeed(state, intent)),
            Card::Asks => {
                intent.status = IntentStatus::RequiresAction;
                Ok(self.keep_intent(state, intent, "payment_intent.requires_action"))
            }
            Card::Declined { code, decline_code } => Err(self.fail(state, intent, code, Some(decline_code))),
        }
    }

    pub(crate) fn cancel_intent(&self, state: &mut State, id: &str, form: &Form) -> Result<Value, Refusal> {
        let mut intent = find(state, id)?;
        match intent.status {
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction => {}
            IntentStatus::Canceled | IntentStatus::Succeeded => {
                return Err(intent.unexpected("cancel", self.base_url()));
            }
        }
        intent.status = IntentStatus::Canceled;
        intent.canceled_at = Some(self.now());
        intent.cancellation_reason = form.text("cancellation_reason").map(str::to_owned);
        Ok(self.keep_intent(state, intent, "payment_intent.canceled"))
    }

    /// The buyer answers the bank's question.
    pub(crate) fn answer_challenge(
        &self,
        state: &mut State,
        id: &str,
        challenge: Challenge,
    ) -> Result<Value, Refusal> {
        let intent = find(state, id)?;
        if intent.status != IntentStatus::RequiresAction {
            return Err(intent.unexpected("authenticate", self.base_url()));
        }
        match challenge {
            Challenge::Passed => Ok(self.succeed(state, intent)),
            Challenge::Failed => {
                self.fail(state, intent, "payment_intent_authentication_failure", None);
                self.retrieve_intent(state, id)
            }
        }
    }

    fn succeed(&self, state: &mut State, mut intent: Intent) -> Value {
        let charge = Charge {
            id: self.new_id("ch"),
            payment_intent: intent.id.clone(),
            amount: intent.amount,
            amount_refunded: 0,
            currency: intent.currency.clone(),
            payment_method: intent.payment_method.clone(),
            metadata: intent.metadata.clone(),
            created: self.now(),
        };
        intent.status = IntentStatus::Succeeded;
        intent.amount_received = intent.amount;
        intent.last_payment_error = None;
        intent.latest_charge = Some(charge.id.clone());
        let shown = charge.json();
        state.charges.insert(charge.id.clone(), charge);
        self.emit("charge.succeeded", &shown);
        let shown = self.keep_intent(state, intent.clone(), "payment_intent.succeeded");
        self.complete_session(state, &intent);
        shown
    }

    fn fail(
        &self,
        state: &mut State,
        mut intent: Intent,
        code: &'static str,
        decline: Option<&'static str>,
    ) -> Refusal {
        let message = match decline {
            Some(_) => "Your card was declined.",
            None => "The provided payment method has failed authentication.",
        };
        let bare = Refusal::card(code, decline, message, Value::Null).error();
        intent.status = IntentStatus::RequiresPaymentMethod;
        intent.payment_method = None;
        intent.last_payment_error = Some(without_intent(bare));
        let shown = self.keep_intent(state, intent, "payment_intent.payment_failed");
        Refusal::card(code, decline, message, shown)
    }

    pub(crate) fn keep_intent(&self, state: &mut State, intent: Intent, event: &str) -> Value {
        let shown = intent.json(self.base_url());
        state.intents.insert(intent.id.clone(), intent);
        self.emit(event, &shown);
        shown
    }
}

fn without_intent(mut error: Value) -> Value {
    if let Some(fields) = error.as_object_mut() {
        fields.remove("payment_intent");
    }
    error
}

fn find(state: &State, id: &str) -> Result<Intent, Refusal> {
    state.intents.get(id).cloned().ok_or_else(|| Refusal::missing("payment_intent", id))
}

pub(crate) fn currency(text: &str) -> Result<String, Refusal> {
    let code = text.to_ascii_lowercase();
    let known = CURRENCIES.split_ascii_whitespace().any(|known| known == code);
    known.then_some(code).ok_or_else(|| {
        Refusal::parameter("currency", "parameter_invalid_empty", format!("Invalid currency: {text}."))
    })
}

/// The least Stripe charges, for the currencies it names; one unit for the rest.
pub(crate) fn check_amount(amount: u64, currency: &str) -> Result<(), Refusal> {
    let least = match currency {
        "usd" | "eur" | "cad" | "aud" | "nzd" | "chf" | "inr" | "jpy" | "brl" | "sgd" => 50,
        "gbp" => 30,
        _ => 1,
    };
    if amount < least {
        let message = format!("Amount must be at least {least} {currency}");
        return Err(Refusal::parameter("amount", "amount_too_small", message));
    }
    if amount > AMOUNT_MAX {
        let message = format!("Amount must be no more than {AMOUNT_MAX} {currency}");
        return Err(Refusal::parameter("amount", "amount_too_large", message));
    }
    Ok(())
}

const CURRENCIES: &str = "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp \
    byn bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd \
    hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk \
    mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar \
    sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd \
    xof xpf yer zar zmw";
