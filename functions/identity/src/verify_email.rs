//! Proves an e-mail address by the token that was mailed to it.

use serde::Deserialize;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, identity};
use utoipa::ToSchema;

/// A mailed token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyEmailInput {
    /// The token; it works once, for 24 hours.
    pub token: String,
}

/// Proves an e-mail address by the token that was mailed to it.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/auth/verify-email",
    operation_id = "verify_email",
    tag = "identity",
    request_body = VerifyEmailInput,
    responses(
        (status = 204, description = "Verified; the next access token says so"),
        (status = 400, description = "Not readable", body = ProblemView),
        (status = 422, description = "The token is unknown, used or expired", body = ProblemView),
    )
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let input: VerifyEmailInput = request::json(&request)?;
    identity::verify_email(app, &input.token).await?;
    Ok(response::no_content())
}
