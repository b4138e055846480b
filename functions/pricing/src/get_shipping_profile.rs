//! Shows a seller how their shop sends things.

use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, profiles};

use crate::views::ShippingProfileView;

/// Shows how the caller's shop sends things: the marketplace's way until the seller says so.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    get,
    path = "/v1/sellers/me/shipping",
    operation_id = "get_shipping_profile",
    tag = "pricing",
    security(("token" = [])),
    responses((status = 200, body = ShippingProfileView), (status = 401, description = "Not signed in", body = ProblemView), (status = 403, description = "No shop", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::verified_user(app, &request).await?.sub;
    let profile = profiles::get(app, &user).await?;
    Ok(response::versioned(&ShippingProfileView::from(&profile), profile.version))
}
