//! The description of the API, generated from the handlers.

use sutler_http::{ApiError, Body, Request, Response, response};

/// Answers the OpenAPI 3.1 document.
///
/// # Errors
/// None.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "get_openapi",
    tag = "system",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json"))
)]
#[expect(clippy::unused_async, reason = "every handler has one shape")]
pub async fn handle((): &(), _: Request) -> Result<Response<Body>, ApiError> {
    Ok(response::cached("application/json", include_str!("../../../docs/openapi.json")))
}
