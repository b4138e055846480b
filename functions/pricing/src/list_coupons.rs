//! Lists coupons, those of the marketplace or of the caller's shop.

use sutler_domain::coupon::CouponCode;
use sutler_http::{
    ApiError, Body, Request, Response, request, response,
    views::{ListView, ProblemView},
};
use sutler_services::{App, coupons};

use crate::{
    scope::{self, Scope},
    views::CouponView,
};

/// Lists coupons by code: with `scope=marketplace` those of the marketplace, else those of the caller's shop.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    get,
    path = "/v1/coupons",
    operation_id = "list_coupons",
    tag = "pricing",
    security(("token" = [])),
    params(
        ("scope" = Option<String>, Query, description = "`shop` or `marketplace`; `shop` when left out"),
        ("limit" = Option<u16>, Query, description = "1 to 100; 20 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = ListView<CouponView>), (status = 401, description = "Not signed in", body = ProblemView), (status = 403, description = "No shop, or not finance or administrator", body = ProblemView), (status = 422, description = "A parameter is not valid", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    request::user(app, &request).await?;
    let wanted = request::query(&request, "scope", Scope::parse)?.unwrap_or(Scope::Shop);
    let limit = request::page(&request)?.limit;
    let after = request::query(&request, "cursor", CouponCode::parse)?;
    let (_, funder) = scope::funder(app, &request, wanted).await?;
    let (found, next) = coupons::list(app, &funder, after.as_ref(), limit).await?;
    let items = found.iter().map(CouponView::from).collect();
    Ok(response::ok(&ListView::<CouponView> { items, next_cursor: next.map(String::from) }))
}
