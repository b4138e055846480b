//! Signs in with a password.

use serde::Deserialize;
use sutler_domain::{password::Password, problem::Problem};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::identity::{self, Credentials, Issuer, Visitor};
use utoipa::ToSchema;

use crate::views::TokensView;

/// Someone who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginInput {
    /// E-mail address or user name.
    #[schema(example = "ada")]
    pub login: String,
    /// The password.
    #[schema(example = "correct horse battery staple")]
    pub password: String,
    /// The token of a solved Turnstile challenge with the action `login`. Asked for after a few failures.
    #[serde(default)]
    #[schema(example = "XXXX.DUMMY.TOKEN.XXXX")]
    pub turnstile_token: Option<String>,
}

/// Signs in with a password.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/auth/login",
    operation_id = "login",
    tag = "identity",
    request_body = LoginInput,
    responses(
        (status = 200, body = TokensView),
        (status = 400, description = "Not readable", body = ProblemView),
        (status = 401, description = "Wrong name or password", body = ProblemView),
        (status = 422, description = "Some fields are not valid", body = ProblemView),
        (status = 429, description = "Too many tries", body = ProblemView),
    )
)]
pub async fn handle(issuer: &Issuer, request: Request) -> Result<Response<Body>, ApiError> {
    let input: LoginInput = request::json(&request)?;
    let password = Password::claimed(&input.password).map_err(|code| Problem::field("/password", code))?;
    let source_ip = request::source_ip(&request).to_owned();
    let visitor = Visitor { source_ip, turnstile_token: input.turnstile_token };
    let tokens = identity::login(issuer, &Credentials { name: input.login, password, visitor }).await?;
    Ok(response::ok(&TokensView::from(tokens)))
}
