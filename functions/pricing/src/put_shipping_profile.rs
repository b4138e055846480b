//! Says how a seller's shop sends things.

use serde::Deserialize;
use sutler_domain::shipping::{self, ShippingProfile};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, profiles};
use utoipa::ToSchema;

use crate::{shapes, views::ShippingProfileView};

/// How things are sent from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutShippingProfile {
    /// At most 10. What is in none of them cannot be reached.
    #[schema(value_type = Vec<shapes::Zone>)]
    pub zones: Vec<shipping::Zone>,
}

/// Says how the caller's shop sends things. Orders that were placed keep what they froze.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    put,
    path = "/v1/sellers/me/shipping",
    operation_id = "put_shipping_profile",
    tag = "pricing",
    security(("token" = [])),
    params(
        ("if-match" = String, Header, description = "The version the change is based on; 0 for the first", example = "\"0\""),
        ("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same"),
    ),
    request_body = PutShippingProfile,
    responses((status = 200, body = ShippingProfileView), (status = 401, description = "Not signed in", body = ProblemView), (status = 403, description = "No shop", body = ProblemView), (status = 409, description = "Changed since it was read", body = ProblemView), (status = 422, description = "Some fields are not valid", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::verified_user(app, &request).await?.sub;
    let version = request::if_match(&request)?;
    let zones = request::json::<PutShippingProfile>(&request)?.zones;
    let once = request::once(app, &request, user.as_str(), "put_shipping_profile", |profile| {
        response::ok_answer(&ShippingProfileView::from(profile))
    })?;
    Ok(response::answer(profiles::put(app, &user, version, ShippingProfile { zones }, &once).await?))
}
