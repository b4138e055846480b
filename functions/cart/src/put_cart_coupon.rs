//! Puts a coupon into a cart.

use serde::Deserialize;
use sutler_domain::{coupon::CouponCode, ids::CartId};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, coupons};
use utoipa::ToSchema;

use crate::{access, views, views::CartView};

/// Which coupon.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutCoupon {
    /// Its code, in either case.
    #[schema(value_type = String, example = "SPRING-10")]
    pub code: CouponCode,
}

/// Puts a coupon into a cart, in the place of another. What it takes off is in the quote.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    put,
    path = "/v1/carts/{cart}/coupon",
    operation_id = "put_cart_coupon",
    tag = "cart",
    params(("cart" = String, Path, description = "Id of the cart"), ("cart-token" = Option<String>, Header, description = "A guest cart's secret"), ("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same")),
    request_body = PutCoupon,
    responses((status = 200, body = CartView), (status = 404, description = "Not found, or not the caller's", body = ProblemView), (status = 409, description = "The coupon cannot be used now", body = ProblemView), (status = 422, description = "Nobody made such a coupon", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let access = access::of(app, &request).await?;
    let id = request::path(&request, "cart", CartId::parse)?;
    let code = request::json::<PutCoupon>(&request)?.code;
    let once = request::once(app, &request, access::caller(&access), "put_cart_coupon", views::changed)?;
    Ok(response::answer(coupons::put_in_cart(app, &id, &access, &code, &once).await?))
}
