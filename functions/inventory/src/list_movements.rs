//! A seller reads what happened to a variant's stock.

use sutler_domain::{
    ids::{SellerId, VariantId},
    shards::FIRST_SHARD,
};
use sutler_http::{
    ApiError, Body, Request, Response, request, response,
    views::{ListView, ProblemView},
};
use sutler_services::{
    App,
    inventory::{self, ChainId},
};

use crate::views::MovementView;

/// Lists the movements of a variant's stock, newest first. A variant that is spread has a history per shard.
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
        ("shard" = Option<u8>, Query, description = "Which shard of a variant that is spread; 0 by default"),
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
    let shard = request::query(&request, "shard", str::parse::<u8>)?.unwrap_or(FIRST_SHARD);
    let (seller, chain) = (SellerId::of_user(&user), ChainId { variant, shard });
    let (found, next) = inventory::movements(app, &seller, &chain, before, page.limit).await?;
    let items = found.iter().map(MovementView::from).collect();
    Ok(response::ok(&ListView { items, next_cursor: next.map(|number| number.to_string()) }))
}
