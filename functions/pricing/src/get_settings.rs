//! Shows how this marketplace makes prices.

use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, auth::Role, rules};

use crate::views::SettingsView;

/// Shows tax rules and the shipping of sellers who have no profile. For finance and administrators.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    get,
    path = "/v1/admin/settings",
    operation_id = "get_settings",
    tag = "pricing",
    security(("token" = [])),
    responses((status = 200, body = SettingsView), (status = 401, description = "Not signed in", body = ProblemView), (status = 403, description = "Not finance or administrator", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    request::staff(app, &request, Role::Finance).await?;
    let rules = rules::get(app).await?;
    Ok(response::versioned(&SettingsView::from(&rules), rules.version))
}
