//! Sets how many of a variant are in a cart.

use serde::Deserialize;
use sutler_domain::{
    cart::Quantity,
    ids::{CartId, VariantId},
};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, carts};
use utoipa::ToSchema;

use crate::{access, views, views::CartView};

/// How many.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutLine {
    /// 1 to 99.
    #[schema(minimum = 1, maximum = 99, example = 2)]
    pub quantity: u32,
}

/// Sets how many of a variant are in a cart.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    put,
    path = "/v1/carts/{cart}/lines/{variant}",
    operation_id = "put_cart_line",
    tag = "cart",
    params(("cart" = String, Path, description = "Id of the cart"), ("variant" = String, Path, description = "Id of the variant"), ("cart-token" = Option<String>, Header, description = "A guest cart's secret"), ("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same")),
    request_body = PutLine,
    responses((status = 200, body = CartView), (status = 404, description = "Not found, or not the caller's", body = ProblemView), (status = 409, description = "The state does not allow it", body = ProblemView), (status = 422, description = "Some fields are not valid", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let access = access::of(app, &request).await?;
    let id = request::path(&request, "cart", CartId::parse)?;
    let variant = request::path(&request, "variant", VariantId::parse)?;
    let quantity = Quantity::try_new(request::json::<PutLine>(&request)?.quantity)?;
    let once = request::once(app, &request, access::caller(&access), "put_cart_line", views::changed)?;
    Ok(response::answer(carts::put_line(app, &id, &access, &variant, quantity, &once).await?))
}
