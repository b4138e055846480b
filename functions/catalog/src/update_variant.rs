//! A seller changes a variant.

use sutler_domain::ids::SellerId;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, catalog::variants};

use crate::{
    variant_of_path,
    views::{VariantPatch, VariantView},
};

/// Changes a variant.
///
/// # Errors
/// 404 unless it is the caller's, 409 when it changed since it was read or a name is in use.
#[utoipa::path(
    patch,
    path = "/v1/products/{product}/variants/{variant}",
    operation_id = "update_variant",
    tag = "catalog",
    params(
        ("product" = String, Path, description = "Product id"),
        ("variant" = String, Path, description = "Variant id"),
        ("If-Match" = String, Header, description = "The version the change is based on", example = "\"3\""),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call answer the same"),
    ),
    request_body = VariantPatch,
    responses(
        (status = 200, description = "Changed", body = VariantView),
        (status = 400, description = "Not JSON", body = ProblemView, content_type = "application/problem+json"),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "E-mail address not verified", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "Missing or not yours", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "Changed since it was read, or a name is in use", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "Invalid fields", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::verified_user(app, &request).await?.sub;
    let variant = variant_of_path(&request)?;
    let version = request::if_match(&request)?;
    let change = request::json::<VariantPatch>(&request)?.into();
    let once = request::once(app, &request, user.as_str(), "update_variant", |variant| {
        response::ok_answer(&VariantView::from(variant))
    })?;
    let seller = SellerId::of_user(&user);
    Ok(response::answer(variants::update(app, &seller, &variant, version, change, &once).await?))
}
