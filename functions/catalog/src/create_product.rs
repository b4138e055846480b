//! A seller lists a product with its variants and their first stock.

use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, catalog::products};

use crate::views::{ProductInput, ProductView};

/// Lists a product.
///
/// # Errors
/// 403 without a shop, 409 when an article number is in use, 422 naming each field that is not acceptable.
#[utoipa::path(
    post,
    path = "/v1/products",
    operation_id = "create_product",
    tag = "catalog",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call answer the same"),
    ),
    request_body = ProductInput,
    responses(
        (status = 201, description = "Listed", body = ProductView),
        (status = 400, description = "Not JSON", body = ProblemView, content_type = "application/problem+json"),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "E-mail address not verified, or no shop", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "An article number is in use", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "Invalid fields", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::verified_user(app, &request).await?.sub;
    let draft = request::json::<ProductInput>(&request)?.into();
    let once = request::once(app, &request, user.as_str(), "create_product", |offer| {
        response::created_answer(&ProductView::from(offer))
    })?;
    Ok(response::answer(products::create(app, &user, draft, &once).await?))
}
