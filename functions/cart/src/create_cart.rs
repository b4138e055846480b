//! Opens the user's cart, or a new guest cart.

use sutler_domain::{
    idempotency::Answer,
    ids::{CartId, UserId},
};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, carts};

use crate::views::OpenedCartView;

/// What is remembered of an opened cart: its id alone, for its token is nobody else's.
fn opened(id: &CartId) -> Answer {
    Answer { status: 201, body: id.to_string() }
}

/// Opens the user's cart, or a new guest cart.
///
/// Whoever has a guest's key can open the cart again, so it is to be as secret as the token, and at least 32
/// characters long.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/carts",
    operation_id = "create_cart",
    tag = "cart",
    params(("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same; a guest's has 32 to 64 characters and is secret")),
    responses((status = 201, body = OpenedCartView), (status = 401, description = "Not signed in", body = ProblemView), (status = 422, description = "Some fields are not valid", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let caller = request::caller(app, &request).await?.map(|claims| claims.sub);
    let once =
        request::once(app, &request, caller.as_ref().map_or("guest", UserId::as_str), "create_cart", opened)?;
    let cart = carts::open(app, caller.as_ref(), &once).await?;
    Ok(response::answer(response::created_answer(&OpenedCartView::from(&cart))))
}
