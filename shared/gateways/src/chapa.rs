//! Chapa: the buyer pays on its pages, and it is asked what became of it.
//!
//! A payment is named by our own `tx_ref`, unique per attempt. There are no idempotency keys: opening the same one again
//! is refused, and so is a refund whose reference was used.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use sutler_domain::money::Currency;

use crate::{
    calls::{CallLimits, Failure},
    chapa_reference::{parse_tx_ref, tx_ref},
    json_http::{Call, HttpFailure, JsonClient, Payload, amount},
    payment::{
        GatewayError, PaymentGateway, PaymentStatus, ProviderPayment, ProviderRefund, RefundPayment,
        RefundStatus, StartPayment, StartedPayment,
    },
    secret::Secret,
};

/// Where Chapa is.
pub const BASE_URL: &str = "https://api.chapa.co";

/// A reference was used before.
const USED: &str = "reference-used";
/// There is no such transaction, or nobody has tried to pay it yet.
const NOT_FOUND: &str = "not-found";
/// It was cancelled, has expired or is paid.
const NOT_ACTIVE: &str = "not-active";

/// Payments through Chapa.
#[derive(Debug, Clone)]
pub struct ChapaGateway {
    http: JsonClient,
    authorization: Secret,
}

impl ChapaGateway {
    /// Calls Chapa with `secret_key`, at `base_url` where one is given.
    #[must_use]
    pub fn new(secret_key: &Secret, base_url: Option<&str>, limits: CallLimits) -> Self {
        Self {
            http: JsonClient::new(base_url.unwrap_or(BASE_URL), limits, code_of),
            authorization: Secret::new(format!("Bearer {}", secret_key.expose())),
        }
    }

    async fn call<T: serde::de::DeserializeOwned + Send>(
        &self,
        method: &'static str,
        path: &str,
        body: Option<Payload<'_>>,
        key: &str,
    ) -> Result<T, Failure<HttpFailure>> {
        let headers = [("authorization", self.authorization.expose())];
        self.http.call(Call { method, path, headers: &headers, body, key }).await
    }
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: Option<T>,
}

#[derive(Deserialize)]
struct Opened {
    checkout_url: String,
}

#[derive(Deserialize)]
struct Verified {
    amount: Box<RawValue>,
    currency: String,
    status: String,
    tx_ref: String,
}

#[derive(Deserialize)]
struct Refunded {
    ref_id: Option<String>,
}

#[async_trait]
impl PaymentGateway for ChapaGateway {
    fn gateway(&self) -> &'static str {
        "chapa"
    }

    fn takes(&self, currency: Currency) -> bool {
        matches!(currency, Currency::Etb | Currency::Usd)
    }

    async fn start(&self, attempt: &StartPayment) -> Result<StartedPayment, GatewayError> {
        let provider_id = tx_ref(&attempt.order_id, attempt.attempt);
        let body = json!({
            "amount": attempt.decimal()?,
            "currency": attempt.currency,
            "email": attempt.email.expose(),
            "tx_ref": provider_id,
            "callback_url": attempt.return_url,
            "return_url": attempt.return_url,
            "customization": {"title": "Order", "description": attempt.description},
        });
        let body = body.to_string();
        let key = attempt.key();
        let opened = self.call("POST", "/v1/transaction/initialize", Some(Payload::Json(&body)), &key).await;
        let opened: Envelope<Opened> = match opened {
            Ok(opened) => opened,
            Err(Failure { cause, .. }) if cause.has_code(USED) => {
                return Err(GatewayError::Unrepeatable { provider_id });
            }
            Err(failure) => return Err(failure.into()),
        };
        let opened = opened.data.ok_or_else(|| unreadable("no checkout"))?;
        Ok(StartedPayment {
            provider_id,
            status: PaymentStatus::AwaitingBuyer,
            client_secret: None,
            redirect_url: Some(opened.checkout_url),
        })
    }

    async fn look_up(&self, payment: &str) -> Result<ProviderPayment, GatewayError> {
        let payment = checked(payment)?;
        let path = format!("/v1/transaction/verify/{payment}");
        let found = self.call("GET", &path, None, payment).await.map_err(Failure::of_a_question);
        let found: Envelope<Verified> = match found {
            Ok(found) => found,
            // Until the buyer has tried to pay there is nothing to be found.
            Err(Failure { cause, .. }) if cause.has_code(NOT_FOUND) => {
                return Ok(unpaid(payment, PaymentStatus::AwaitingBuyer));
            }
            Err(failure) => return Err(failure.into()),
        };
        let verified = found.data.ok_or_else(|| unreadable("no payment"))?;
        if verified.tx_ref != payment {
            return Err(unreadable("another payment"));
        }
        payment_of(&verified)
    }

    async fn cancel(&self, payment: &str, key: &str) -> Result<ProviderPayment, GatewayError> {
        let payment = checked(payment)?;
        let path = format!("/v1/transaction/cancel/{payment}");
        let cancelled: Result<serde_json::Value, _> = self.call("PUT", &path, None, key).await;
        match cancelled {
            // What the buyer may have paid meanwhile counts for more than the end of the page.
            Ok(_) => {}
            Err(Failure { cause, .. }) if cause.has_code(NOT_ACTIVE) || cause.has_code(NOT_FOUND) => {}
            Err(failure) => return Err(failure.into()),
        }
        let found = self.look_up(payment).await?;
        Ok(match found.status {
            PaymentStatus::AwaitingBuyer => ProviderPayment { status: PaymentStatus::Cancelled, ..found },
            PaymentStatus::RequiresAction
            | PaymentStatus::Approved
            | PaymentStatus::Processing
            | PaymentStatus::Succeeded
            | PaymentStatus::Cancelled => found,
        })
    }

    async fn refund(&self, refund: &RefundPayment) -> Result<ProviderRefund, GatewayError> {
        let payment = checked(&refund.payment)?;
        let key = refund.key();
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("reason", "The order was given up, sent back or could not be filled")
            .append_pair("amount", &refund.decimal()?)
            .append_pair("reference", &key.replace('/', "-"))
            .finish();
        let path = format!("/v1/refund/{payment}");
        let made = self.call("POST", &path, Some(Payload::Form(&body)), &key).await;
        let provider_id = match made {
            Ok(Envelope { data }) => data.and_then(|made: Refunded| made.ref_id),
            // Its reference was taken by an earlier try: this refund is under way.
            Err(Failure { cause, .. }) if cause.has_code(USED) => None,
            Err(failure) => return Err(failure.into()),
        };
        Ok(ProviderRefund {
            provider_id: provider_id.unwrap_or(key),
            // It is initiated, and Chapa tells nothing after that: nobody has to do more.
            status: RefundStatus::Succeeded,
            amount_minor: refund.amount_minor,
            currency: refund.currency.clone(),
        })
    }
}

fn unreadable(what: &str) -> GatewayError {
    HttpFailure::Unreadable(what.to_owned()).rejected()
}

/// A reference becomes part of a URL, so it must be one of ours.
fn checked(payment: &str) -> Result<&str, GatewayError> {
    let plain = payment.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    let ours = plain && parse_tx_ref(payment).is_some();
    ours.then_some(payment)
        .ok_or_else(|| HttpFailure::Invalid("not a reference of ours".to_owned()).rejected())
}

/// A payment of which Chapa knows nothing but its name.
fn unpaid(payment: &str, status: PaymentStatus) -> ProviderPayment {
    let (order, attempt) = parse_tx_ref(payment).unzip();
    ProviderPayment {
        provider_id: payment.to_owned(),
        status,
        amount_minor: 0,
        amount_received_minor: 0,
        currency: String::new(),
        order_id: order.map(str::to_owned),
        attempt,
        last_error_code: None,
    }
}

fn payment_of(verified: &Verified) -> Result<ProviderPayment, GatewayError> {
    let asked = amount(&verified.amount, &verified.currency)?;
    let (status, failure) = match verified.status.as_str() {
        "success" => (PaymentStatus::Succeeded, None),
        "pending" => (PaymentStatus::AwaitingBuyer, None),
        // The page stays open for another try.
        "failed" | "failed/cancelled" => (PaymentStatus::AwaitingBuyer, Some("failed")),
        // Money that came and went again pays nothing.
        "cancelled" | "refunded" | "reversed" => (PaymentStatus::Cancelled, None),
        // Neither paid nor over, whatever a word of the future may mean.
        _ => (PaymentStatus::Processing, None),
    };
    let received = if status == PaymentStatus::Succeeded { asked.minor() } else { 0 };
    Ok(ProviderPayment {
        amount_minor: asked.minor(),
        amount_received_minor: received,
        currency: asked.currency().code().to_owned(),
        last_error_code: failure.map(str::to_owned),
        ..unpaid(&verified.tx_ref, status)
    })
}

/// Chapa refuses in words. They are not kept: they may quote what was sent.
fn code_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        message: serde_json::Value,
    }
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    let message = refusal.message.to_string().to_ascii_lowercase();
    let known = [
        ("used before", USED),
        ("already been used", USED),
        ("not found", NOT_FOUND),
        ("not paid yet", NOT_FOUND),
        ("already expired", NOT_ACTIVE),
        ("already been paid", NOT_ACTIVE),
        ("not active", NOT_ACTIVE),
    ];
    let code = known.iter().find(|(words, _)| message.contains(words)).map(|(_, code)| *code);
    Some(code.unwrap_or("refused").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_brings_no_path_of_its_own() {
        for hostile in ["", "../refund-1", "a/b-1", "a?b-1", "é-1", "ord_1"] {
            assert!(checked(hostile).is_err(), "{hostile}");
        }
    }

    #[test]
    fn a_refusal_is_known_by_its_words_and_does_not_repeat_them() {
        for (message, code) in [
            (json!("Transaction reference has been used before"), USED),
            (json!("Payment not paid yet"), NOT_FOUND),
            (json!("Invalid transaction or Transaction not found"), NOT_FOUND),
            (json!("Payment link already expired"), NOT_ACTIVE),
            (json!({"email": ["bob@example.com is not valid"]}), "refused"),
        ] {
            let body = json!({"message": message, "status": "failed", "data": null}).to_string();
            assert_eq!(code_of(body.as_bytes()).as_deref(), Some(code), "{body}");
        }
        assert_eq!(code_of(b"<html>"), None);
    }

    #[test]
    fn a_payment_is_read_whether_its_amount_is_text_or_a_number() {
        let read = |data: &str| payment_of(&serde_json::from_str(data).unwrap());
        for amount in ["\"19.99\"", "19.99", "19.990"] {
            let data =
                format!(r#"{{"amount":{amount},"currency":"ETB","status":"success","tx_ref":"ord_1-1"}}"#);
            let payment = read(&data).unwrap();
            assert_eq!((payment.amount_minor, payment.amount_received_minor), (1_999, 1_999));
            assert_eq!((payment.currency.as_str(), payment.status), ("ETB", PaymentStatus::Succeeded));
        }
        for (status, means) in [
            ("pending", PaymentStatus::AwaitingBuyer),
            ("failed", PaymentStatus::AwaitingBuyer),
            ("cancelled", PaymentStatus::Cancelled),
            ("refunded", PaymentStatus::Cancelled),
            ("reversed", PaymentStatus::Cancelled),
            ("something new", PaymentStatus::Processing),
        ] {
            let data = format!(r#"{{"amount":1,"currency":"ETB","status":"{status}","tx_ref":"ord_1-1"}}"#);
            let payment = read(&data).unwrap();
            assert_eq!((payment.status, payment.amount_received_minor), (means, 0), "{status}");
        }
        for amount in ["19.999", "1e1", "-1", "null"] {
            let data =
                format!(r#"{{"amount":{amount},"currency":"ETB","status":"success","tx_ref":"ord_1-1"}}"#);
            assert!(read(&data).is_err(), "{amount}");
        }
    }
}
