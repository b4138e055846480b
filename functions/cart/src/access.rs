//! Who may open a cart: its user, or whoever has its token.

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
