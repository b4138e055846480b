//! Shipments with their rates, and what is bought at these.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Refusal, Shippo, State, tracks::Status};
use crate::money;

/// What a parcel would cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quote {
    /// Its id.
    pub object_id: String,
    /// Who carries it.
    pub provider: String,
    /// How.
    pub service: String,
    /// In cents.
    pub amount_minor: u64,
    /// `USD`, unless a test wants another.
    pub currency: String,
}

impl Quote {
    fn json(&self, shipment: &str) -> Value {
        let token =
            format!("{}_{}", self.provider.to_lowercase(), self.service.to_lowercase().replace(' ', "_"));
        let amount = money::decimal(self.amount_minor, 2);
        json!({
            "object_id": self.object_id, "shipment": shipment, "amount": amount, "currency": self.currency,
            "amount_local": amount, "currency_local": self.currency, "provider": self.provider,
            "servicelevel": {"name": self.service, "token": token}, "estimated_days": 3, "attributes": [], "test": true,
        })
    }
}

/// Something whose rates were asked for. Where it comes from and goes is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shipment {
    /// Its id.
    pub object_id: String,
    /// What was written on it.
    pub metadata: String,
    /// What it would cost.
    pub rates: Vec<Quote>,
}

impl Shipment {
    fn json(&self) -> Value {
        let rates: Vec<Value> = self.rates.iter().map(|rate| rate.json(&self.object_id)).collect();
        json!({
            "object_id": self.object_id, "status": "SUCCESS", "metadata": self.metadata, "rates": rates, "messages": [],
            "test": true,
        })
    }
}

/// How a purchase stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PurchaseStatus {
    /// There is a label.
    Success,
    /// There is none, and nothing to be paid.
    Error,
    /// The carrier is asked to take it back.
    RefundPending,
    /// The carrier took it back.
    Refunded,
    /// The carrier does not take it back.
    RefundRejected,
}

/// Something that was bought, or was to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Purchase {
    /// Its id.
    pub object_id: String,
    /// At which rate.
    pub rate: String,
    /// What was written on it.
    pub metadata: String,
    /// How it stands.
    pub status: PurchaseStatus,
    /// What was paid, in cents.
    pub amount_minor: u64,
    /// The carrier's number.
    pub tracking_number: String,
    /// Who carries it.
    pub carrier: String,
    /// The carrier's word for why not.
    pub code: Option<String>,
}

impl Purchase {
    fn json(&self, base_url: &str) -> Value {
        let messages: Vec<Value> = self
            .code
            .iter()
            .map(
                |code| json!({"source": self.carrier, "code": code, "text": "12 Canal Street is not known."}),
            )
            .collect();
        let (number, url) = match self.status {
            PurchaseStatus::Error => (Value::Null, Value::Null),
            PurchaseStatus::Success
            | PurchaseStatus::RefundPending
            | PurchaseStatus::Refunded
            | PurchaseStatus::RefundRejected => (
                json!(self.tracking_number),
                json!(format!("{base_url}/shippo/labels/{}.pdf", self.object_id)),
            ),
        };
        json!({
            "object_id": self.object_id, "object_state": "VALID", "status": self.status, "rate": self.rate,
            "metadata": self.metadata, "tracking_number": number, "label_url": url, "messages": messages,
            "tracking_status": "UNKNOWN", "test": true,
        })
    }
}

fn text<'a>(body: &'a Value, pointer: &str) -> Option<&'a str> {
    body.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn bad(detail: &str) -> Refusal {
    Refusal::new(400, detail)
}

fn missing() -> Refusal {
    Refusal::new(404, "Not found.")
}

impl Shippo {
    pub(crate) fn quote(&self, state: &mut State, body: &Value) -> Result<Value, Refusal> {
        for side in ["address_from", "address_to"] {
            for field in ["name", "street1", "city", "country"] {
                if text(body, &format!("/{side}/{field}")).is_none() {
                    return Err(bad("An address is not complete."));
                }
            }
            if text(body, &format!("/{side}/street1")).is_some_and(|street| street.contains("Nowhere")) {
                return Err(bad("An address is not valid."));
            }
        }
        let number =
            |name: &str| text(body, &format!("/parcels/0/{name}")).and_then(|text| text.parse::<u64>().ok());
        let sides = [number("length"), number("width"), number("height")];
        let weight_g = number("weight").filter(|_| sides.iter().all(Option::is_some));
        let weight_g = weight_g.ok_or_else(|| bad("A parcel is not complete."))?;
        if text(body, "/parcels/0/mass_unit") != Some("g")
            || text(body, "/parcels/0/distance_unit") != Some("mm")
        {
            return Err(bad("A unit is not known."));
        }
        let metadata = text(body, "/metadata").unwrap_or_default();
        if metadata.len() > 100 {
            return Err(bad("Metadata has at most 100 characters."));
        }
        let object_id = self.new_number();
        let services: &[(&str, &str, u64)] = match weight_g {
            0..=30_000 => &[("USPS", "Priority Mail", 750), ("UPS", "Ground", 1_025)],
            // Too heavy for all of them.
            _ => &[],
        };
        let mut rates = Vec::new();
        for (provider, service, base) in services {
            rates.push(Quote {
                object_id: self.new_number(),
                provider: (*provider).to_owned(),
                service: (*service).to_owned(),
                amount_minor: base.saturating_add(weight_g.div_euclid(100)),
                currency: "USD".to_owned(),
            });
        }
        let shipment = Shipment { object_id: object_id.clone(), metadata: metadata.to_owned(), rates };
        let shown = shipment.json();
        state.shipments.insert(object_id, shipment);
        Ok(shown)
    }

    pub(crate) fn shipment(state: &State, id: &str) -> Result<Value, Refusal> {
        state.shipments.get(id).map(Shipment::json).ok_or_else(missing)
    }

    pub(crate) fn buy(&self, state: &mut State, body: &Value) -> Result<Value, Refusal> {
        let rate = text(body, "/rate").ok_or_else(|| bad("A rate is required."))?;
        let mut quotes = state.shipments.values().flat_map(|shipment| &shipment.rates);
        let quote = quotes.find(|quote| quote.object_id == rate).cloned();
        let quote = quote.ok_or_else(|| bad("There is no such rate."))?;
        let object_id = self.new_number();
        let code = state.refusing.take();
        let purchase = Purchase {
            object_id: object_id.clone(),
            rate: quote.object_id,
            metadata: text(body, "/metadata").unwrap_or_default().to_owned(),
            status: if code.is_some() { PurchaseStatus::Error } else { PurchaseStatus::Success },
            amount_minor: quote.amount_minor,
            tracking_number: format!("92055{:017}", self.next()),
            carrier: quote.provider.to_lowercase(),
            code,
        };
        let shown = purchase.json(self.base_url());
        if purchase.status == PurchaseStatus::Success {
            Self::follow(state, &purchase.carrier, &purchase.tracking_number, Status::PreTransit);
        }
        state.purchases.insert(object_id, purchase);
        Ok(shown)
    }

    pub(crate) fn list(&self, state: &State, rate: Option<&str>) -> Value {
        let wanted = |purchase: &&Purchase| rate.is_none_or(|rate| rate == purchase.rate);
        // The newest first.
        let found = state.purchases.values().rev().filter(wanted);
        let results: Vec<Value> = found.map(|purchase| purchase.json(self.base_url())).collect();
        json!({"next": null, "previous": null, "results": results})
    }

    pub(crate) fn purchase(&self, state: &State, id: &str) -> Result<Value, Refusal> {
        let found = state.purchases.get(id).map(|purchase| purchase.json(self.base_url()));
        found.ok_or_else(missing)
    }

    pub(crate) fn refund(&self, state: &mut State, body: &Value) -> Result<Value, Refusal> {
        let id = text(body, "/transaction").ok_or_else(|| bad("A transaction is required."))?;
        let purchase = state.purchases.get_mut(id).ok_or_else(missing)?;
        if purchase.status != PurchaseStatus::Success {
            return Err(bad("A refund was requested before."));
        }
        purchase.status = PurchaseStatus::RefundPending;
        let (object_id, id) = (self.new_number(), id.to_owned());
        Ok(json!({"object_id": object_id, "transaction": id, "status": "PENDING", "test": true}))
    }

    /// Buys at a rate once more, as a call would that arrived late.
    ///
    /// # Errors
    /// When there is no such rate.
    pub fn buy_late(&self, rate: &str, metadata: &str) -> Result<Value, Refusal> {
        let mut state = self.state();
        self.buy(&mut state, &json!({"rate": rate, "metadata": metadata}))
    }

    /// Makes the carrier refuse the next purchase, with this word.
    pub fn refuse_next(&self, code: &str) {
        self.state().refusing = Some(code.to_owned());
    }

    /// The carrier decides about everything it was asked to take back.
    pub fn decide_refunds(&self, accepted: bool) {
        for purchase in self.state().purchases.values_mut() {
            if purchase.status == PurchaseStatus::RefundPending {
                purchase.status =
                    if accepted { PurchaseStatus::Refunded } else { PurchaseStatus::RefundRejected };
            }
        }
    }

    /// Changes what a rate costs, and in which currency, behind everyone's back.
    ///
    /// # Errors
    /// When there is none.
    pub fn alter(&self, rate: &str, amount_minor: u64, currency: &str) -> Result<Value, Refusal> {
        let mut state = self.state();
        let mut rates = state.shipments.values_mut().flat_map(|shipment| &mut shipment.rates);
        let quote = rates.find(|quote| quote.object_id == rate).ok_or_else(missing)?;
        quote.amount_minor = amount_minor;
        currency.clone_into(&mut quote.currency);
        Ok(json!({}))
    }
}
