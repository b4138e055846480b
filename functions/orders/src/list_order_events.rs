//! Shows what happened to an order, oldest first; each entry carries the hash of the one before.

use sutler_domain::ids::OrderId;
use sutler_http::{
    ApiError, Body, Request, Response, request, response,
    views::{ListView, ProblemView},
};
use sutler_services::{
    App,
    orders::{self, History},
};

use crate::{is_staff, views::EventView};

/// Shows what happened to an order, oldest first; each entry carries the hash of the one before.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    get,
    path = "/v1/orders/{order}/events",
    operation_id = "list_order_events",
    tag = "orders",
    security(("token" = [])),
    params(("order" = String, Path, description = "Id of the order"), ("limit" = Option<u16>, Query, description = "1 to 100, default 20"), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = ListView<EventView>), (status = 401, description = "Not signed in", body = ProblemView), (status = 404, description = "Not found, or not the caller's", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let caller = request::user(app, &request).await?;
    let id = request::path(&request, "order", OrderId::parse)?;
    let limit = request::page(&request)?.limit;
    let after = request::query(&request, "cursor", str::parse)?;
    let staff = is_staff(&caller);
    let (history, next) = orders::history(app, &id, &caller.sub, staff, after, limit).await?;
    let items = match history {
        History::Whole(events) => events.into_iter().map(EventView::whole).collect(),
        History::OfPart(events) => events.into_iter().map(EventView::of_part).collect(),
    };
    Ok(response::ok(&ListView { items, next_cursor: next.map(|seq| seq.to_string()) }))
}
