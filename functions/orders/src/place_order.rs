//! Places an order: reserves the stock and waits for payment until `expires_at`.

use serde::Deserialize;
use sutler_domain::{
    idempotency::Answer,
    ids::{AddressId, CartId},
    shipping::Choices,
};
use sutler_http::{
    ApiError, Body, Request, Response, quote_view::QuoteView, request, response, views::ProblemView,
};
use sutler_services::{
    App,
    orders::{self, PlaceOrder, PlacedOrder},
    quotes::CartQuote,
};
use utoipa::ToSchema;

use crate::views::OrderView;

/// What the buyer agrees to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// The buyer's cart.
    #[schema(value_type = String)]
    pub cart: CartId,
    /// Where to.
    #[schema(value_type = String)]
    pub address: AddressId,
    /// By seller, the `id` of the chosen way to send things; the cheapest of those left out. As in the quote.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>, example = json!({"sel_01J8ZQ5K3N0V7X2Y4T6B8D9FGH": "express"}))]
    pub shipping: Choices,
    /// `hash` of the quote the buyer saw.
    pub quote: String,
}

fn placed(placed: &PlacedOrder) -> Answer {
    response::created_answer(&OrderView::placed(&placed.order, &placed.parts))
}

fn render_quote(quote: &CartQuote) -> String {
    response::ok_answer(&QuoteView::from(quote)).body
}

/// Places an order: reserves the stock and waits for payment until `expires_at`.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/orders",
    operation_id = "place_order",
    tag = "orders",
    security(("token" = [])),
    params(("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same")),
    request_body = NewOrder,
    responses((status = 201, body = OrderView), (status = 401, description = "Not signed in", body = ProblemView), (status = 403, description = "The e-mail address is not verified", body = ProblemView), (status = 404, description = "Not found, or not the caller's", body = ProblemView), (status = 409, description = "The state does not allow it", body = ProblemView), (status = 422, description = "Some fields are not valid", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let buyer = request::verified_user(app, &request).await?.sub;
    let body: NewOrder = request::json(&request)?;
    let once = request::once(app, &request, buyer.as_str(), "place_order", placed)?;
    let NewOrder { cart, address, shipping, quote: quote_hash } = body;
    let command = PlaceOrder { buyer, cart, address, shipping, quote_hash, render_quote };
    Ok(response::answer(orders::place(app, &command, &once).await?))
}
