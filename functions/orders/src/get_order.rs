//! Shows an order: all of it to its buyer, their own part to a seller.

use sutler_domain::ids::OrderId;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, orders};

use crate::{is_staff, views::OrderView};

/// Shows an order: all of it to its buyer, their own part to a seller.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    get,
    path = "/v1/orders/{order}",
    operation_id = "get_order",
    tag = "orders",
    security(("token" = [])),
    params(("order" = String, Path, description = "Id of the order")),
    responses((status = 200, body = OrderView), (status = 401, description = "Not signed in", body = ProblemView), (status = 404, description = "Not found, or not the caller's", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let caller = request::user(app, &request).await?;
    let id = request::path(&request, "order", OrderId::parse)?;
    let page = orders::get(app, &id, &caller.sub, is_staff(&caller)).await?;
    Ok(response::ok(&OrderView::from(&page)))
}
