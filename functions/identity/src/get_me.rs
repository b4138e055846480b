//! The caller's account.

use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, identity};

use crate::views::MeView;

/// The caller's account.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    get,
    path = "/v1/users/me",
    operation_id = "get_me",
    tag = "identity",
    security(("token" = [])),
    responses(
        (status = 200, body = MeView),
        (status = 401, description = "Not signed in", body = ProblemView),
    )
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::user(app, &request).await?.sub;
    let me = identity::me(app, &user).await?;
    Ok(response::ok(&MeView::from(me)))
}
