//! Opens the payment of an order.

use serde::{Deserialize, Serialize};
use sutler_domain::ids::OrderId;
use sutler_http::{
    ApiError, Body, Request, Response, request, response,
    views::{MoneyView, ProblemView},
};
use sutler_services::{
    App,
    gateways::{Gateways, start},
    payments::Started,
};
use utoipa::ToSchema;

/// What this endpoint works with.
pub struct Payments {
    /// The use cases' needs.
    pub app: App,
    /// The providers.
    pub gateways: Gateways,
}

impl Payments {
    /// Reads configuration and the providers' keys.
    ///
    /// # Errors
    /// When a setting is missing or a key cannot be read.
    pub async fn connect() -> Result<Self, lambda_http::Error> {
        let (config, app) = sutler_runtime::start()?;
        let gateways = sutler_runtime::gateways::all(&config, &app).await?;
        Ok(Self { app, gateways })
    }
}

/// How to pay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPayment {
    /// The provider.
    pub gateway: Gateway,
}

/// Providers that take payments.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gateway {
    /// Cards, through Stripe in the shop's own pages.
    Stripe,
    /// Cards, on Stripe's page.
    StripeCheckout,
    /// Mobile money and cards in Ethiopia, on Chapa's pages.
    Chapa,
    /// PayPal, on its pages.
    #[serde(rename = "paypal")]
    PayPal,
}

impl Gateway {
    fn name(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::StripeCheckout => "stripe_checkout",
            Self::Chapa => "chapa",
            Self::PayPal => "paypal",
        }
    }
}

/// A payment that waits for the buyer.
#[derive(Debug, Serialize, ToSchema)]
pub struct StartedView {
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The provider's id.
    pub provider_id: String,
    /// What is to be paid.
    pub amount: MoneyView,
    /// What the provider's script in the buyer's browser asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Where to send the buyer instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_url: Option<String>,
}

impl From<&Started> for StartedView {
    fn from(started: &Started) -> Self {
        Self {
            attempt: started.attempt,
            provider_id: started.payment.provider_id.clone(),
            amount: started.amount.into(),
            client_secret: started.payment.client_secret.as_ref().map(|secret| secret.expose().to_owned()),
            redirect_url: started.payment.redirect_url.clone(),
        }
    }
}

/// Opens the payment of the caller's own order; repeated, it answers the same payment. An order has one open
/// payment at most: choosing another gateway ends the one that is open.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/orders/{order}/payments",
    operation_id = "start_payment",
    tag = "payments",
    security(("token" = [])),
    params(("order" = String, Path, description = "Id of the order")),
    request_body = NewPayment,
    responses(
        (status = 201, body = StartedView),
        (status = 401, description = "Not signed in", body = ProblemView),
        (status = 404, description = "Not found, or not the caller's", body = ProblemView),
        (status = 409, description = "The order does not wait for payment", body = ProblemView),
        (status = 422, description = "The gateway is not offered", body = ProblemView),
        (status = 503, description = "The provider does not answer; repeat the call", body = ProblemView),
    )
)]
pub async fn handle(state: &Payments, request: Request) -> Result<Response<Body>, ApiError> {
    let buyer = request::buyer(&state.app, &request).await?.sub;
    let order = request::path(&request, "order", OrderId::parse)?;
    let NewPayment { gateway } = request::json(&request)?;
    let started = start(&state.app, &state.gateways, gateway.name(), &order, &buyer).await?;
    Ok(response::answer(response::created_answer(&StartedView::from(&started))))
}
