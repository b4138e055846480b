//! Opens an account and mails a link that proves the e-mail address.

use serde::Deserialize;
use sutler_domain::{password::Registration, problem::Problem};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{
    App,
    identity::{self, Visitor},
};
use utoipa::ToSchema;

use crate::views::AcceptedView;

/// Someone who signs up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterInput {
    /// E-mail address.
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// Public name: 3 to 30 of `a-z`, `0-9`, `.`, `_` and `-`.
    #[schema(example = "ada")]
    pub username: String,
    /// 10 to 128 characters, not a common password, and without the name.
    #[schema(example = "correct horse battery staple")]
    pub password: String,
    /// The token of a solved Turnstile challenge with the action `register`. Required where challenges are in use.
    #[serde(default)]
    #[schema(example = "XXXX.DUMMY.TOKEN.XXXX")]
    pub turnstile_token: Option<String>,
}

/// Opens an account and mails a link that proves the e-mail address.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/auth/register",
    operation_id = "register",
    tag = "identity",
    request_body = RegisterInput,
    responses(
        (status = 202, description = "Also when the address has an account already", body = AcceptedView),
        (status = 400, description = "Not readable", body = ProblemView),
        (status = 409, description = "The user name is taken", body = ProblemView),
        (status = 422, description = "Some fields are not valid", body = ProblemView),
    )
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let input: RegisterInput = request::json(&request)?;
    let new = Registration::parse(&input.email, &input.username, &input.password);
    let source_ip = request::source_ip(&request).to_owned();
    let visitor = Visitor { source_ip, turnstile_token: input.turnstile_token };
    identity::register(app, &visitor, &new.map_err(Problem::Invalid)?).await?;
    Ok(response::accepted(&AcceptedView::ACCEPTED))
}
