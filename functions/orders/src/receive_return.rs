//! Notes that returned goods are here: what is sellable is on sale again, and the buyer's money goes back.

use serde::Deserialize;
use sutler_domain::{ids::ReturnId, refund::Destination};
use sutler_http::{
    ApiError, Body, Request, Response, request, response,
    units::{UnitsInput, units},
    views::ProblemView,
};
use sutler_services::{App, returns};
use utoipa::ToSchema;

use crate::refund_views::{self, ReturnedView};

/// What of the returned goods is as good as new.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Which units can be sold again; none when absent.
    pub sellable: Option<Vec<UnitsInput>>,
    /// `card` (default): the money goes back through the provider that took it. `wallet`: at once.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub destination: Destination,
}

/// Notes that returned goods are here: what is sellable is on sale again, and the buyer's money goes back. For the
/// seller of the part.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/returns/{return}/received",
    operation_id = "receive_return",
    tag = "orders",
    security(("token" = [])),
    params(("return" = String, Path, description = "Id of the return"), ("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same")),
    request_body = Option<Receipt>,
    responses((status = 200, body = ReturnedView), (status = 401, description = "Not signed in", body = ProblemView), (status = 403, description = "The e-mail address is not verified", body = ProblemView), (status = 404, description = "Not found, or not the caller's", body = ProblemView), (status = 409, description = "The state does not allow it, or more is sellable than was sent back", body = ProblemView), (status = 422, description = "Some fields are not valid", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let seller = request::verified_user(app, &request).await?.sub;
    let id = request::path(&request, "return", ReturnId::parse)?;
    let body: Receipt = request::json_or_default(&request)?;
    let sellable = body.sellable.filter(|lines| !lines.is_empty());
    let sellable = sellable.map_or(Ok(Vec::new()), |lines| units(lines, "/sellable"))?;
    let once = request::once(app, &request, seller.as_str(), "receive_return", refund_views::returned)?;
    let wish = (sellable.as_slice(), body.destination);
    Ok(response::answer(returns::receive(app, &id, &seller, wish, &once).await?))
}
