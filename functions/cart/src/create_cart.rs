//! Opens the user's cart, or a new guest cart.

use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, carts};

use crate::views::OpenedCartView;

/// Opens the user's cart, or a new guest cart.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/carts",
    operation_id = "create_cart",
    tag = "cart",
    responses((status = 201, body = OpenedCartView), (status = 401, description = "Not signed in", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let caller = request::caller(app, &request).await?.map(|claims| claims.sub);
    let opened = carts::open(app, caller.as_ref()).await?;
    Ok(response::answer(response::created_answer(&OpenedCartView::from(&opened))))
}
