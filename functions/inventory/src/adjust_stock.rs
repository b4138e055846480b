//! A seller corrects how many there are.

use sutler_domain::ids::{SellerId, VariantId};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, inventory};

use crate::views::{AdjustmentInput, AdjustmentView};

/// Corrects the stock of a variant, by a difference or to a count.
///
/// # Errors
/// 404 unless it is the caller's, 409 when fewer are free than are to be taken away.
#[utoipa::path(
    post,
    path = "/v1/inventory/{variant}/adjust",
    operation_id = "adjust_stock",
    tag = "inventory",
    params(
        ("variant" = String, Path, description = "Variant id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call answer the same"),
    ),
    request_body = AdjustmentInput,
    responses(
        (status = 200, description = "Corrected", body = AdjustmentView),
        (status = 400, description = "Not JSON", body = ProblemView, content_type = "application/problem+json"),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "E-mail address not verified", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "Missing or not yours", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "Fewer are free, or the stock keeps moving", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "Invalid fields", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::verified_user(app, &request).await?.sub;
    let variant = request::path(&request, "variant", VariantId::parse)?;
    let input: AdjustmentInput = request::json(&request)?;
    let count = input.count()?;
    let once = request::once(app, &request, user.as_str(), "adjust_stock", |adjustment| {
        response::ok_answer(&AdjustmentView::from(adjustment))
    })?;
    let seller = SellerId::of_user(&user);
    Ok(response::answer(inventory::adjust(app, &seller, &variant, count, &input.reason, &once).await?))
}
