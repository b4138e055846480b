//! Takes the coupon out of a cart.

use sutler_domain::ids::CartId;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, coupons};

use crate::{access, views, views::CartView};

/// Takes the coupon out of a cart; none in it is no error.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    delete,
    path = "/v1/carts/{cart}/coupon",
    operation_id = "delete_cart_coupon",
    tag = "cart",
    params(("cart" = String, Path, description = "Id of the cart"), ("cart-token" = Option<String>, Header, description = "A guest cart's secret"), ("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same")),
    responses((status = 200, body = CartView), (status = 404, description = "Not found, or not the caller's", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let access = access::of(app, &request).await?;
    let id = request::path(&request, "cart", CartId::parse)?;
    let once = request::once(app, &request, access::caller(&access), "delete_cart_coupon", views::changed)?;
    Ok(response::answer(coupons::remove_from_cart(app, &id, &access, &once).await?))
}
