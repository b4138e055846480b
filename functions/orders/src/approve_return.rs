//! Agrees to a return; the buyer may send the goods.

use sutler_domain::ids::ReturnId;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{
    App,
    returns::{self, Decider},
};

use crate::{
    is_staff,
    refund_views::{self, ReturnedView},
};

/// Agrees to a return; the buyer may send the goods. For the seller of the part, and for staff.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/returns/{return}/approve",
    operation_id = "approve_return",
    tag = "orders",
    security(("token" = [])),
    params(("return" = String, Path, description = "Id of the return"), ("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same")),
    responses((status = 200, body = ReturnedView), (status = 401, description = "Not signed in", body = ProblemView), (status = 403, description = "The e-mail address is not verified", body = ProblemView), (status = 404, description = "Not found, or not the caller's", body = ProblemView), (status = 409, description = "The state does not allow it", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let caller = request::verified_user(app, &request).await?;
    let id = request::path(&request, "return", ReturnId::parse)?;
    let once = request::once(app, &request, caller.sub.as_str(), "approve_return", refund_views::returned)?;
    let decider = Decider { staff: is_staff(&caller), by: caller.sub };
    Ok(response::answer(returns::approve(app, &id, &decider, &once).await?))
}
