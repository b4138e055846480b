//! Anyone browses what is for sale, newest first.

use sutler_domain::ids::{CategoryId, ProductId, SellerId};
use sutler_http::{
    ApiError, Body, Request, Response, request, response,
    views::{ListView, ProblemView},
};
use sutler_services::{
    App,
    catalog::read::{self, Filter},
};

use crate::views::CardView;

/// Lists live products, of a category with everything below it, or of a shop. A page may be short before the last.
///
/// # Errors
/// 422 when the category is unknown or too broad, or a parameter is not acceptable.
#[utoipa::path(
    get,
    path = "/v1/products",
    operation_id = "list_products",
    tag = "catalog",
    params(
        ("category" = Option<String>, Query, description = "Category id; everything below it is included"),
        ("seller" = Option<String>, Query, description = "Seller id"),
        ("limit" = Option<u16>, Query, description = "1 to 100, 20 by default"),
        ("cursor" = Option<String>, Query, description = "Where the page starts: `next_cursor` of the one before"),
    ),
    responses(
        (status = 200, description = "One page", body = ListView<CardView>),
        (status = 422, description = "Invalid fields", body = ProblemView, content_type = "application/problem+json"),
    ),
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let page = request::page(&request)?;
    let filter = Filter {
        category: request::query(&request, "category", CategoryId::parse)?,
        seller: request::query(&request, "seller", SellerId::parse)?,
    };
    let before = request::query(&request, "cursor", ProductId::parse)?;
    let found = read::products(app, &filter, before, page.limit).await?;
    let items = found.products.iter().map(CardView::from).collect();
    Ok(response::ok(&ListView { items, next_cursor: found.next.map(String::from) }))
}
