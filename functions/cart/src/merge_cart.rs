//! Moves a guest's cart into the signed-in user's; the guest's cart ends.

use sutler_domain::{ids::CartId, problem::Problem};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, carts};

use crate::{access, views, views::CartView};

/// Moves a guest's cart into the signed-in user's; the guest's cart ends.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/carts/{cart}/merge",
    operation_id = "merge_cart",
    tag = "cart",
    params(("cart" = String, Path, description = "Id of the cart"), ("cart-token" = Option<String>, Header, description = "A guest cart's secret"), ("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same")),
    responses((status = 200, body = CartView), (status = 401, description = "Not signed in", body = ProblemView), (status = 404, description = "Not found, or not the caller's", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let access = access::of(app, &request).await?;
    let user = access.user.clone().ok_or(Problem::Unauthenticated)?;
    let guest = request::path(&request, "cart", CartId::parse)?;
    let once = request::once(app, &request, user.as_str(), "merge_cart", views::changed)?;
    Ok(response::answer(carts::merge(app, &guest, &user, &access, &once).await?))
}
