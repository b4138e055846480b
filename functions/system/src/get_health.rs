//! Whether the API and what it depends on answer.

use serde::Serialize;
use sutler_http::{ApiError, Body, Request, Response, response};
use sutler_services::{App, health};
use utoipa::ToSchema;

/// How the API is.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthView {
    /// Version of the code.
    #[schema(example = "0.1.0")]
    pub version: &'static str,
    /// Whether the database answered.
    pub database: bool,
}

/// Answers the version and whether the database answers.
///
/// # Errors
/// 503 when the database does not answer.
#[utoipa::path(
    get,
    path = "/v1/health",
    operation_id = "get_health",
    tag = "system",
    responses((status = 200, body = HealthView))
)]
pub async fn handle(app: &App, _: Request) -> Result<Response<Body>, ApiError> {
    health::check(app).await?;
    Ok(response::ok(&HealthView { version: env!("CARGO_PKG_VERSION"), database: true }))
}
