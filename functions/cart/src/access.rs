//! Who may open a cart: its user, or whoever has its token.

use sutler_domain::ids::UserId;
use sutler_http::{ApiError, Request, request};
use sutler_services::{
    App,
    carts::{CartAccess, token_hash},
};

/// Reads access token and cart token of a request; either may be missing.
///
/// # Errors
/// 401 when there is an access token and it is not valid.
pub async fn of(app: &App, request: &Request) -> Result<CartAccess, ApiError> {
    let claims = request::caller(app, request).await?;
    Ok(CartAccess {
        user: claims.map(|claims| claims.sub),
        token_hash: request::cart_token(request).map(token_hash),
    })
}

/// Who a remembered answer belongs to: the user, or the holder of the token. The id of a cart proves nothing.
#[must_use]
pub fn caller(access: &CartAccess) -> &str {
    let user = access.user.as_ref().map(UserId::as_str);
    user.or(access.token_hash.as_deref()).unwrap_or("nobody")
}
