//! A seller reads what happened to a variant's stock.

use sutler_domain::ids::{SellerId, VariantId};
use sutler_http::{
    ApiError, Body, Request, Response, request, response,
    views::{ListView, ProblemView},
};
use sutler_services::{App, inventory};

use crate::views::MovementView;

/// Lists the movements of a variant's stock, newest first.
///
/// # Errors
/// 404 unless it is the caller's.
#[utoipa::path(
    get,
    path = "/v1/inventory/{variant}/movements",
    operation_id = "list_movements",
    tag = "inventory",
    params(
        ("variant" = String, Path, description = "Variant id"),
        ("limit" = Option<u16>, Query, description = "1 to 100, 20 by default"),
        ("cursor" = Option<String>, Query, description = "Where the page starts: `next_cursor` of the one before"),
    ),
    responses(
        (status = 200, description = "One page", body = ListView<MovementView>),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "E-mail address not verified", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "Missing or not yours", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "Invalid fields", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::verified_user(app, &request).await?.sub;
    let variant = request::path(&request, "variant", VariantId::parse)?;
    let page = request::page(&request)?;
    let before = request::query(&request, "cursor", str::parse::<u64>)?;
    let seller = SellerId::of_user(&user);
    let (found, next) = inventory::movements(app, &seller, &variant, before, page.limit).await?;
    let items = found.iter().map(MovementView::from).collect();
    Ok(response::ok(&ListView { items, next_cursor: next.map(|number| number.to_string()) }))
}
