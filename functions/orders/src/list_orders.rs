//! Lists the caller's orders, or the parts of orders that the caller is to ship, newest first.

use sutler_domain::{
    ids::OrderId,
    order::{OrderState, PartState},
};
use sutler_http::{
    ApiError, Body, Request, Response, request, response,
    views::{ListView, ProblemView},
};
use sutler_services::{
    App,
    orders::{self, Listing, Wanted},
};

use crate::views::OrderCard;

/// Lists the caller's orders, or the parts of orders that the caller is to ship, newest first.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    get,
    path = "/v1/orders",
    operation_id = "list_orders",
    tag = "orders",
    security(("token" = [])),
    params(("role" = Option<String>, Query, description = "`buyer` (default) or `seller`"), ("state" = Option<String>, Query, description = "Only orders in this state; for a seller, only parts in this state"), ("limit" = Option<u16>, Query, description = "1 to 100, default 20"), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = ListView<OrderCard>), (status = 401, description = "Not signed in", body = ProblemView), (status = 422, description = "Some fields are not valid", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let caller = request::user(app, &request).await?.sub;
    let page = request::page(&request)?;
    let selling = request::query(&request, "role", |role| match role {
        "buyer" => Ok(false),
        "seller" => Ok(true),
        _ => Err(()),
    })?;
    let selling = selling == Some(true);
    let states: &[&str] = if selling { &PartState::NAMES } else { &OrderState::NAMES };
    let state = request::query(&request, "state", |state| {
        states.contains(&state).then(|| state.to_owned()).ok_or(())
    })?;
    let before = request::query(&request, "cursor", OrderId::parse)?;
    let found = orders::list(app, &caller, &Wanted { selling, state, before, limit: page.limit }).await?;
    let (items, next_cursor) = match found {
        Listing::Bought(orders, next) => (orders.iter().map(OrderCard::from).collect::<Vec<_>>(), next),
        Listing::Sold(parts, next) => (parts.iter().map(OrderCard::from).collect(), next),
    };
    Ok(response::ok(&ListView { items, next_cursor: next_cursor.map(|id| id.to_string()) }))
}
