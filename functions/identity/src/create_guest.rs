//! Lets in somebody who buys without an account.

use serde::Deserialize;
use sutler_domain::{account::Email, problem::Problem};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::identity::{self, Issuer, Visitor};
use utoipa::ToSchema;

use crate::views::TokensView;

/// Somebody without an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GuestInput {
    /// Where mails about their orders go.
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// The token of a solved Turnstile challenge with the action `guest`. Required where challenges are in use.
    #[serde(default)]
    #[schema(example = "XXXX.DUMMY.TOKEN.XXXX")]
    pub turnstile_token: Option<String>,
}

/// Lets in somebody who buys without an account.
///
/// The tokens work like those of a sign-in, for a guest's own cart, addresses, orders and payments. Whoever later
/// registers with this address and verifies it gets the orders, and the guest's tokens end.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/auth/guest",
    operation_id = "create_guest",
    tag = "identity",
    request_body = GuestInput,
    responses(
        (status = 201, body = TokensView),
        (status = 400, description = "Not readable", body = ProblemView),
        (status = 404, description = "This marketplace sells to accounts only", body = ProblemView),
        (status = 422, description = "Some fields are not valid", body = ProblemView),
    )
)]
pub async fn handle(issuer: &Issuer, request: Request) -> Result<Response<Body>, ApiError> {
    let input: GuestInput = request::json(&request)?;
    let email = Email::parse(&input.email).map_err(|code| Problem::field("/email", code))?;
    let source_ip = request::source_ip(&request).to_owned();
    let visitor = Visitor { source_ip, turnstile_token: input.turnstile_token };
    let tokens = identity::let_guest_in(issuer, &visitor, email).await?;
    Ok(response::answer(response::created_answer(&TokensView::from(tokens))))
}
