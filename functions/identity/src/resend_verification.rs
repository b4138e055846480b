//! Mails another verification link, at most once a minute.

use serde::Deserialize;
use sutler_domain::{account::Email, problem::Problem};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, identity};
use utoipa::ToSchema;

use crate::views::AcceptedView;

/// Whose link is to be mailed again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResendVerificationInput {
    /// E-mail address.
    #[schema(example = "ada@example.com")]
    pub email: String,
}

/// Mails another verification link, at most once a minute.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/auth/resend-verification",
    operation_id = "resend_verification",
    tag = "identity",
    request_body = ResendVerificationInput,
    responses(
        (status = 202, description = "Also when there is nothing to verify", body = AcceptedView),
        (status = 400, description = "Not readable", body = ProblemView),
        (status = 422, description = "Not an e-mail address", body = ProblemView),
    )
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let input: ResendVerificationInput = request::json(&request)?;
    let email = Email::parse(&input.email).map_err(|code| Problem::field("/email", code))?;
    identity::resend_verification(app, &email).await?;
    Ok(response::accepted(&AcceptedView::ACCEPTED))
}
