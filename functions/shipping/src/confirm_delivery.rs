//! The buyer says that a part arrived; the last one completes the order.

use sutler_domain::ids::{OrderId, SellerId};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, shipping};

use crate::views::{self, ShipmentView};

/// The buyer says that a part arrived; the last one completes the order.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/orders/{order}/parts/{part}/confirm-delivery",
    operation_id = "confirm_delivery",
    tag = "shipping",
    security(("token" = [])),
    params(("order" = String, Path, description = "Id of the order"), ("part" = String, Path, description = "Id of the part, which is its seller's"), ("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same")),
    responses((status = 200, body = ShipmentView), (status = 401, description = "Not signed in", body = ProblemView), (status = 404, description = "Not found, or not the caller's", body = ProblemView), (status = 409, description = "The state does not allow it", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let buyer = request::user(app, &request).await?.sub;
    let id = request::path(&request, "order", OrderId::parse)?;
    let part = request::path(&request, "part", SellerId::parse)?;
    let once = request::once(app, &request, buyer.as_str(), "confirm_delivery", views::moved)?;
    Ok(response::answer(shipping::confirm_delivery(app, &id, &part, &buyer, &once).await?))
}
