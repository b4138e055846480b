//! Adds an address to the caller's book.

use serde::Deserialize;
use sutler_domain::{
    address::{Address, AddressDraft},
    idempotency::Answer,
    problem::Problem,
};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{
    App,
    identity::{self, NewAddress, Wishes},
};
use utoipa::ToSchema;

use crate::views::AddressView;

/// A new address. Every line has at most 100 characters.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddAddressInput {
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
    /// Whether it is to be the default. The first address is in any case.
    #[serde(default)]
    pub default: bool,
    /// The address is right even if it cannot be found, or not as it is written here.
    #[serde(default)]
    pub confirmed: bool,
}

fn added(new: &NewAddress) -> Answer {
    response::created_answer(&AddressView::from(&new.entry))
}

/// Adds an address to the caller's book. One that cannot be found is refused unless it is `confirmed`.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/users/me/addresses",
    operation_id = "add_address",
    tag = "identity",
    security(("token" = [])),
    params(("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same")),
    request_body = AddAddressInput,
    responses(
        (status = 201, body = AddressView),
        (status = 400, description = "Not readable", body = ProblemView),
        (status = 401, description = "Not signed in", body = ProblemView),
        (status = 403, description = "The e-mail address is not verified", body = ProblemView),
        (status = 409, description = "The book is full", body = ProblemView),
        (status = 422, description = "Some fields are not valid, or `confirmed` is required", body = ProblemView),
    )
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::buyer(app, &request).await?.sub;
    let once = request::once(app, &request, user.as_str(), "add_address", added)?;
    let input: AddAddressInput = request::json(&request)?;
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
    let address = Address::parse(&draft).map_err(Problem::Invalid)?;
    let wishes = Wishes { preferred: input.default, confirmed: input.confirmed };
    Ok(response::answer(identity::add_address(app, &user, address, wishes, &once).await?))
}
