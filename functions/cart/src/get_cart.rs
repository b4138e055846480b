//! Shows a cart with current prices and what is free.

use sutler_domain::ids::CartId;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, carts};

use crate::{access, views::CartView};

/// Shows a cart with current prices and what is free.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    get,
    path = "/v1/carts/{cart}",
    operation_id = "get_cart",
    tag = "cart",
    params(("cart" = String, Path, description = "Id of the cart"), ("cart-token" = Option<String>, Header, description = "A guest cart's secret")),
    responses((status = 200, body = CartView), (status = 404, description = "Not found, or not the caller's", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let access = access::of(app, &request).await?;
    let id = request::path(&request, "cart", CartId::parse)?;
    let page = carts::get(app, &id, &access).await?;
    Ok(response::ok(&CartView::from(&page)))
}
