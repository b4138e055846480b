//! A seller reviews the stock of all live products.

use sutler_domain::ids::ProductId;
use sutler_http::{
    ApiError, Body, Request, Response, request, response,
    views::{ListView, ProblemView},
};
use sutler_services::{App, catalog, inventory};

use crate::views::StockView;

/// Lists the stock of the caller's products, newest product first; `limit` counts products, 25 at most.
///
/// # Errors
/// 403 without a shop.
#[utoipa::path(
    get,
    path = "/v1/inventory",
    operation_id = "list_inventory",
    tag = "inventory",
    params(
        ("limit" = Option<u16>, Query, description = "1 to 100, 20 by default"),
        ("cursor" = Option<String>, Query, description = "Where the page starts: `next_cursor` of the one before"),
    ),
    responses(
        (status = 200, description = "One page", body = ListView<StockView>),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "E-mail address not verified, or no shop", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "Invalid fields", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::verified_user(app, &request).await?.sub;
    let page = request::page(&request)?;
    let before = request::query(&request, "cursor", ProductId::parse)?;
    let shop = catalog::shop(app, &user).await?;
    let found = inventory::list(app, &shop.id, before.as_ref(), page.limit).await?;
    let items = found.variants.iter().map(StockView::from).collect();
    Ok(response::ok(&ListView { items, next_cursor: found.next.map(String::from) }))
}
