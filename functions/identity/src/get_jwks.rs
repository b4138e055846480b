//! The public keys that access tokens are signed with.

use lambda_http::http::{HeaderValue, header::CACHE_CONTROL};
use sutler_http::{ApiError, Body, Request, Response, response};
use sutler_services::{App, identity};

use crate::views::{JwkView, JwksView};

/// The public keys that access tokens are signed with.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "get_jwks",
    tag = "identity",
    responses(
        (status = 200, body = JwksView),
    )
)]
pub async fn handle(app: &App, _: Request) -> Result<Response<Body>, ApiError> {
    let keys = identity::jwks(app).await?.into_iter().map(JwkView::from).collect();
    let mut answer = response::ok(&JwksView { keys });
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(answer)
}
