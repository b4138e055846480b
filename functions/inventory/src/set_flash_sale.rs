//! A seller says how a variant in great demand is sold.

use sutler_domain::ids::{SellerId, VariantId};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, flash_sales};

use crate::views::{FlashSaleInput, FlashSaleView};

/// Spreads a variant over shards, and limits how many one buyer may have. One shard and no limit is like any other
/// variant. The units are the same before and after.
///
/// # Errors
/// 404 unless it is the caller's, 422 when the numbers are out of range.
#[utoipa::path(
    put,
    path = "/v1/inventory/{variant}/flash-sale",
    operation_id = "set_flash_sale",
    tag = "inventory",
    params(
        ("variant" = String, Path, description = "Variant id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call answer the same"),
    ),
    request_body = FlashSaleInput,
    responses(
        (status = 200, description = "How it is sold from now on", body = FlashSaleView),
        (status = 400, description = "Not JSON", body = ProblemView, content_type = "application/problem+json"),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "E-mail address not verified", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "Missing or not yours", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "It keeps changing", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "Invalid fields", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::verified_user(app, &request).await?.sub;
    let variant = request::path(&request, "variant", VariantId::parse)?;
    let terms = request::json::<FlashSaleInput>(&request)?.terms();
    let once = request::once(app, &request, user.as_str(), "set_flash_sale", |set| {
        response::ok_answer(&FlashSaleView::from(set))
    })?;
    let seller = SellerId::of_user(&user);
    Ok(response::answer(flash_sales::set(app, &seller, &variant, terms, &once).await?))
}
