//! Refusals as `application/problem+json` (RFC 9457). One exhaustive match decides what a client sees.

use lambda_http::{
    Body, Response,
    http::{HeaderValue, StatusCode, header},
};
use serde_json::{Map, Value, json};
use sutler_domain::problem::Problem;
use sutler_services::Error;
use sutler_store::StoreError;

/// A call that is answered with a problem document.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ApiError(Error);

impl<E: Into<Error>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// What a client sees of a failure.
struct Public {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    retry_after_s: Option<u32>,
}

fn public(status: StatusCode, code: &'static str, title: &'static str) -> Public {
    Public { status, code, title, retry_after_s: None }
}

/// Stable URIs of problem types start with this; `docs/ERRORS.md` describes each.
pub const TYPE_BASE: &str = "urn:sutler:problem:";

impl ApiError {
    fn public(&self) -> Public {
        match &self.0 {
            Error::Problem(problem) => of_problem(problem),
            Error::Store(StoreError::Unavailable(_)) | Error::Unavailable(_) => Public {
                retry_after_s: Some(1),
                ..public(StatusCode::SERVICE_UNAVAILABLE, "try-again", "Temporarily unavailable")
            },
            Error::Store(
                StoreError::Rejected(_)
                | StoreError::Corrupt { .. }
                | StoreError::Refused(_)
                | StoreError::KeyReused,
            )
            | Error::Internal(_) => {
                public(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong")
            }
        }
    }

    /// Renders the answer and logs the failure, once, with its whole chain of causes.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let Public { status, code, title, retry_after_s } = self.public();
        if status.is_server_error() {
            tracing::error!(error.code = code, error.chain = %chain(&self.0), "Request failed: {code}");
        } else {
            tracing::info!(error.code = code, "Request refused: {code}");
        }
        let mut body = Map::new();
        body.insert("type".to_owned(), json!(format!("{TYPE_BASE}{code}")));
        body.insert("title".to_owned(), json!(title));
        body.insert("status".to_owned(), json!(status.as_u16()));
        if let Error::Problem(problem) = &self.0 {
            details(problem, &mut body);
        }
        let mut response = Response::new(Body::Text(Value::Object(body).to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

fn of_problem(problem: &Problem) -> Public {
    use StatusCode as S;
    match problem {
        Problem::Unauthenticated => public(S::UNAUTHORIZED, "unauthenticated", "Sign in first"),
        Problem::WrongCredentials => public(S::UNAUTHORIZED, "wrong-credentials", "Wrong name or password"),
        Problem::BadSignature => public(S::BAD_REQUEST, "bad-signature", "The signature is not valid"),
        Problem::Forbidden => public(S::FORBIDDEN, "forbidden", "Your role does not allow this"),
        Problem::EmailNotVerified => {
            public(S::FORBIDDEN, "email-not-verified", "Verify your e-mail address first")
        }
        Problem::SellerRequired => public(S::FORBIDDEN, "seller-required", "Open a shop first"),
        Problem::NotFound => public(S::NOT_FOUND, "not-found", "Not found"),
        Problem::Malformed(_) => public(S::BAD_REQUEST, "malformed-request", "The request cannot be read"),
        Problem::TooLarge => public(S::PAYLOAD_TOO_LARGE, "too-large", "The request is too large"),
        Problem::Invalid(_) => public(S::UNPROCESSABLE_ENTITY, "invalid", "Some fields are not valid"),
        Problem::KeyReused => public(
            S::UNPROCESSABLE_ENTITY,
            "idempotency-key-reused",
            "The idempotency key belongs to another request",
        ),
        Problem::TokenInvalid => {
            public(S::UNPROCESSABLE_ENTITY, "token-invalid", "The token is unknown, used or expired")
        }
        Problem::OwnGoods => public(S::UNPROCESSABLE_ENTITY, "own-goods", "You cannot buy your own goods"),
        Problem::Conflict => public(S::CONFLICT, "conflict", "Someone else changed this first"),
        Problem::Taken { .. } => public(S::CONFLICT, "taken", "The name is taken"),
        Problem::LimitReached { .. } => {
            public(S::CONFLICT, "limit-reached", "There are as many as there may be")
        }
        Problem::AlreadySeller => public(S::CONFLICT, "already-seller", "You have a shop already"),
        Problem::InUse { .. } => public(S::CONFLICT, "in-use", "Something still depends on it"),
        Problem::CartEmpty => public(S::CONFLICT, "cart-empty", "The cart is empty"),
        Problem::NotForSale { .. } => {
            public(S::CONFLICT, "not-for-sale", "A product is not for sale any more")
        }
        Problem::InsufficientStock(_) => {
            public(S::CONFLICT, "insufficient-stock", "There is not enough stock")
        }
        Problem::InStock { .. } => public(S::CONFLICT, "in-stock", "It is in stock, and can be ordered"),
        Problem::BuyerLimit { .. } => {
            public(S::CONFLICT, "buyer-limit", "One buyer cannot have that many of it")
        }
        Problem::NotShippable { .. } => {
            public(S::CONFLICT, "not-shippable", "A seller does not send this there")
        }
        Problem::Coupon(refusal) => public(S::CONFLICT, refusal.code(), "The coupon cannot be used"),
        Problem::NothingToPay => public(S::CONFLICT, "nothing-to-pay", "The discount leaves nothing to pay"),
        Problem::QuoteChanged { .. } => public(S::CONFLICT, "quote-changed", "The quote changed"),
        Problem::OrderState { .. } => {
            public(S::CONFLICT, "order-state", "The order's state does not allow this")
        }
        Problem::TooManyUnits { .. } => {
            public(S::CONFLICT, "too-many-units", "There are not that many units left for this")
        }
        Problem::RefundTooLarge { .. } => {
            public(S::CONFLICT, "refund-too-large", "There is not that much left to give back")
        }
        Problem::LabelTooExpensive { .. } => {
            public(S::CONFLICT, "label-too-expensive", "The label costs more than is left of the part")
        }
        Problem::CarriersNotOffered => {
            public(S::UNPROCESSABLE_ENTITY, "carriers-not-offered", "Labels are not sold here")
        }
        Problem::CarrierRefused { .. } => {
            public(S::UNPROCESSABLE_ENTITY, "carrier-refused", "The carriers do not take this")
        }
        Problem::PaymentInProgress => {
            public(S::CONFLICT, "payment-in-progress", "Another payment of this order is under way")
        }
        Problem::GatewayNotOffered => {
            public(S::UNPROCESSABLE_ENTITY, "gateway-not-offered", "This way of paying is not offered")
        }
        Problem::PaymentDeclined { .. } => {
            public(S::UNPROCESSABLE_ENTITY, "payment-declined", "The payment was declined")
        }
        Problem::ProviderUnavailable => Public {
            retry_after_s: Some(5),
            ..public(
                S::SERVICE_UNAVAILABLE,
                "provider-unavailable",
                "The payment provider does not answer; repeat the call",
            )
        },
        Problem::TooManyRequests { retry_after_s } => Public {
            retry_after_s: Some(*retry_after_s),
            ..public(S::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests")
        },
    }
}

/// Adds what a client needs to act on the refusal.
fn details(problem: &Problem, body: &mut Map<String, Value>) {
    let mut add = |name: &str, value: Value| body.insert(name.to_owned(), value);
    match problem {
        Problem::Malformed(detail) => add("detail", json!(detail)),
        Problem::Invalid(errors) => add("errors", json!(errors)),
        Problem::Taken { what } => add("errors", json!([{"pointer": format!("/{what}"), "code": "taken"}])),
        Problem::InUse { what } => add("detail", json!(what)),
        Problem::LimitReached { what, max } => {
            add("limit", json!(max));
            add("detail", json!(what))
        }
        Problem::NotForSale { variant } | Problem::InStock { variant } => add("variant", json!(variant)),
        Problem::NotShippable { seller, seller_name, country } => {
            add("seller", json!(seller));
            add("seller_name", json!(seller_name));
            add("country", json!(country))
        }
        Problem::Coupon(refusal) => add("detail", json!(refusal.to_string())),
        Problem::InsufficientStock(shortages) => add("shortages", json!(shortages)),
        Problem::BuyerLimit { variant, limit, bought } => {
            add("variant", json!(variant));
            add("limit", json!(limit));
            add("bought", json!(bought))
        }
        Problem::QuoteChanged { quote } => add("quote", serde_json::from_str(quote).unwrap_or(Value::Null)),
        Problem::OrderState { state } => add("state", json!(state)),
        Problem::TooManyUnits { variant, requested, possible } => {
            add("variant", json!(variant));
            add("requested", json!(requested));
            add("possible", json!(possible))
        }
        Problem::RefundTooLarge { refundable } => add("refundable", json!(refundable)),
        Problem::LabelTooExpensive { left } => add("left", json!(left)),
        Problem::CarrierRefused { code } => add("detail", json!(code)),
        Problem::PaymentDeclined { code } => add("decline_code", json!(code)),
        Problem::Unauthenticated
        | Problem::Forbidden
        | Problem::EmailNotVerified
        | Problem::SellerRequired
        | Problem::AlreadySeller
        | Problem::NotFound
        | Problem::TooLarge
        | Problem::KeyReused
        | Problem::Conflict
        | Problem::TooManyRequests { .. }
        | Problem::WrongCredentials
        | Problem::TokenInvalid
        | Problem::CartEmpty
        | Problem::OwnGoods
        | Problem::NothingToPay
        | Problem::PaymentInProgress
        | Problem::CarriersNotOffered
        | Problem::GatewayNotOffered
        | Problem::ProviderUnavailable
        | Problem::BadSignature => None,
    };
}

/// The messages of an error and of everything that caused it.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
