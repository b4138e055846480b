//! Refunds of charges.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Charge, State, Stripe, error::Refusal, form::Form};

/// Where a refund is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// On its way.
    Pending,
    /// The buyer has it.
    Succeeded,
    /// The bank sent it back: the money is with the seller's side again.
    Failed,
}

/// Money given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refund {
    /// `re_…`
    pub id: String,
    /// The charge it takes from.
    pub charge: String,
    /// The intent that made the charge.
    pub payment_intent: String,
    /// Minor units.
    pub amount: u64,
    /// Lower-case ISO code.
    pub currency: String,
    /// Where it is in its life.
    pub status: RefundStatus,
    /// One of Stripe's three words.
    pub reason: Option<String>,
    /// What its maker wrote on it.
    pub metadata: BTreeMap<String, String>,
    /// Epoch seconds.
    pub created: i64,
}

impl Refund {
    /// As the API shows it.
    pub(crate) fn json(&self) -> Value {
        let failure = (self.status == RefundStatus::Failed).then_some("expired_or_canceled_card");
        json!({
            "id": self.id, "object": "refund", "amount": self.amount, "balance_transaction": null,
            "charge": self.charge, "created": self.created, "currency": self.currency, "failure_reason": failure,
            "metadata": self.metadata, "payment_intent": self.payment_intent, "reason": self.reason,
            "receipt_number": null, "status": self.status,
        })
    }
}

impl Stripe {
    pub(crate) fn create_refund(&self, state: &mut State, form: &Form) -> Result<Value, Refusal> {
        let reason = form.text("reason").map(reason).transpose()?;
        let asked = form.amount("amount")?;
        let mut charge = refundable_charge(state, form)?;
        let left = charge.amount.saturating_sub(charge.amount_refunded);
        if left == 0 {
            let message = format!("Charge {} has already been refunded.", charge.id);
            return Err(Refusal::state("charge_already_refunded", message, None));
        }
        let amount = asked.unwrap_or(left);
        if amount > left {
            let message =
                format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left})");
            return Err(Refusal::state("amount_too_large", message, None));
        }
        let refund = Refund {
            id: self.new_id("re"),
            charge: charge.id.clone(),
            payment_intent: charge.payment_intent.clone(),
            amount,
            currency: charge.currency.clone(),
            status: if state.refunds_stay_pending { RefundStatus::Pending } else { RefundStatus::Succeeded },
            reason,
            metadata: form.metadata(),
            created: self.now(),
        };
        charge.amount_refunded = charge.amount_refunded.saturating_add(amount);
        let (refunded, charged) = (refund.json(), charge.json());
        let succeeded = refund.status == RefundStatus::Succeeded;
        state.charges.insert(charge.id.clone(), charge);
        state.refunds.insert(refund.id.clone(), refund);
        self.emit("refund.created", &refunded);
        self.emit("charge.refunded", &charged);
        if succeeded {
            self.emit("refund.updated", &refunded);
        }
        Ok(refunded)
    }

    pub(crate) fn retrieve_refund(state: &State, id: &str) -> Result<Value, Refusal> {
        state.refunds.get(id).map(Refund::json).ok_or_else(|| Refusal::missing("refund", id))
    }

    /// The bank answers a refund that was on its way. A failed one may be made again.
    pub(crate) fn settle_refund(
        &self,
        state: &mut State,
        id: &str,
        status: RefundStatus,
    ) -> Result<Value, Refusal> {
        let Some(refund) = state.refunds.get_mut(id) else { return Err(Refusal::missing("refund", id)) };
        if refund.status == status {
            return Ok(refund.json());
        }
        if refund.status == RefundStatus::Failed || status == RefundStatus::Pending {
            return Err(Refusal::state("refund_unexpected_state", "This refund cannot go there.", None));
        }
        refund.status = status;
        let (shown, charge, amount) = (refund.json(), refund.charge.clone(), refund.amount);
        self.emit("refund.updated", &shown);
        if status == RefundStatus::Failed {
            if let Some(charge) = state.charges.get_mut(&charge) {
                charge.amount_refunded = charge.amount_refunded.saturating_sub(amount);
            }
            self.emit("refund.failed", &shown);
        }
        Ok(shown)
    }
}

fn reason(text: &str) -> Result<String, Refusal> {
    match text {
        "duplicate" | "fraudulent" | "requested_by_customer" => Ok(text.to_owned()),
        _ => Err(Refusal::parameter("reason", "parameter_unknown", "Invalid reason.")),
    }
}

fn refundable_charge(state: &State, form: &Form) -> Result<Charge, Refusal> {
    let found = if let Some(charge) = form.text("charge") {
        state.charges.get(charge).ok_or_else(|| Refusal::missing("charge", charge))?
    } else {
        let Some(id) = form.text("payment_intent") else {
            let message =
                "One of the following params should be provided for this request: payment_intent or charge.";
            return Err(Refusal::parameter("charge", "parameter_missing", message));
        };
        let intent = state.intents.get(id).ok_or_else(|| Refusal::missing("payment_intent", id))?;
        let charge = intent.latest_charge.as_ref().and_then(|charge| state.charges.get(charge));
        charge.ok_or_else(|| {
            let message = format!("This PaymentIntent ({id}) does not have a successful charge to refund.");
            Refusal::state("payment_intent_unexpected_state", message, None)
        })?
    };
    Ok(found.clone())
}
