//! Staff delete an empty category.

use sutler_domain::ids::CategoryId;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, auth::Role, catalog::categories};

/// Deletes a category.
///
/// # Errors
/// 403 unless the caller is an administrator, 409 while it has subcategories or products.
#[utoipa::path(
    delete,
    path = "/v1/categories/{category}",
    operation_id = "delete_category",
    tag = "catalog",
    params(
        ("category" = String, Path, description = "Category id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call answer the same"),
    ),
    responses(
        (status = 204, description = "Deleted"),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "Not an administrator", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "No such category", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "Subcategories or products left", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let staff = request::staff(app, &request, Role::Admin).await?.sub;
    let category = request::path(&request, "category", CategoryId::parse)?;
    let once = request::once(app, &request, staff.as_str(), "delete_category", response::no_content_answer)?;
    Ok(response::answer(categories::delete(app, &category, &once).await?))
}
