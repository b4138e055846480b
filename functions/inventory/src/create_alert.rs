//! Somebody wants to have the next unit of what is sold out.

use sutler_domain::ids::VariantId;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, alerts};

use crate::alert_views::{AlertView, joined};

/// Joins the line for a variant that is sold out. When a unit comes back, it is held for whoever is first in line for
/// 15 minutes, and they get a mail; their order takes that unit. Who is in line already keeps their place.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/variants/{variant}/alerts",
    operation_id = "create_alert",
    tag = "inventory",
    params(
        ("variant" = String, Path, description = "Variant id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call answer the same"),
    ),
    responses(
        (status = 200, description = "In line, or held already", body = AlertView),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "E-mail address not verified", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "No such variant", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "It is in stock or not for sale, or the caller waits for 20 others or has all they may", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "The caller's own goods", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::verified_user(app, &request).await?.sub;
    let variant = request::path(&request, "variant", VariantId::parse)?;
    let once = request::once(app, &request, user.as_str(), "create_alert", joined)?;
    Ok(response::answer(alerts::join(app, &user, &variant, &once).await?))
}
