//! A seller takes a product off the market.

use sutler_domain::ids::{ProductId, SellerId};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, catalog::products};

/// Archives a product with all its variants.
///
/// # Errors
/// 404 unless it is the caller's.
#[utoipa::path(
    delete,
    path = "/v1/products/{product}",
    operation_id = "archive_product",
    tag = "catalog",
    params(
        ("product" = String, Path, description = "Product id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call answer the same"),
    ),
    responses(
        (status = 204, description = "Archived"),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "E-mail address not verified", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "Missing or not yours", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "Changed meanwhile", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::verified_user(app, &request).await?.sub;
    let product = request::path(&request, "product", ProductId::parse)?;
    let once = request::once(app, &request, user.as_str(), "archive_product", response::no_content_answer)?;
    let seller = SellerId::of_user(&user);
    Ok(response::answer(products::archive(app, &seller, &product, &once).await?))
}
