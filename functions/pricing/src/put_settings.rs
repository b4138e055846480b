//! Decides how this marketplace makes prices.

use serde::Deserialize;
use sutler_domain::{quote::Rules, shipping::ShippingProfile, tax};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, auth::Role, rules};
use utoipa::ToSchema;

use crate::{put_shipping_profile::PutShippingProfile, shapes, views::SettingsView};

/// How prices are made from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutSettings {
    /// Tax.
    #[schema(value_type = shapes::TaxRules)]
    pub tax: tax::TaxRules,
    /// How sellers without a profile of their own send things.
    pub shipping: PutShippingProfile,
}

/// Decides on tax and on the shipping of sellers who have no profile. Orders that were placed keep what they froze.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    put,
    path = "/v1/admin/settings",
    operation_id = "put_settings",
    tag = "pricing",
    security(("token" = [])),
    params(
        ("if-match" = String, Header, description = "The version the change is based on", example = "\"3\""),
        ("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same"),
    ),
    request_body = PutSettings,
    responses((status = 200, body = SettingsView), (status = 401, description = "Not signed in", body = ProblemView), (status = 403, description = "Not an administrator", body = ProblemView), (status = 409, description = "Changed since it was read", body = ProblemView), (status = 422, description = "Some fields are not valid", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let staff = request::staff(app, &request, Role::Admin).await?.sub;
    let version = request::if_match(&request)?;
    let PutSettings { tax, shipping: PutShippingProfile { zones } } = request::json(&request)?;
    let once = request::once(app, &request, staff.as_str(), "put_settings", |rules| {
        response::ok_answer(&SettingsView::from(rules))
    })?;
    let rules = Rules { tax, shipping: ShippingProfile { zones } };
    Ok(response::answer(rules::put(app, version, rules, &once).await?))
}
