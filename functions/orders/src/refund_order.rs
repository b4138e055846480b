//! Gives money of an order back: for units that are not sent, or an amount, to the card or to the wallet.

use serde::Deserialize;
use sutler_domain::{
    idempotency::Answer,
    ids::{OrderId, SellerId},
    money::Money,
    problem::Problem,
    refund::Destination,
};
use sutler_http::{
    ApiError, Body, Request, Response, request, response,
    units::{UnitsInput, units},
    views::{MoneyView, ProblemView},
};
use sutler_services::{
    App,
    refunds::{self, RefundOf, RefundWish, Refunded},
};
use utoipa::ToSchema;

use crate::{is_staff, refund_views::RefundedView};

/// What goes back, and where to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundInput {
    /// Whose part of the order; only staff have to say.
    #[schema(value_type = Option<String>)]
    pub part: Option<SellerId>,
    /// Units that are not shipped and will not be. What was paid for them goes back, tax included.
    pub lines: Option<Vec<UnitsInput>>,
    /// An amount besides: shipping, goodwill.
    #[schema(value_type = Option<MoneyView>)]
    pub amount: Option<Money>,
    /// For staff: all that is left of a payment that never was the order's, instead of anything else.
    pub attempt: Option<u32>,
    /// `card` (default): through the provider that took it. `wallet`: at once.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub destination: Destination,
}

fn parse(body: RefundInput) -> Result<RefundOf, Problem> {
    let RefundInput { part, lines, amount, attempt, .. } = body;
    let has_amount = amount.is_some();
    match (attempt, lines) {
        (Some(attempt), None) if part.is_none() && !has_amount => Ok(RefundOf::Attempt(attempt)),
        (Some(_), _) => Err(Problem::field("/attempt", "not-alone")),
        (None, None) if !has_amount => Err(Problem::field("/lines", "missing")),
        (None, _) if amount.is_some_and(Money::is_zero) => Err(Problem::field("/amount", "out-of-range")),
        (None, lines) => {
            let lines = lines.map_or(Ok(Vec::new()), |lines| units(lines, "/lines"))?;
            Ok(RefundOf::Part { seller: part, lines, amount })
        }
    }
}

fn refunded(refunded: &Refunded) -> Answer {
    response::created_answer(&RefundedView::from(refunded))
}

/// Gives money of an order back: for units that are not sent, or an amount, to the card or to the wallet. For the
/// seller of a part, and for staff.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/orders/{order}/refunds",
    operation_id = "refund_order",
    tag = "orders",
    security(("token" = [])),
    params(("order" = String, Path, description = "Id of the order"), ("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same")),
    request_body = RefundInput,
    responses((status = 201, body = RefundedView), (status = 401, description = "Not signed in", body = ProblemView), (status = 403, description = "The e-mail address is not verified", body = ProblemView), (status = 404, description = "Not found, or not the caller's", body = ProblemView), (status = 409, description = "The state does not allow it, or there is not that much left", body = ProblemView), (status = 422, description = "Some fields are not valid", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let caller = request::verified_user(app, &request).await?;
    let id = request::path(&request, "order", OrderId::parse)?;
    let body: RefundInput = request::json(&request)?;
    let (by, staff, destination) = (caller.sub.clone(), is_staff(&caller), body.destination);
    let wish = RefundWish { by, staff, of: parse(body)?, destination };
    let once = request::once(app, &request, caller.sub.as_str(), "refund_order", refunded)?;
    Ok(response::answer(refunds::refund(app, &id, &wish, &once).await?))
}
