//! Hands what was bought with the caller's address as a guest over to the caller.

use serde::Serialize;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, guests};
use utoipa::ToSchema;

/// What the caller had bought as a guest.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClaimedView {
    /// How many orders that were placed by guests with this address are the caller's.
    #[schema(example = 2)]
    pub orders: usize,
}

/// Hands what was bought with the caller's address as a guest over to the caller.
///
/// It happens by itself when the address is verified; this is for what was bought as a guest since. The tokens of those
/// guests end.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/orders/claim",
    operation_id = "claim_orders",
    tag = "orders",
    security(("token" = [])),
    responses((status = 200, body = ClaimedView), (status = 401, description = "Not signed in", body = ProblemView), (status = 403, description = "E-mail address not verified", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let account = request::verified_user(app, &request).await?.sub;
    let orders = guests::claim_orders(app, &account).await?;
    Ok(response::ok(&ClaimedView { orders }))
}
