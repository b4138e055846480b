//! PayPal: the buyer agrees on its pages, and the money moves only when we capture it.

mod objects;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{json, value::RawValue};
use sutler_domain::{money::Currency, time::Clock};

use crate::{
    calls::{CallLimits, Failure},
    json_http::{Call, HttpFailure, JsonClient, Payload},
    payment::{
        GatewayError, PaymentGateway, PaymentStatus, ProviderPayment, ProviderRefund, RefundPayment,
        StartPayment, StartedPayment,
    },
    secret::Secret,
};
use objects::{Order, Refund};

/// Where PayPal is, with real money.
pub const BASE_URL: &str = "https://api-m.paypal.com";

/// How long before its end a token is not used any more.
const TOKEN_MARGIN_S: i64 = 60;

/// The header that makes a repeated call the same call. PayPal keeps it for hours.
const REQUEST_ID: &str = "paypal-request-id";

/// Payments through PayPal.
#[derive(Clone)]
pub struct PayPalGateway {
    http: JsonClient,
    credentials: Secret,
    clock: Arc<dyn Clock>,
    token: Arc<Mutex<Option<Token>>>,
}

#[derive(Clone)]
struct Token {
    bearer: Secret,
    ends_at_epoch_s: i64,
}

impl std::fmt::Debug for PayPalGateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PayPalGateway").field("http", &self.http).finish_non_exhaustive()
    }
}

/// What a call did not do.
type Failed = Failure<HttpFailure>;

impl PayPalGateway {
    /// Calls PayPal as the client that `credentials` (`<client id>:<secret>`) name, at `base_url` where one is given.
    #[must_use]
    pub fn new(
        credentials: &Secret,
        base_url: Option<&str>,
        limits: CallLimits,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            http: JsonClient::new(base_url.unwrap_or(BASE_URL), limits, code_of),
            credentials: Secret::new(format!("Basic {}", BASE64_STANDARD.encode(credentials.expose()))),
            clock,
            token: Arc::default(),
        }
    }

    /// Asks PayPal whether a webhook message is its own, when that cannot be told here. `transmission` holds the
    /// message's headers and the webhook's id, and `raw` is the message as it came.
    ///
    /// # Errors
    /// See [`GatewayError`].
    pub async fn confirms(
        &self,
        transmission: &serde_json::Map<String, serde_json::Value>,
        raw: &str,
    ) -> Result<bool, GatewayError> {
        #[derive(Deserialize)]
        struct Verdict {
            verification_status: String,
        }
        // The message has to go back byte by byte, so it is not written anew.
        let event: &RawValue = serde_json::from_str(raw).map_err(|_| unreadable("a message"))?;
        let mut fields = serde_json::to_string(transmission).map_err(|_| unreadable("a transmission"))?;
        fields.truncate(fields.len().saturating_sub(1));
        let body = format!("{fields},\"webhook_event\":{}}}", event.get());
        let path = "/v1/notifications/verify-webhook-signature";
        let verdict: Result<Verdict, _> = self.call("POST", path, Some(&body), None, "verify").await;
        Ok(verdict.map_err(Failure::of_a_question)?.verification_status == "SUCCESS")
    }

    /// One call, under a token. A token that was ended early is replaced once.
    async fn call<T: DeserializeOwned + Send>(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&str>,
        request_id: Option<&str>,
        key: &str,
    ) -> Result<T, Failed> {
        let first = self.call_as(&self.bearer().await?, method, path, body, request_id, key).await;
        match first {
            Err(failure) if failure.cause.status() == Some(401) => {
                self.keep(None);
                self.call_as(&self.bearer().await?, method, path, body, request_id, key).await
            }
            answered => answered,
        }
    }

    async fn call_as<T: DeserializeOwned + Send>(
        &self,
        bearer: &Secret,
        method: &'static str,
        path: &str,
        body: Option<&str>,
        request_id: Option<&str>,
        key: &str,
    ) -> Result<T, Failed> {
        let mut headers = vec![("authorization", bearer.expose()), ("prefer", "return=representation")];
        headers.extend(request_id.map(|id| (REQUEST_ID, id)));
        self.http.call(Call { method, path, headers: &headers, body: body.map(Payload::Json), key }).await
    }

    /// The token, kept until it ends.
    async fn bearer(&self) -> Result<Secret, Failed> {
        #[derive(Deserialize)]
        struct Granted {
            access_token: String,
            expires_in: i64,
        }
        let now = self.clock.now().seconds();
        let kept = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(token) = kept.filter(|token| token.ends_at_epoch_s > now) {
            return Ok(token.bearer);
        }
        let headers = [("authorization", self.credentials.expose())];
        let body = Some(Payload::Form("grant_type=client_credentials"));
        let call = Call { method: "POST", path: "/v1/oauth2/token", headers: &headers, body, key: "token" };
        // A token that got lost is no harm: the call it was for has not been made.
        let granted: Granted = self.http.call(call).await.map_err(Failure::of_a_question)?;
        let bearer = Secret::new(format!("Bearer {}", granted.access_token));
        let ends_at_epoch_s = now.saturating_add(granted.expires_in).saturating_sub(TOKEN_MARGIN_S);
        self.keep(Some(Token { bearer: bearer.clone(), ends_at_epoch_s }));
        Ok(bearer)
    }

    fn keep(&self, token: Option<Token>) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }

    /// The order as PayPal knows it; nothing once it is forgotten, which only happens to those nobody has paid.
    async fn order(&self, id: &str) -> Result<Option<Order>, GatewayError> {
        let path = format!("/v2/checkout/orders/{}", checked(id)?);
        match self.call("GET", &path, None, None, id).await.map_err(Failure::of_a_question) {
            Ok(order) => Ok(Some(order)),
            Err(failure) if failure.cause.status() == Some(404) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn refund_of(&self, refund: &RefundPayment, capture: &str) -> Result<ProviderRefund, GatewayError> {
        let key = refund.key();
        let amount = json!({"currency_code": refund.currency, "value": refund.decimal()?});
        let body = json!({"amount": amount, "custom_id": key}).to_string();
        let path = format!("/v2/payments/captures/{}/refund", checked(capture)?);
        let made: Refund = self.call("POST", &path, Some(&body), Some(&key), &key).await?;
        made.read()
    }
}

#[async_trait]
impl PaymentGateway for PayPalGateway {
    fn gateway(&self) -> &'static str {
        "paypal"
    }

    fn takes(&self, currency: Currency) -> bool {
        match currency {
            Currency::Chf | Currency::Eur | Currency::Gbp | Currency::Jpy | Currency::Usd => true,
            Currency::Bhd | Currency::Etb => false,
        }
    }

    async fn start(&self, attempt: &StartPayment) -> Result<StartedPayment, GatewayError> {
        let key = attempt.key();
        let unit = json!({
            "custom_id": key,
            "invoice_id": key,
            "description": attempt.description,
            "amount": {"currency_code": attempt.currency, "value": attempt.decimal()?},
        });
        let experience = json!({
            "return_url": attempt.return_url,
            "cancel_url": attempt.return_url,
            "user_action": "PAY_NOW",
            "shipping_preference": "NO_SHIPPING",
            // Other ways to pay may take days, and the order's stock cannot wait.
            "payment_method_preference": "IMMEDIATE_PAYMENT_REQUIRED",
        });
        let body = json!({
            "intent": "CAPTURE",
            "purchase_units": [unit],
            "payment_source": {"paypal": {"experience_context": experience}},
        });
        let body = body.to_string();
        let order: Order = self.call("POST", "/v2/checkout/orders", Some(&body), Some(&key), &key).await?;
        let link = order.links.iter().find(|link| matches!(link.rel.as_str(), "payer-action" | "approve"));
        Ok(StartedPayment {
            status: order.status(),
            client_secret: None,
            redirect_url: link.map(|link| link.href.clone()),
            provider_id: order.id,
        })
    }

    async fn look_up(&self, payment: &str) -> Result<ProviderPayment, GatewayError> {
        self.order(payment).await?.map_or_else(|| Ok(forgotten(payment)), |order| order.read())
    }

    /// Captures an order that the buyer has approved.
    async fn settle(&self, payment: &str, key: &str) -> Result<ProviderPayment, GatewayError> {
        let Some(order) = self.order(payment).await? else { return Ok(forgotten(payment)) };
        if order.status() != PaymentStatus::Approved {
            return order.read();
        }
        // A buyer whose card was declined may approve again with another; that is another call, not the old answer.
        let request_id = format!("{key}/{}", order.update_time.as_deref().unwrap_or_default());
        let path = format!("/v2/checkout/orders/{}/capture", checked(payment)?);
        let captured = self.call("POST", &path, Some("{}"), Some(&request_id), key).await;
        match captured {
            // The answer may leave out what was there before, such as our ids.
            Ok(Order { .. }) => self.look_up(payment).await,
            Err(Failure { cause, .. }) if cause.has_code("INSTRUMENT_DECLINED") => Ok(ProviderPayment {
                status: PaymentStatus::AwaitingBuyer,
                last_error_code: Some("instrument_declined".to_owned()),
                ..order.read()?
            }),
            Err(Failure { cause, .. }) if TOO_LATE.iter().any(|code| cause.has_code(code)) => {
                self.look_up(payment).await
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// PayPal ends orders only by itself, hours later. What makes one unpayable is that we never capture it, which is
    /// for the caller to remember; this answers whether it is too late for that.
    async fn cancel(&self, payment: &str, _: &str) -> Result<ProviderPayment, GatewayError> {
        let found = self.look_up(payment).await?;
        Ok(match found.status {
            PaymentStatus::AwaitingBuyer | PaymentStatus::RequiresAction | PaymentStatus::Approved => {
                ProviderPayment { status: PaymentStatus::Cancelled, ..found }
            }
            PaymentStatus::Processing | PaymentStatus::Succeeded | PaymentStatus::Cancelled => found,
        })
    }

    async fn refund(&self, refund: &RefundPayment) -> Result<ProviderRefund, GatewayError> {
        let order = self.order(&refund.payment).await?.ok_or_else(|| unreadable("no such order"))?;
        let key = refund.key();
        let payments = order.purchase_units.first().map(|unit| &unit.payments);
        // PayPal forgets keys after a while, but not refunds.
        let made = payments.and_then(|payments| {
            payments.refunds.iter().find(|made| made.custom_id.as_deref() == Some(key.as_str()))
        });
        if let Some(made) = made {
            return made.read();
        }
        let capture = order.capture().ok_or_else(|| unreadable("an order that was never paid"))?;
        self.refund_of(refund, &capture.id).await
    }
}

/// PayPal's words for a capture that is not to be made (any more).
const TOO_LATE: [&str; 4] =
    ["ORDER_ALREADY_CAPTURED", "ORDER_NOT_APPROVED", "PAYER_ACTION_REQUIRED", "ORDER_EXPIRED"];

/// An order that PayPal does not know any more: nobody has paid it, and nobody can.
fn forgotten(payment: &str) -> ProviderPayment {
    ProviderPayment {
        provider_id: payment.to_owned(),
        status: PaymentStatus::Cancelled,
        amount_minor: 0,
        amount_received_minor: 0,
        currency: String::new(),
        order_id: None,
        attempt: None,
        last_error_code: None,
    }
}

fn unreadable(what: &str) -> GatewayError {
    HttpFailure::Unreadable(what.to_owned()).rejected()
}

/// An id becomes part of a URL, so it must not bring a path of its own.
fn checked(id: &str) -> Result<&str, GatewayError> {
    let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    plain.then_some(id).ok_or_else(|| HttpFailure::Invalid("not an id of PayPal".to_owned()).rejected())
}

/// The issue of a refusal, or its name where it has none. Both are from documented lists.
fn code_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        name: Option<String>,
        error: Option<String>,
        #[serde(default)]
        details: Vec<Detail>,
    }
    #[derive(Deserialize)]
    struct Detail {
        issue: Option<String>,
    }
    let Refusal { name, error, details } = serde_json::from_slice(body).ok()?;
    details.into_iter().find_map(|detail| detail.issue).or(name).or(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_known_by_its_issue() {
        for (body, code) in [
            (
                json!({"name": "UNPROCESSABLE_ENTITY", "details": [{"issue": "ORDER_NOT_APPROVED"}]}),
                "ORDER_NOT_APPROVED",
            ),
            (json!({"name": "RESOURCE_NOT_FOUND"}), "RESOURCE_NOT_FOUND"),
            (json!({"error": "invalid_client", "error_description": "…"}), "invalid_client"),
        ] {
            assert_eq!(code_of(body.to_string().as_bytes()).as_deref(), Some(code));
        }
        assert_eq!(code_of(b"<html>"), None);
        for hostile in ["", "../x", "a/b", "a?b", "é"] {
            assert!(checked(hostile).is_err(), "{hostile}");
        }
    }
}
