//! The buyer says that a part, or one shipment of it, arrived; the last one completes the order.

use serde::Deserialize;
use sutler_domain::ids::{OrderId, SellerId, ShipmentId};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, shipping};
use utoipa::ToSchema;

use crate::views::{self, ShippedPartView};

/// What arrived.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Arrival {
    /// Which shipment; everything that is on its way when absent.
    #[schema(value_type = Option<String>)]
    pub shipment: Option<ShipmentId>,
}

/// The buyer says that a part, or one shipment of it, arrived; the last one completes the order.
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
    request_body = Option<Arrival>,
    responses((status = 200, body = ShippedPartView), (status = 401, description = "Not signed in", body = ProblemView), (status = 404, description = "Not found, or not the caller's", body = ProblemView), (status = 409, description = "The state does not allow it", body = ProblemView), (status = 422, description = "Some fields are not valid", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let buyer = request::user(app, &request).await?.sub;
    let id = request::path(&request, "order", OrderId::parse)?;
    let part = request::path(&request, "part", SellerId::parse)?;
    let arrived: Arrival = request::json_or_default(&request)?;
    let once = request::once(app, &request, buyer.as_str(), "confirm_delivery", views::moved)?;
    Ok(response::answer(
        shipping::confirm_delivery(app, &id, (&part, arrived.shipment.as_ref()), &buyer, &once).await?,
    ))
}
