//! Gives an order up: unpaid, its stock is free again; paid and not shipped, the money goes back. Of a paid order
//! some units can be given up alone.

use serde::Deserialize;
use sutler_domain::{idempotency::Answer, ids::OrderId};
use sutler_http::{
    ApiError, Body, Request, Response, request, response,
    units::{UnitsInput, units},
    views::ProblemView,
};
use sutler_services::{App, orders};
use sutler_store::orders::OrderAggregate;
use utoipa::ToSchema;

use crate::views::OrderView;

/// What is given up.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancellation {
    /// Units of a paid order that are not shipped yet; the whole order when absent.
    pub lines: Option<Vec<UnitsInput>>,
}

fn cancelled(order: &OrderAggregate) -> Answer {
    response::ok_answer(&OrderView::from(order))
}

/// Gives an order up: unpaid, its stock is free again; paid and not shipped, the money goes back. Of a paid order
/// some units can be given up alone.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/orders/{order}/cancel",
    operation_id = "cancel_order",
    tag = "orders",
    security(("token" = [])),
    params(("order" = String, Path, description = "Id of the order"), ("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same")),
    request_body = Option<Cancellation>,
    responses((status = 200, body = OrderView), (status = 401, description = "Not signed in", body = ProblemView), (status = 404, description = "Not found, or not the caller's", body = ProblemView), (status = 409, description = "The state does not allow it", body = ProblemView), (status = 422, description = "Some fields are not valid", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let buyer = request::user(app, &request).await?.sub;
    let id = request::path(&request, "order", OrderId::parse)?;
    let body: Cancellation = request::json_or_default(&request)?;
    let lines = body.lines.map(|lines| units(lines, "/lines")).transpose()?;
    let once = request::once(app, &request, buyer.as_str(), "cancel_order", cancelled)?;
    Ok(response::answer(orders::cancel(app, &id, &buyer, lines.as_deref(), &once).await?))
}
