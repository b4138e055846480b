//! The description of the API as a page.

use sutler_http::{ApiError, Body, Request, Response, response};

/// Answers one page without anything from elsewhere; it reads `/openapi.json` of the same deployment.
///
/// # Errors
/// None.
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "get_docs",
    tag = "system",
    responses((status = 200, description = "A page for people", content_type = "text/html"))
)]
#[expect(clippy::unused_async, reason = "every handler has one shape")]
pub async fn handle((): &(), _: Request) -> Result<Response<Body>, ApiError> {
    Ok(response::cached("text/html; charset=utf-8", include_str!("docs.html")))
}
