//! A seller changes a product; its variants follow in the same step.

use sutler_domain::ids::{ProductId, SellerId};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, catalog::products};

use crate::views::{ProductPatch, ProductView};

/// Changes a product.
///
/// # Errors
/// 404 unless it is the caller's, 409 when it changed since it was read, 422 naming each field that is not acceptable.
#[utoipa::path(
    patch,
    path = "/v1/products/{product}",
    operation_id = "update_product",
    tag = "catalog",
    params(
        ("product" = String, Path, description = "Product id"),
        ("If-Match" = String, Header, description = "The version the change is based on", example = "\"3\""),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call answer the same"),
    ),
    request_body = ProductPatch,
    responses(
        (status = 200, description = "Changed", body = ProductView),
        (status = 400, description = "Not JSON", body = ProblemView, content_type = "application/problem+json"),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "E-mail address not verified", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "Missing or not yours", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "Changed since it was read", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "Invalid fields", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::verified_user(app, &request).await?.sub;
    let product = request::path(&request, "product", ProductId::parse)?;
    let version = request::if_match(&request)?;
    let change = request::json::<ProductPatch>(&request)?.into();
    let once = request::once(app, &request, user.as_str(), "update_product", |offer| {
        response::ok_answer(&ProductView::from(offer))
    })?;
    let seller = SellerId::of_user(&user);
    Ok(response::answer(products::update(app, &seller, &product, version, change, &once).await?))
}
