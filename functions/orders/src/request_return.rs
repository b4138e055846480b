//! Asks a seller to take delivered goods back, within thirty days.

use serde::Deserialize;
use sutler_domain::{ids::OrderId, returns::reason};
use sutler_http::{
    ApiError, Body, Request, Response, request, response,
    units::{UnitsInput, units},
    views::ProblemView,
};
use sutler_services::{App, returns};
use utoipa::ToSchema;

use crate::refund_views::{self, ReturnedView};

/// What is to go back, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnInput {
    /// Delivered units of one seller.
    pub lines: Vec<UnitsInput>,
    /// 1 to 500 characters.
    #[schema(example = "Too small")]
    pub reason: String,
}

/// Asks a seller to take delivered goods back, within thirty days of their delivery.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/orders/{order}/returns",
    operation_id = "request_return",
    tag = "orders",
    security(("token" = [])),
    params(("order" = String, Path, description = "Id of the order"), ("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same")),
    request_body = ReturnInput,
    responses((status = 201, body = ReturnedView), (status = 401, description = "Not signed in", body = ProblemView), (status = 404, description = "Not found, or not the caller's", body = ProblemView), (status = 409, description = "Nothing, or less, was delivered lately", body = ProblemView), (status = 422, description = "Some fields are not valid", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let buyer = request::user(app, &request).await?.sub;
    let id = request::path(&request, "order", OrderId::parse)?;
    let body: ReturnInput = request::json(&request)?;
    let (lines, reason) = (units(body.lines, "/lines")?, reason(&body.reason)?);
    let once = request::once(app, &request, buyer.as_str(), "request_return", refund_views::requested)?;
    Ok(response::answer(returns::request(app, &id, &buyer, (&lines, &reason), &once).await?))
}
