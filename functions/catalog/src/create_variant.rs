//! A seller adds a variant with its first stock.

use sutler_domain::ids::{ProductId, SellerId};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, catalog::variants};

use crate::views::{VariantInput, VariantView};

/// Adds a variant.
///
/// # Errors
/// 404 unless the product is the caller's, 409 when the article number or the option values are in use.
#[utoipa::path(
    post,
    path = "/v1/products/{product}/variants",
    operation_id = "create_variant",
    tag = "catalog",
    params(
        ("product" = String, Path, description = "Product id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call answer the same"),
    ),
    request_body = VariantInput,
    responses(
        (status = 201, description = "Added", body = VariantView),
        (status = 400, description = "Not JSON", body = ProblemView, content_type = "application/problem+json"),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "E-mail address not verified", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "Missing or not yours", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "Article number or option values in use, or no place left", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "Invalid fields", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::verified_user(app, &request).await?.sub;
    let product = request::path(&request, "product", ProductId::parse)?;
    let draft = request::json::<VariantInput>(&request)?.into();
    let once = request::once(app, &request, user.as_str(), "create_variant", |variant| {
        response::created_answer(&VariantView::from(variant))
    })?;
    let seller = SellerId::of_user(&user);
    Ok(response::answer(variants::create(app, &seller, &product, draft, &once).await?))
}
