//! Staff rename or move a category.

use sutler_domain::ids::CategoryId;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, auth::Role, catalog::categories};

use crate::views::{CategoryPatch, CategoryView};

/// Changes a category.
///
/// # Errors
/// 403 unless the caller is an administrator, 409 when it changed since it was read or the slug is taken, 422 for a move below itself.
#[utoipa::path(
    patch,
    path = "/v1/categories/{category}",
    operation_id = "update_category",
    tag = "catalog",
    params(
        ("category" = String, Path, description = "Category id"),
        ("If-Match" = String, Header, description = "The version the change is based on", example = "\"3\""),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call answer the same"),
    ),
    request_body = CategoryPatch,
    responses(
        (status = 200, description = "Changed", body = CategoryView),
        (status = 400, description = "Not JSON", body = ProblemView, content_type = "application/problem+json"),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "Not an administrator", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "No such category", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "Changed since it was read, or the slug is taken", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "Invalid fields", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let staff = request::staff(app, &request, Role::Admin).await?.sub;
    let category = request::path(&request, "category", CategoryId::parse)?;
    let version = request::if_match(&request)?;
    let change = request::json::<CategoryPatch>(&request)?.into();
    let once = request::once(app, &request, staff.as_str(), "update_category", |category| {
        response::ok_answer(&CategoryView::from(category))
    })?;
    Ok(response::answer(categories::update(app, &category, version, change, &once).await?))
}
