//! Staff add a category.

use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, auth::Role, catalog::categories};

use crate::views::{CategoryInput, CategoryView};

/// Adds a category.
///
/// # Errors
/// 403 unless the caller is an administrator, 409 when the slug is taken below the same parent.
#[utoipa::path(
    post,
    path = "/v1/categories",
    operation_id = "create_category",
    tag = "catalog",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call answer the same"),
    ),
    request_body = CategoryInput,
    responses(
        (status = 201, description = "Added", body = CategoryView),
        (status = 400, description = "Not JSON", body = ProblemView, content_type = "application/problem+json"),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "Not an administrator", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "The slug is taken", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "Invalid fields", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let staff = request::staff(app, &request, Role::Admin).await?.sub;
    let draft = request::json::<CategoryInput>(&request)?.into();
    let once = request::once(app, &request, staff.as_str(), "create_category", |category| {
        response::created_answer(&CategoryView::from(category))
    })?;
    Ok(response::answer(categories::create(app, draft, &once).await?))
}
