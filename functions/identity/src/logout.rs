//! Ends a session: none of its refresh tokens can be used any more.

use serde::Deserialize;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, identity};
use utoipa::ToSchema;

/// A session to be ended.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogoutInput {
    /// The newest refresh token of the session.
    pub refresh_token: String,
}

/// Ends a session: none of its refresh tokens can be used any more.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/auth/logout",
    operation_id = "logout",
    tag = "identity",
    request_body = LogoutInput,
    responses(
        (status = 204, description = "Also when there is no such session"),
        (status = 400, description = "Not readable", body = ProblemView),
    )
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let input: LogoutInput = request::json(&request)?;
    identity::logout(app, &input.refresh_token).await?;
    Ok(response::no_content())
}
