//! Where the shipments of an order are: all of them to its buyer, their own to a seller.

use sutler_domain::ids::OrderId;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, orders};

use crate::views::OrderTrackingView;

/// Where the shipments of an order are, as far as carriers and the buyer have told: all of them to its buyer, their own to
/// a seller. No carrier is asked.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    get,
    path = "/v1/orders/{order}/tracking",
    operation_id = "get_tracking",
    tag = "shipping",
    security(("token" = [])),
    params(("order" = String, Path, description = "Id of the order")),
    responses((status = 200, body = OrderTrackingView), (status = 401, description = "Not signed in", body = ProblemView), (status = 404, description = "Not found, or not the caller's", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let caller = request::user(app, &request).await?.sub;
    let id = request::path(&request, "order", OrderId::parse)?;
    let page = orders::get(app, &id, &caller, false).await?;
    Ok(response::ok(&OrderTrackingView::of(&id, &page)))
}
