//! Orders, their captures and refunds.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{PayPal, Refusal, State};
use crate::money;

/// Currencies without decimals, in which PayPal refuses a point.
const WHOLE: [&str; 3] = ["HUF", "JPY", "TWD"];
const CURRENCIES: [&str; 24] = [
    "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "JPY", "MXN", "MYR",
    "NOK", "NZD", "PHP", "PLN", "SEK", "SGD", "THB", "TWD", "USD",
];

/// Where an order is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// The buyer is to approve it.
    PayerActionRequired,
    /// The buyer agreed; the merchant may capture.
    Approved,
    /// Final: it was captured.
    Completed,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Order {
    /// PayPal's id.
    pub id: String,
    /// Where it is in its life.
    pub status: Status,
    /// What the merchant wrote on it.
    pub custom_id: Option<String>,
    /// Unique among what was captured.
    pub invoice_id: Option<String>,
    /// Minor units.
    pub amount_minor: u64,
    /// Upper-case ISO code.
    pub currency: String,
    /// Where the buyer goes afterwards.
    pub return_url: Option<String>,
    /// How often it changed.
    pub changes: u32,
    /// Whether the next capture is declined.
    pub declines: bool,
    /// The money that was taken.
    pub capture: Option<Capture>,
}

/// Money that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capture {
    /// PayPal's id.
    pub id: String,
    /// Minor units.
    pub amount_minor: u64,
    /// What went back.
    pub refunds: Vec<Refund>,
}

/// Money given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refund {
    /// PayPal's id.
    pub id: String,
    /// What the merchant wrote on it.
    pub custom_id: Option<String>,
    /// Minor units.
    pub amount_minor: u64,
}

fn decimals(currency: &str) -> usize {
    if WHOLE.contains(&currency) { 0 } else { 2 }
}

fn amount(minor: u64, currency: &str) -> Value {
    json!({"currency_code": currency, "value": money::decimal(minor, decimals(currency))})
}

impl Capture {
    fn refunded(&self) -> u64 {
        self.refunds.iter().map(|refund| refund.amount_minor).sum()
    }

    fn json(&self, order: &Order) -> Value {
        let status = match self.refunded() {
            0 => "COMPLETED",
            all if all == self.amount_minor => "REFUNDED",
            _ => "PARTIALLY_REFUNDED",
        };
        json!({
            "id": self.id, "status": status, "amount": amount(self.amount_minor, &order.currency),
            "custom_id": order.custom_id, "invoice_id": order.invoice_id, "final_capture": true,
            "supplementary_data": {"related_ids": {"order_id": order.id}},
        })
    }
}

impl Refund {
    fn json(&self, order: &Order) -> Value {
        json!({
            "id": self.id, "status": "COMPLETED", "amount": amount(self.amount_minor, &order.currency),
            "custom_id": self.custom_id,
        })
    }
}

impl Order {
    fn json(&self, base_url: &str) -> Value {
        let captures: Vec<Value> = self.capture.iter().map(|capture| capture.json(self)).collect();
        let refunds: Vec<Value> =
            self.capture.iter().flat_map(|all| &all.refunds).map(|refund| refund.json(self)).collect();
        json!({
            "id": self.id, "intent": "CAPTURE", "status": self.status,
            "update_time": format!("2026-11-21T00:{:02}:00Z", self.changes),
            "purchase_units": [{
                "reference_id": "default", "custom_id": self.custom_id, "invoice_id": self.invoice_id,
                "amount": amount(self.amount_minor, &self.currency),
                "payments": {"captures": captures, "refunds": refunds},
            }],
            "links": [
                {"rel": "self", "href": format!("{base_url}/paypal/v2/checkout/orders/{}", self.id), "method": "GET"},
                {"rel": "payer-action", "href": format!("{base_url}/paypal/checkoutnow/{}", self.id), "method": "GET"},
            ],
        })
    }

    fn change(&mut self, to: Status) {
        self.status = to;
        self.changes = self.changes.saturating_add(1);
    }
}

#[derive(Deserialize)]
pub(crate) struct NewOrder {
    intent: String,
    purchase_units: Vec<NewUnit>,
    payment_source: Option<Value>,
}

#[derive(Deserialize)]
struct NewUnit {
    custom_id: Option<String>,
    invoice_id: Option<String>,
    amount: NewAmount,
}

#[derive(Deserialize)]
struct NewAmount {
    currency_code: String,
    value: String,
}

impl NewAmount {
    fn minor(&self) -> Result<u64, Refusal> {
        if !CURRENCIES.contains(&self.currency_code.as_str()) {
            return Err(Refusal::unprocessable("CURRENCY_NOT_SUPPORTED"));
        }
        if WHOLE.contains(&self.currency_code.as_str()) && self.value.contains('.') {
            return Err(Refusal::unprocessable("DECIMALS_NOT_SUPPORTED"));
        }
        let minor = money::parse(&self.value, decimals(&self.currency_code));
        let minor = minor.ok_or_else(|| Refusal::unprocessable("DECIMAL_PRECISION"))?;
        if minor == 0 { Err(Refusal::unprocessable("CANNOT_BE_ZERO_OR_NEGATIVE")) } else { Ok(minor) }
    }
}

#[derive(Deserialize)]
pub(crate) struct NewRefund {
    amount: Option<NewAmount>,
    custom_id: Option<String>,
}

impl PayPal {
    pub(crate) fn create_order(&self, state: &mut State, body: &[u8]) -> Result<Value, Refusal> {
        let new: NewOrder =
            serde_json::from_slice(body).map_err(|_| Refusal::invalid("MALFORMED_REQUEST_JSON"))?;
        let [unit] = new.purchase_units.as_slice() else {
            return Err(Refusal::invalid("MISSING_REQUIRED_PARAMETER"));
        };
        if new.intent != "CAPTURE" || unit.custom_id.as_ref().is_some_and(|id| id.len() > 255) {
            return Err(Refusal::invalid("INVALID_PARAMETER_VALUE"));
        }
        let source = new.payment_source.unwrap_or_default();
        let return_url = source.pointer("/paypal/experience_context/return_url").and_then(Value::as_str);
        let order = Order {
            id: self.new_id("5O"),
            status: Status::PayerActionRequired,
            custom_id: unit.custom_id.clone(),
            invoice_id: unit.invoice_id.clone(),
            amount_minor: unit.amount.minor()?,
            currency: unit.amount.currency_code.clone(),
            return_url: return_url.map(str::to_owned),
            changes: 0,
            declines: false,
            capture: None,
        };
        let shown = order.json(self.base_url());
        state.orders.insert(order.id.clone(), order);
        Ok(shown)
    }

    pub(crate) fn get_order(&self, state: &State, id: &str) -> Result<Value, Refusal> {
        let order = state.orders.get(id).ok_or_else(Refusal::missing)?;
        Ok(order.json(self.base_url()))
    }

    pub(crate) fn capture_order(&self, state: &mut State, id: &str) -> Result<Value, Refusal> {
        let mut order = state.orders.get(id).cloned().ok_or_else(Refusal::missing)?;
        match order.status {
            Status::PayerActionRequired => return Err(Refusal::unprocessable("ORDER_NOT_APPROVED")),
            Status::Completed => return Err(Refusal::unprocessable("ORDER_ALREADY_CAPTURED")),
            Status::Approved if order.declines => {
                order.declines = false;
                order.change(Status::PayerActionRequired);
                state.orders.insert(id.to_owned(), order);
                return Err(Refusal::unprocessable("INSTRUMENT_DECLINED"));
            }
            Status::Approved => {}
        }
        let captured = |other: &&Order| other.capture.is_some() && other.invoice_id.is_some();
        if state.orders.values().filter(captured).any(|other| other.invoice_id == order.invoice_id) {
            return Err(Refusal::unprocessable("DUPLICATE_INVOICE_ID"));
        }
        let capture_id = self.new_id("2G");
        order.capture =
            Some(Capture { id: capture_id, amount_minor: order.amount_minor, refunds: Vec::new() });
        order.change(Status::Completed);
        let shown = order.json(self.base_url());
        let capture = shown.pointer("/purchase_units/0/payments/captures/0").cloned().unwrap_or_default();
        state.orders.insert(id.to_owned(), order);
        self.emit("PAYMENT.CAPTURE.COMPLETED", "capture", &capture);
        Ok(shown)
    }

    pub(crate) fn refund_capture(
        &self,
        state: &mut State,
        capture_id: &str,
        body: &[u8],
    ) -> Result<Value, Refusal> {
        let new: NewRefund =
            serde_json::from_slice(body).map_err(|_| Refusal::invalid("MALFORMED_REQUEST_JSON"))?;
        let id = self.new_id("1J");
        let is_it = |order: &&mut Order| order.capture.as_ref().is_some_and(|all| all.id == capture_id);
        let order = state.orders.values_mut().find(is_it).ok_or_else(Refusal::missing)?;
        let currency = order.currency.clone();
        let Some(capture) = &mut order.capture else { return Err(Refusal::missing()) };
        let left = capture.amount_minor.saturating_sub(capture.refunded());
        if new.amount.as_ref().is_some_and(|amount| amount.currency_code != currency) {
            return Err(Refusal::unprocessable("CURRENCY_MISMATCH"));
        }
        let amount_minor = new.amount.as_ref().map(NewAmount::minor).transpose()?.unwrap_or(left);
        if left == 0 {
            return Err(Refusal::unprocessable("CAPTURE_FULLY_REFUNDED"));
        }
        if amount_minor > left {
            return Err(Refusal::unprocessable("REFUND_AMOUNT_EXCEEDED"));
        }
        let refund = Refund { id, custom_id: new.custom_id, amount_minor };
        capture.refunds.push(refund.clone());
        let shown = refund.json(order);
        self.emit("PAYMENT.CAPTURE.REFUNDED", "refund", &shown);
        Ok(shown)
    }

    /// The buyer agrees.
    ///
    /// # Errors
    /// When there is no such order, or it is captured.
    pub fn approve(&self, id: &str) -> Result<Value, Refusal> {
        let mut state = self.state();
        let order = state.orders.get_mut(id).ok_or_else(Refusal::missing)?;
        if order.status == Status::Completed {
            return Err(Refusal::unprocessable("ORDER_ALREADY_CAPTURED"));
        }
        order.change(Status::Approved);
        let shown = order.json(self.base_url());
        self.emit("CHECKOUT.ORDER.APPROVED", "checkout-order", &shown);
        Ok(shown)
    }

    /// Lets the next capture of an order be declined.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn decline_next(&self, id: &str) -> Result<Value, Refusal> {
        let mut state = self.state();
        let order = state.orders.get_mut(id).ok_or_else(Refusal::missing)?;
        order.declines = true;
        Ok(order.json(self.base_url()))
    }

    /// Changes what an order asks for, behind everyone's back.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn alter(&self, id: &str, amount_minor: u64) -> Result<Value, Refusal> {
        let mut state = self.state();
        let order = state.orders.get_mut(id).ok_or_else(Refusal::missing)?;
        order.amount_minor = amount_minor;
        Ok(order.json(self.base_url()))
    }

    /// Forgets an order, as PayPal does with those nobody paid.
    pub fn expire(&self, id: &str) {
        self.state().orders.remove(id);
    }

    /// Where the buyer goes after the page.
    #[must_use]
    pub fn return_url(&self, id: &str) -> Option<String> {
        self.state().orders.get(id)?.return_url.clone()
    }
}
