//! Somebody does not want to wait any more, or does not want what is held for them.

use sutler_domain::ids::VariantId;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, alerts};

/// Leaves the line for a variant, or gives up the unit that is held: it goes to whoever is next.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    delete,
    path = "/v1/variants/{variant}/alerts",
    operation_id = "delete_alert",
    tag = "inventory",
    params(
        ("variant" = String, Path, description = "Variant id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call answer the same"),
    ),
    responses(
        (status = 204, description = "Not in line any more"),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "E-mail address not verified", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "No such variant", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::verified_user(app, &request).await?.sub;
    let variant = request::path(&request, "variant", VariantId::parse)?;
    let once = request::once(app, &request, user.as_str(), "delete_alert", response::no_content_answer)?;
    Ok(response::answer(alerts::leave(app, &user, &variant, &once).await?))
}
