//! Makes a coupon, for the marketplace or for the caller's shop.

use serde::Deserialize;
use sutler_domain::{
    coupon::{self, Coupon, CouponCode, Terms},
    idempotency::Answer,
    money::Money,
    problem::Problem,
    time::Timestamp,
};
use sutler_http::{
    ApiError, Body, Request, Response, request, response,
    views::{MoneyView, ProblemView},
};
use sutler_services::{App, coupons};
use utoipa::ToSchema;

use crate::{
    scope::{self, Scope},
    shapes,
    views::CouponView,
};

/// A new coupon.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCoupon {
    /// What buyers type, in either case: 3 to 32 letters, digits, `-` and `_`. No other coupon may have it.
    #[schema(value_type = String, example = "SPRING-10")]
    pub code: CouponCode,
    /// Whose it is: who makes it pays for it.
    pub scope: Scope,
    /// What it takes off.
    #[schema(value_type = shapes::Worth)]
    pub worth: coupon::Worth,
    /// What the goods it is for must cost.
    #[schema(value_type = Option<MoneyView>)]
    pub minimum: Option<Money>,
    /// From when on; at once when left out.
    #[schema(example = "2027-01-01T00:00:00Z")]
    pub starts_at: Option<String>,
    /// Until when.
    #[schema(example = "2027-02-01T00:00:00Z")]
    pub ends_at: String,
    /// How many orders may use it.
    #[schema(minimum = 1)]
    pub uses_max: Option<u32>,
    /// How many orders of one user may use it.
    #[schema(minimum = 1)]
    pub uses_per_user_max: Option<u32>,
    /// How much it may take off all orders together.
    #[schema(value_type = Option<MoneyView>)]
    pub budget: Option<Money>,
}

fn terms(app: &App, input: &NewCoupon) -> Result<Terms, Problem> {
    let instant =
        |text: &str, pointer: &str| Timestamp::parse(text).ok_or_else(|| Problem::field(pointer, "invalid"));
    let starts_at = input.starts_at.as_deref().map(|text| instant(text, "/starts_at")).transpose()?;
    Ok(Terms {
        worth: input.worth,
        minimum: input.minimum,
        starts_at: starts_at.unwrap_or(app.now()),
        ends_at: instant(&input.ends_at, "/ends_at")?,
        uses_max: input.uses_max,
        uses_per_user_max: input.uses_per_user_max,
        budget: input.budget,
        active: true,
    })
}

fn created(coupon: &Coupon) -> Answer {
    response::created_answer(&CouponView::from(coupon))
}

/// Makes a coupon, for the marketplace or for the caller's shop.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/coupons",
    operation_id = "create_coupon",
    tag = "pricing",
    security(("token" = [])),
    params(("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same")),
    request_body = NewCoupon,
    responses((status = 201, body = CouponView), (status = 401, description = "Not signed in", body = ProblemView), (status = 403, description = "No shop, or not finance or administrator", body = ProblemView), (status = 409, description = "The code is taken", body = ProblemView), (status = 422, description = "Some fields are not valid", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    // Whom the coupon is for is in the body, which is read for nobody who is not signed in.
    request::user(app, &request).await?;
    let input: NewCoupon = request::json(&request)?;
    let (user, funder) = scope::funder(app, &request, input.scope).await?;
    let terms = terms(app, &input)?;
    let once = request::once(app, &request, user.as_str(), "create_coupon", created)?;
    Ok(response::answer(coupons::create(app, funder, input.code, terms, &once).await?))
}
