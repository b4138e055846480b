//! Checkout sessions: pages on which a buyer pays one sum. A session makes its payment intent when the buyer first tries.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Intent, IntentStatus, State, Stripe, error::Refusal, form::Form, intents};

/// How many kinds of goods a page takes.
const LINES_MAX: usize = 100;
/// A page that nobody pays on ends after a day.
const LIFETIME_S: i64 = 86_400;

/// Where a session is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// The buyer may pay.
    Open,
    /// Final: the buyer has paid.
    Complete,
    /// Final: nobody can pay here any more.
    Expired,
}

/// A checkout session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// `cs_test_…`
    pub id: String,
    /// Minor units to charge.
    pub amount_total: u64,
    /// Lower-case ISO code.
    pub currency: String,
    /// Where it is in its life.
    pub status: SessionStatus,
    /// The intent, once the buyer has tried to pay.
    pub payment_intent: Option<String>,
    /// What its maker wrote on it.
    pub metadata: BTreeMap<String, String>,
    /// What its maker wants on the intent.
    pub intent_metadata: BTreeMap<String, String>,
    /// What the buyer reads.
    pub description: Option<String>,
    /// Where the buyer goes after paying.
    pub success_url: String,
    /// Where the buyer goes without paying.
    pub cancel_url: Option<String>,
    /// Epoch seconds.
    pub created: i64,
}

impl Session {
    /// As the API shows it, with its intent where that was asked for.
    fn json(&self, base_url: &str, intent: Option<Value>) -> Value {
        let url =
            (self.status == SessionStatus::Open).then(|| format!("{base_url}/stripe/checkout/{}", self.id));
        let paid = if self.status == SessionStatus::Complete { "paid" } else { "unpaid" };
        json!({
            "id": self.id, "object": "checkout.session", "amount_subtotal": self.amount_total,
            "amount_total": self.amount_total,
            "automatic_tax": {"enabled": false, "liability": null, "provider": null, "status": null},
            "cancel_url": self.cancel_url, "created": self.created, "currency": self.currency, "custom_fields": [],
            "custom_text": {
                "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null,
            },
            "customer": null, "expires_at": self.created.saturating_add(LIFETIME_S), "livemode": false,
            "metadata": self.metadata, "mode": "payment",
            "payment_intent": intent.or_else(|| self.payment_intent.clone().map(Value::from)),
            "payment_method_types": ["card"], "payment_status": paid, "shipping_options": [], "status": self.status,
            "success_url": self.success_url, "url": url,
        })
    }

    fn not_open(&self, verb: &str) -> Refusal {
        let status = json!(self.status);
        let status = status.as_str().unwrap_or_default();
        let message = format!(
            "Only Checkout Sessions with a status in [\"open\"] can be {verb}. This Checkout Session has a status of \
             {status}."
        );
        Refusal::state("checkout_session_not_open", message, None)
    }
}

impl Stripe {
    pub(crate) fn create_session(&self, state: &mut State, form: &Form) -> Result<Value, Refusal> {
        if form.required("mode")? != "payment" {
            return Err(Refusal::parameter("mode", "parameter_unknown", "Only payments are made here."));
        }
        let (amount_total, currency) = sum(form)?;
        intents::check_amount(amount_total, &currency)?;
        let session = Session {
            id: self.new_id("cs_test"),
            amount_total,
            currency,
            status: SessionStatus::Open,
            payment_intent: None,
            metadata: form.metadata(),
            intent_metadata: form.map("payment_intent_data[metadata]"),
            description: form.text("payment_intent_data[description]").map(str::to_owned),
            success_url: form.required("success_url")?.to_owned(),
            cancel_url: form.text("cancel_url").map(str::to_owned),
            created: self.now(),
        };
        let shown = session.json(self.base_url(), None);
        state.sessions.insert(session.id.clone(), session);
        Ok(shown)
    }

    pub(crate) fn retrieve_session(&self, state: &State, id: &str, form: &Form) -> Result<Value, Refusal> {
        let session = find(state, id)?;
        let wanted = form.list("expand").contains(&"payment_intent");
        let intent = session.payment_intent.as_deref().filter(|_| wanted);
        let intent = intent.map(|id| self.retrieve_intent(state, id)).transpose()?;
        Ok(session.json(self.base_url(), intent))
    }

    pub(crate) fn expire_session(&self, state: &mut State, id: &str) -> Result<Value, Refusal> {
        let session = find(state, id)?;
        if session.status != SessionStatus::Open {
            return Err(session.not_open("expired"));
        }
        if let Some(intent) = &session.payment_intent {
            self.cancel_intent(state, intent, &Form::default())?;
        }
        Ok(self.end_session(state, session, SessionStatus::Expired))
    }

    /// The buyer pays on the page.
    ///
    /// # Errors
    /// When the page is closed, or the card is declined.
    pub fn pay_session(&self, id: &str, payment_method: &str) -> Result<Value, Refusal> {
        let mut state = self.state();
        let session = find(&state, id)?;
        if session.status != SessionStatus::Open {
            return Err(session.not_open("paid"));
        }
        let intent = match session.payment_intent.clone() {
            Some(intent) => intent,
            None => self.open_intent(&mut state, session),
        };
        self.confirm_intent(&mut state, &intent, &Form::of("payment_method", payment_method))
    }

    /// Where a buyer goes who has paid on the page.
    #[must_use]
    pub fn success_url(&self, id: &str) -> Option<String> {
        self.state().sessions.get(id).map(|session| session.success_url.clone())
    }

    /// Changes what a page asks for behind everyone's back.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn alter_session(&self, id: &str, amount_total: u64) -> Result<Value, Refusal> {
        let mut state = self.state();
        let session = Session { amount_total, ..find(&state, id)? };
        let shown = session.json(self.base_url(), None);
        state.sessions.insert(session.id.clone(), session);
        Ok(shown)
    }

    /// A page whose payment succeeded is done.
    pub(crate) fn complete_session(&self, state: &mut State, intent: &Intent) {
        let paid = |session: &&Session| session.payment_intent.as_ref() == Some(&intent.id);
        if let Some(session) = state.sessions.values().find(paid).cloned() {
            self.end_session(state, session, SessionStatus::Complete);
        }
    }

    fn end_session(&self, state: &mut State, session: Session, status: SessionStatus) -> Value {
        let event = if status == SessionStatus::Complete { "completed" } else { "expired" };
        let session = Session { status, ..session };
        let shown = session.json(self.base_url(), None);
        state.sessions.insert(session.id.clone(), session);
        self.emit(&format!("checkout.session.{event}"), &shown);
        shown
    }

    /// The intent that a first try makes.
    fn open_intent(&self, state: &mut State, session: Session) -> String {
        let intent = Intent {
            amount: session.amount_total,
            currency: session.currency.clone(),
            metadata: session.intent_metadata.clone(),
            description: session.description.clone(),
            status: IntentStatus::RequiresPaymentMethod,
            ..self.blank_intent()
        };
        let id = intent.id.clone();
        state.sessions.insert(session.id.clone(), Session { payment_intent: Some(id.clone()), ..session });
        self.keep_intent(state, intent, "payment_intent.created");
        id
    }
}

/// What all lines cost, in one currency.
fn sum(form: &Form) -> Result<(u64, String), Refusal> {
    let mut sum: Option<(u64, String)> = None;
    for line in 0..LINES_MAX {
        let field = |name: &str| form.text(&format!("line_items[{line}]{name}"));
        let Some(quantity) = field("[quantity]") else { break };
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
        let cost = number(Some(quantity))
            .zip(number(field("[price_data][unit_amount]")))
            .and_then(|(quantity, each)| quantity.checked_mul(each));
        let named = field("[price_data][product_data][name]").is_some();
        let (Some(cost), Some(code), true) = (cost, field("[price_data][currency]"), named) else {
            return Err(Refusal::parameter("line_items", "parameter_missing", "A line lacks price or name."));
        };
        let (before, currency) = sum.unwrap_or((0, intents::currency(code)?));
        if currency != code {
            return Err(Refusal::parameter(
                "line_items",
                "parameter_invalid",
                "The lines differ in currency.",
            ));
        }
        sum = Some((before.saturating_add(cost), currency));
    }
    sum.ok_or_else(|| {
        Refusal::parameter("line_items", "parameter_missing", "Missing required param: line_items.")
    })
}

fn find(state: &State, id: &str) -> Result<Session, Refusal> {
    state.sessions.get(id).cloned().ok_or_else(|| Refusal::missing("checkout.session", id))
}
