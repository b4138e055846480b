//! Gives an order up: unpaid, its stock is free again; paid and not shipped, the money goes back.

use sutler_domain::{idempotency::Answer, ids::OrderId};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, orders};
use sutler_store::orders::OrderAggregate;

use crate::views::OrderView;

fn cancelled(order: &OrderAggregate) -> Answer {
    response::ok_answer(&OrderView::from(order))
}

/// Gives an order up: unpaid, its stock is free again; paid and not shipped, the money goes back.
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
    responses((status = 200, body = OrderView), (status = 401, description = "Not signed in", body = ProblemView), (status = 404, description = "Not found, or not the caller's", body = ProblemView), (status = 409, description = "The state does not allow it", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let buyer = request::user(app, &request).await?.sub;
    let id = request::path(&request, "order", OrderId::parse)?;
    let once = request::once(app, &request, buyer.as_str(), "cancel_order", cancelled)?;
    Ok(response::answer(orders::cancel(app, &id, &buyer, &once).await?))
}
