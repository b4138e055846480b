//! Checks an address before it is used.

use serde::Deserialize;
use sutler_domain::address::AddressDraft;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, addresses};
use utoipa::ToSchema;

use crate::views::CheckedAddressView;

/// An address as somebody typed it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidateAddressInput {
    /// Who receives it.
    #[schema(example = "Ada Example")]
    pub name: String,
    /// Street and number.
    #[schema(example = "1 Market Street")]
    pub line1: String,
    /// Flat, floor, building.
    pub line2: Option<String>,
    /// Town.
    #[schema(example = "Springfield")]
    pub city: String,
    /// State, province or county.
    #[schema(example = "IL")]
    pub region: Option<String>,
    /// Postal code; left out where there are none.
    #[schema(example = "62701")]
    pub postal_code: Option<String>,
    /// ISO 3166-1 code of two letters.
    #[schema(example = "US")]
    pub country: String,
    /// Phone number in international form.
    #[schema(example = "+12175550123")]
    pub phone: Option<String>,
}

/// Checks an address before it is used. Nothing is kept.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/addresses/validate",
    operation_id = "validate_address",
    tag = "identity",
    security(("token" = [])),
    request_body = ValidateAddressInput,
    responses(
        (status = 200, description = "Also for an address that is to be corrected", body = CheckedAddressView),
        (status = 400, description = "Not readable", body = ProblemView),
        (status = 401, description = "Not signed in", body = ProblemView),
        (status = 403, description = "The e-mail address is not verified", body = ProblemView),
        (status = 422, description = "Not of this shape", body = ProblemView),
    )
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    request::buyer(app, &request).await?;
    let input: ValidateAddressInput = request::json(&request)?;
    let draft = AddressDraft {
        name: input.name,
        line1: input.line1,
        line2: input.line2,
        city: input.city,
        region: input.region,
        postal_code: input.postal_code,
        country: input.country,
        phone: input.phone,
    };
    Ok(response::ok(&CheckedAddressView::from(addresses::validate(app, &draft).await)))
}
