//! A shop's public page.

use sutler_domain::account::ShopSlug;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, identity};

use crate::views::SellerView;

/// A shop's public page.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    get,
    path = "/v1/sellers/{slug}",
    operation_id = "get_seller",
    tag = "identity",
    params(("slug" = String, Path, description = "What the shop is called in addresses")),
    responses(
        (status = 200, body = SellerView),
        (status = 404, description = "There is no such shop", body = ProblemView),
    )
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let slug = request::path(&request, "slug", ShopSlug::parse)?;
    let seller = identity::seller_by_slug(app, &slug).await?;
    Ok(response::ok(&SellerView::from(&seller)))
}
