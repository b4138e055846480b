//! Exchanges a refresh token for the next pair of tokens.

use serde::Deserialize;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::identity::{self, Issuer};
use utoipa::ToSchema;

use crate::views::TokensView;

/// A session to be continued.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshInput {
    /// The newest refresh token of the session.
    pub refresh_token: String,
}

/// Exchanges a refresh token for the next pair of tokens.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/auth/refresh",
    operation_id = "refresh",
    tag = "identity",
    request_body = RefreshInput,
    responses(
        (status = 200, body = TokensView),
        (status = 400, description = "Not readable", body = ProblemView),
        (status = 401, description = "The token is unknown, used or expired; a used one ends its session", body = ProblemView),
    )
)]
pub async fn handle(issuer: &Issuer, request: Request) -> Result<Response<Body>, ApiError> {
    let input: RefreshInput = request::json(&request)?;
    let tokens = identity::refresh(issuer, &input.refresh_token).await?;
    Ok(response::ok(&TokensView::from(tokens)))
}
