//! A seller takes a variant off the market; its stock stays until it is gone.

use sutler_domain::ids::SellerId;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, catalog::variants};

use crate::variant_of_path;

/// Removes a variant.
///
/// # Errors
/// 404 unless it is the caller's, 409 when it is the last one.
#[utoipa::path(
    delete,
    path = "/v1/products/{product}/variants/{variant}",
    operation_id = "delete_variant",
    tag = "catalog",
    params(
        ("product" = String, Path, description = "Product id"),
        ("variant" = String, Path, description = "Variant id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call answer the same"),
    ),
    responses(
        (status = 204, description = "Removed"),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "E-mail address not verified", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "Missing or not yours", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "The last variant", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::verified_user(app, &request).await?.sub;
    let variant = variant_of_path(&request)?;
    let once = request::once(app, &request, user.as_str(), "delete_variant", response::no_content_answer)?;
    let seller = SellerId::of_user(&user);
    Ok(response::answer(variants::delete(app, &seller, &variant, &once).await?))
}
