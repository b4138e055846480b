//! Transactions and their refunds.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Chapa, Refusal, State};
use crate::money;

/// Where a transaction is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// There is a page, and nobody has tried to pay.
    Open,
    /// The last try failed; another may follow.
    Failed,
    /// Final: the buyer paid.
    Success,
    /// Final: the page is closed.
    Cancelled,
}

/// A payment under a reference of the merchant's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transaction {
    /// The merchant's name of it, unique for ever.
    pub tx_ref: String,
    /// Chapa's name of it.
    pub reference: String,
    /// What is to be paid, in hundredths.
    pub amount_minor: u64,
    /// `ETB` or `USD`.
    pub currency: String,
    /// Where it is in its life.
    pub status: Status,
    /// Where the buyer goes afterwards.
    pub return_url: Option<String>,
    /// Whom it is for.
    pub email: Option<String>,
}

/// Money given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refund {
    /// Chapa's name of it.
    pub ref_id: String,
    /// The merchant's name of it, unique for ever.
    pub reference: Option<String>,
    /// The payment.
    pub tx_ref: String,
    /// In hundredths.
    pub amount_minor: u64,
}

impl Transaction {
    /// As the API shows it: here the amount is a number.
    fn json(&self) -> Value {
        let status = match self.status {
            Status::Open => "pending",
            Status::Failed => "failed/cancelled",
            Status::Success => "success",
            Status::Cancelled => "cancelled",
        };
        let amount: Value = serde_json::from_str(&money::decimal(self.amount_minor, 2)).unwrap_or_default();
        json!({
            "first_name": null, "last_name": null, "email": self.email, "currency": self.currency, "amount": amount,
            "charge": 0.35, "mode": "test", "method": "telebirr", "type": "API", "status": status,
            "reference": self.reference, "tx_ref": self.tx_ref, "meta": null,
        })
    }

    /// As a webhook shows it: here the amount is text.
    pub(crate) fn event(&self, kind: &str, status: &str) -> Value {
        json!({
            "event": kind, "first_name": null, "last_name": null, "email": self.email, "currency": self.currency,
            "amount": money::decimal(self.amount_minor, 2), "charge": "0.35", "status": status, "mode": "test",
            "reference": self.reference, "type": "API", "tx_ref": self.tx_ref, "payment_method": "telebirr",
            "meta": null,
        })
    }
}

fn success(message: &str, data: &Value) -> Value {
    json!({"message": message, "status": "success", "data": data})
}

fn text<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// What Chapa lets stand in a description.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_ .".contains(&byte))
}

impl Chapa {
    pub(crate) fn initialize(&self, state: &mut State, body: &Value) -> Result<Value, Refusal> {
        let bad = |message: &str| Refusal::new(400, message);
        let tx_ref = text(body, "tx_ref").ok_or_else(|| bad("The tx_ref field is required."))?;
        let currency = text(body, "currency").unwrap_or("ETB");
        if !matches!(currency, "ETB" | "USD") {
            return Err(bad("Invalid currency, currency is not supported"));
        }
        let amount = text(body, "amount").and_then(|text| money::parse(text, 2)).filter(|amount| *amount > 0);
        let amount_minor = amount.ok_or_else(|| bad("The amount must be a number."))?;
        let custom =
            |name: &str| body.get("customization").and_then(|all| text(all, name)).unwrap_or_default();
        if custom("title").len() > 16 || !is_plain(custom("title")) || !is_plain(custom("description")) {
            return Err(bad("The customization is not valid."));
        }
        if text(body, "email").is_some_and(|email| !email.contains('@')) {
            return Err(bad("The email must be a valid email address."));
        }
        if state.transactions.contains_key(tx_ref) {
            return Err(bad("Transaction reference has been used before"));
        }
        let transaction = Transaction {
            tx_ref: tx_ref.to_owned(),
            reference: self.new_reference(),
            amount_minor,
            currency: currency.to_owned(),
            status: Status::Open,
            return_url: text(body, "return_url").map(str::to_owned),
            email: text(body, "email").map(str::to_owned),
        };
        let url = format!("{}/chapa/checkout/{tx_ref}", self.base_url());
        state.transactions.insert(tx_ref.to_owned(), transaction);
        Ok(success("Hosted Link", &json!({"checkout_url": url})))
    }

    pub(crate) fn verify(state: &State, tx_ref: &str) -> Result<Value, Refusal> {
        let missing = || Refusal::new(404, "Invalid transaction or Transaction not found");
        let transaction = state.transactions.get(tx_ref).ok_or_else(missing)?;
        if transaction.status == Status::Open {
            return Err(Refusal::new(404, "Payment not paid yet"));
        }
        Ok(success("Payment details", &transaction.json()))
    }

    pub(crate) fn cancel(state: &mut State, tx_ref: &str) -> Result<Value, Refusal> {
        let missing = || Refusal::new(404, "Invalid transaction or Transaction not found");
        let transaction = state.transactions.get_mut(tx_ref).ok_or_else(missing)?;
        match transaction.status {
            Status::Open | Status::Failed => transaction.status = Status::Cancelled,
            Status::Success | Status::Cancelled => {
                return Err(Refusal::new(400, "Payment link already expired"));
            }
        }
        Ok(success("Checkout link expired successfully", &json!({"tx_ref": tx_ref})))
    }

    pub(crate) fn refund(
        &self,
        state: &mut State,
        tx_ref: &str,
        form: &[(String, String)],
    ) -> Result<Value, Refusal> {
        let bad = |message: &str| Refusal::new(400, message);
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let missing = || Refusal::new(404, "Invalid transaction or Transaction not found");
        let transaction = state.transactions.get(tx_ref).ok_or_else(missing)?;
        if transaction.status != Status::Success {
            return Err(bad("Only successful payments can be refunded"));
        }
        let reference = field("reference");
        if reference.is_some() && state.refunds.iter().any(|made| made.reference == reference) {
            return Err(bad("Refund reference has been used before"));
        }
        let given: u64 =
            state.refunds.iter().filter(|made| made.tx_ref == tx_ref).map(|made| made.amount_minor).sum();
        let left = transaction.amount_minor.saturating_sub(given);
        let asked =
            field("amount").map(|text| money::parse(&text, 2).ok_or_else(|| bad("The amount is not valid.")));
        let amount_minor = asked.transpose()?.unwrap_or(left);
        if amount_minor == 0 || amount_minor > left {
            return Err(bad("Refund amount exceeds what is left of the payment"));
        }
        let ref_id = self.new_reference();
        let tx_ref = tx_ref.to_owned();
        state.refunds.push(Refund { ref_id: ref_id.clone(), reference, tx_ref, amount_minor });
        Ok(success("Refund initiated", &json!({"ref_id": ref_id, "status": "initiated"})))
    }

    /// The buyer pays.
    ///
    /// # Errors
    /// When the page is closed, or there is none.
    pub fn pay(&self, tx_ref: &str) -> Result<Value, Refusal> {
        self.attempt(tx_ref, Status::Success, "charge.success", "success")
    }

    /// The buyer tries to pay, and the wallet says no.
    ///
    /// # Errors
    /// When the page is closed, or there is none.
    pub fn decline(&self, tx_ref: &str) -> Result<Value, Refusal> {
        self.attempt(tx_ref, Status::Failed, "charge.failed/cancelled", "failed/cancelled")
    }

    fn attempt(&self, tx_ref: &str, to: Status, kind: &str, word: &str) -> Result<Value, Refusal> {
        let mut state = self.state();
        let missing = || Refusal::new(404, "no such transaction");
        let transaction = state.transactions.get_mut(tx_ref).ok_or_else(missing)?;
        match transaction.status {
            Status::Open | Status::Failed => transaction.status = to,
            Status::Success | Status::Cancelled => return Err(Refusal::new(400, "the page is closed")),
        }
        let (shown, transaction) = (transaction.json(), transaction.clone());
        self.emit(&transaction, kind, word);
        Ok(shown)
    }

    /// Changes what a transaction asks for, behind everyone's back.
    ///
    /// # Errors
    /// When there is none.
    pub fn alter(&self, tx_ref: &str, amount_minor: u64) -> Result<Value, Refusal> {
        let mut state = self.state();
        let missing = || Refusal::new(404, "no such transaction");
        let transaction = state.transactions.get_mut(tx_ref).ok_or_else(missing)?;
        transaction.amount_minor = amount_minor;
        Ok(transaction.json())
    }

    /// Where the buyer goes after the page.
    #[must_use]
    pub fn return_url(&self, tx_ref: &str) -> Option<String> {
        self.state().transactions.get(tx_ref)?.return_url.clone()
    }
}
