//! What PayPal answers, as far as we read it.

use serde::Deserialize;
use serde_json::value::RawValue;
use sutler_domain::money::Money;

use crate::{
    json_http::amount,
    payment::{GatewayError, PaymentStatus, ProviderPayment, ProviderRefund, RefundStatus},
};

#[derive(Deserialize)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) update_time: Option<String>,
    #[serde(default)]
    pub(super) purchase_units: Vec<Unit>,
    #[serde(default)]
    pub(super) links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct Link {
    pub(super) rel: String,
    pub(super) href: String,
}

#[derive(Deserialize)]
pub(super) struct Unit {
    #[serde(default)]
    pub(super) custom_id: Option<String>,
    pub(super) amount: Option<Amount>,
    #[serde(default)]
    pub(super) payments: Payments,
}

#[derive(Default, Deserialize)]
pub(super) struct Payments {
    #[serde(default)]
    pub(super) captures: Vec<Capture>,
    #[serde(default)]
    pub(super) refunds: Vec<Refund>,
}

#[derive(Deserialize)]
pub(super) struct Capture {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) amount: Amount,
}

#[derive(Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) amount: Amount,
    #[serde(default)]
    pub(super) custom_id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Amount {
    pub(super) currency_code: String,
    pub(super) value: Box<RawValue>,
}

impl Amount {
    pub(super) fn read(&self) -> Result<Money, GatewayError> {
        amount(&self.value, &self.currency_code)
    }
}

impl Refund {
    pub(super) fn read(&self) -> Result<ProviderRefund, GatewayError> {
        let money = self.amount.read()?;
        Ok(ProviderRefund {
            provider_id: self.id.clone(),
            status: match self.status.as_str() {
                "COMPLETED" => RefundStatus::Succeeded,
                "FAILED" => RefundStatus::Failed,
                "CANCELLED" => RefundStatus::Cancelled,
                // `PENDING`, and whatever comes.
                _ => RefundStatus::Pending,
            },
            amount_minor: money.minor(),
            currency: money.currency().code().to_owned(),
        })
    }
}

impl Order {
    pub(super) fn capture(&self) -> Option<&Capture> {
        self.purchase_units.first()?.payments.captures.last()
    }

    pub(super) fn status(&self) -> PaymentStatus {
        match self.status.as_str() {
            "CREATED" | "SAVED" | "PAYER_ACTION_REQUIRED" => PaymentStatus::AwaitingBuyer,
            "APPROVED" => PaymentStatus::Approved,
            "VOIDED" => PaymentStatus::Cancelled,
            // It came to a capture; how that went is another matter.
            "COMPLETED" => match self.capture().map(|capture| capture.status.as_str()) {
                Some("COMPLETED" | "PARTIALLY_REFUNDED") => PaymentStatus::Succeeded,
                // Money that came and went again pays nothing.
                Some("DECLINED" | "FAILED" | "REFUNDED") => PaymentStatus::Cancelled,
                Some(_) | None => PaymentStatus::Processing,
            },
            // Neither paid nor over, whatever a word of the future may mean.
            _ => PaymentStatus::Processing,
        }
    }

    pub(super) fn read(&self) -> Result<ProviderPayment, GatewayError> {
        let unit = self.purchase_units.first();
        let custom = unit.and_then(|unit| unit.custom_id.as_deref()).and_then(|id| id.rsplit_once('/'));
        let asked = unit.and_then(|unit| unit.amount.as_ref()).map(Amount::read).transpose()?;
        let status = self.status();
        let capture = self.capture();
        let taken = capture.map(|capture| capture.amount.read()).transpose()?;
        let taken = taken.filter(|_| status == PaymentStatus::Succeeded);
        let declined =
            capture.is_some_and(|capture| matches!(capture.status.as_str(), "DECLINED" | "FAILED"));
        let currency = taken.or(asked).map(|money| money.currency().code().to_owned());
        Ok(ProviderPayment {
            provider_id: self.id.clone(),
            status,
            amount_minor: asked.map_or(0, Money::minor),
            amount_received_minor: taken.map_or(0, Money::minor),
            currency: currency.unwrap_or_default(),
            order_id: custom.map(|(order, _)| order.to_owned()),
            attempt: custom.and_then(|(_, attempt)| attempt.parse().ok()),
            last_error_code: declined.then(|| "declined".to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn order(status: &str, captures: &serde_json::Value) -> Order {
        let unit = json!({
            "custom_id": "ord_1/2", "amount": {"currency_code": "USD", "value": "19.99"},
            "payments": {"captures": captures},
        });
        let order = json!({"id": "5O1", "status": status, "purchase_units": [unit]}).to_string();
        serde_json::from_str(&order).unwrap()
    }

    #[test]
    fn only_a_completed_capture_is_money() {
        let capture = |status: &str| json!([{"id": "2GG", "status": status, "amount": {"currency_code": "USD", "value": "19.99"}}]);
        for (status, captures, means, received) in [
            ("CREATED", json!([]), PaymentStatus::AwaitingBuyer, 0),
            ("PAYER_ACTION_REQUIRED", json!([]), PaymentStatus::AwaitingBuyer, 0),
            ("APPROVED", json!([]), PaymentStatus::Approved, 0),
            ("VOIDED", json!([]), PaymentStatus::Cancelled, 0),
            ("COMPLETED", json!([]), PaymentStatus::Processing, 0),
            ("COMPLETED", capture("PENDING"), PaymentStatus::Processing, 0),
            ("COMPLETED", capture("COMPLETED"), PaymentStatus::Succeeded, 1_999),
            ("COMPLETED", capture("PARTIALLY_REFUNDED"), PaymentStatus::Succeeded, 1_999),
            ("COMPLETED", capture("REFUNDED"), PaymentStatus::Cancelled, 0),
            ("COMPLETED", capture("DECLINED"), PaymentStatus::Cancelled, 0),
            ("SOMETHING_NEW", json!([]), PaymentStatus::Processing, 0),
        ] {
            let payment = order(status, &captures).read().unwrap();
            assert_eq!(
                (payment.status, payment.amount_received_minor),
                (means, received),
                "{status} {captures}"
            );
            assert_eq!((payment.amount_minor, payment.currency.as_str()), (1_999, "USD"));
            assert_eq!((payment.order_id.as_deref(), payment.attempt), (Some("ord_1"), Some(2)));
        }
    }
}
