//! Changes the terms of a coupon.

use serde::Deserialize;
use sutler_domain::{
    coupon::{Coupon, CouponCode, Funder},
    idempotency::Answer,
    money::Money,
    patch::Patch,
    problem::Problem,
    time::Timestamp,
};
use sutler_http::{
    ApiError, Body, Request, Response, request, response,
    views::{MoneyView, ProblemView},
};
use sutler_services::{
    App,
    auth::{Claims, Role},
    coupons::{self, TermsChange},
};
use utoipa::ToSchema;

use crate::views::CouponView;

/// A change of a coupon. Fields left out stay; what it takes off never changes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CouponPatch {
    /// What the goods it is for must cost; null for any.
    #[serde(default)]
    #[schema(value_type = Option<MoneyView>)]
    pub minimum: Patch<Money>,
    /// From when on.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "2027-01-01T00:00:00Z")]
    pub starts_at: Patch<String>,
    /// Until when.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "2027-02-01T00:00:00Z")]
    pub ends_at: Patch<String>,
    /// How many orders may use it; null for any number.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    pub uses_max: Patch<u32>,
    /// How many orders of one user may use it; null for any number.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    pub uses_per_user_max: Patch<u32>,
    /// How much it may take off all orders together; null for any amount.
    #[serde(default)]
    #[schema(value_type = Option<MoneyView>)]
    pub budget: Patch<Money>,
    /// Whether it can be used at all.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    pub active: Patch<bool>,
}

fn instant(field: Patch<String>, pointer: &str) -> Result<Patch<Timestamp>, Problem> {
    Ok(match field {
        Patch::Absent => Patch::Absent,
        Patch::Null => Patch::Null,
        Patch::Value(text) => {
            Patch::Value(Timestamp::parse(&text).ok_or_else(|| Problem::field(pointer, "invalid"))?)
        }
    })
}

fn change(patch: CouponPatch) -> Result<TermsChange, Problem> {
    Ok(TermsChange {
        minimum: patch.minimum,
        starts_at: instant(patch.starts_at, "/starts_at")?,
        ends_at: instant(patch.ends_at, "/ends_at")?,
        uses_max: patch.uses_max,
        uses_per_user_max: patch.uses_per_user_max,
        budget: patch.budget,
        active: patch.active,
    })
}

/// Whose coupons the caller may change: the shop's, which only its owner has, and for finance the marketplace's.
fn own(caller: &Claims) -> Vec<Funder> {
    let mut funders = vec![coupons::own(&caller.sub)];
    funders.extend(caller.has(Role::Finance).then_some(Funder::Platform));
    funders
}

fn changed(coupon: &Coupon) -> Answer {
    response::ok_answer(&CouponView::from(coupon))
}

/// Changes the terms of a coupon. Orders that use it keep what they took.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    patch,
    path = "/v1/coupons/{code}",
    operation_id = "update_coupon",
    tag = "pricing",
    security(("token" = [])),
    params(
        ("code" = String, Path, description = "The coupon's code"),
        ("if-match" = String, Header, description = "The version the change is based on", example = "\"1\""),
        ("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same"),
    ),
    request_body = CouponPatch,
    responses((status = 200, body = CouponView), (status = 401, description = "Not signed in", body = ProblemView), (status = 403, description = "The e-mail address is not verified", body = ProblemView), (status = 404, description = "Not found, or not the caller's", body = ProblemView), (status = 409, description = "Changed since it was read", body = ProblemView), (status = 422, description = "Some fields are not valid", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let caller = request::verified_user(app, &request).await?;
    let code = request::path(&request, "code", CouponCode::parse)?;
    let revision = request::if_match(&request)?.0;
    let change = change(request::json(&request)?)?;
    let once = request::once(app, &request, caller.sub.as_str(), "update_coupon", changed)?;
    Ok(response::answer(coupons::update(app, &own(&caller), &code, revision, change, &once).await?))
}
