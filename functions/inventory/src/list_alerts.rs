//! What the caller waits for.

use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, alerts};

use crate::alert_views::{AlertView, AlertsView};

/// What the caller waits for, and what is held for them.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    get,
    path = "/v1/alerts",
    operation_id = "list_alerts",
    tag = "inventory",
    responses(
        (status = 200, description = "All of it, in the order the caller joined", body = AlertsView),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "E-mail address not verified", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::verified_user(app, &request).await?.sub;
    let items = alerts::list(app, &user).await?;
    Ok(response::ok(&AlertsView { items: items.iter().map(AlertView::from).collect() }))
}
