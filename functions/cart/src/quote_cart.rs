//! Says what a cart costs, sent to an address: goods, discount, shipping, tax, and the hash an order repeats.

use serde::Deserialize;
use sutler_domain::{
    ids::{AddressId, CartId},
    shipping::Choices,
};
use sutler_http::{
    ApiError, Body, Request, Response, quote_view::QuoteView, request, response, views::ProblemView,
};
use sutler_services::{App, quotes};
use utoipa::ToSchema;

use crate::access;

/// Where to, and how.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuoteCart {
    /// An entry of the user's address book. An order needs a quote with one.
    #[schema(value_type = Option<String>, example = "adr_01J8ZQ5K3N0V7X2Y4T6B8D9FGH")]
    pub address: Option<AddressId>,
    /// By seller, the `id` of the chosen way to send things; the cheapest of those left out.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>, example = json!({"sel_01J8ZQ5K3N0V7X2Y4T6B8D9FGH": "express"}))]
    pub shipping: Choices,
}

/// Says what a cart costs, sent to an address: goods, discount, ways to send it, tax, and the hash an order repeats.
///
/// Without an address it is an estimate: tax at the usual rate, and shipping to the rest of the world.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/carts/{cart}/quote",
    operation_id = "quote_cart",
    tag = "cart",
    params(("cart" = String, Path, description = "Id of the cart"), ("cart-token" = Option<String>, Header, description = "A guest cart's secret")),
    request_body = QuoteCart,
    responses((status = 200, body = QuoteView), (status = 404, description = "Not found, or not the caller's", body = ProblemView), (status = 409, description = "The state does not allow it", body = ProblemView), (status = 422, description = "Some fields are not valid", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let access = access::of(app, &request).await?;
    let id = request::path(&request, "cart", CartId::parse)?;
    let QuoteCart { address, shipping } = request::json_or_default(&request)?;
    let quote = quotes::quote_cart(app, &id, &access, address, &shipping).await?;
    Ok(response::ok(&QuoteView::from(&quote)))
}
