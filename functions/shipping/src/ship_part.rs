//! Hands the seller's own part of an order, or some of it, to a carrier.

use serde::Deserialize;
use sutler_domain::{
    ids::{OrderId, SellerId},
    problem::Problem,
    shipment::Tracking,
};
use sutler_http::{
    ApiError, Body, Request, Response, request, response,
    units::{UnitsInput, units},
    views::ProblemView,
};
use sutler_services::{
    App,
    shipping::{self, NewShipment},
};
use utoipa::ToSchema;

use crate::views::{self, ShippedPartView};

/// Who carries what, under which number.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShipmentInput {
    /// 1 to 40 characters.
    #[schema(example = "dhl")]
    pub carrier: String,
    /// 1 to 80 characters.
    #[schema(example = "00340434161094042557")]
    pub tracking_number: String,
    /// Which units; everything that is not shipped yet when absent.
    pub lines: Option<Vec<UnitsInput>>,
}

/// Hands the seller's own part of an order, or some of it, to a carrier. Each shipment has a number of its own.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/orders/{order}/parts/{part}/shipments",
    operation_id = "ship_part",
    tag = "shipping",
    security(("token" = [])),
    params(("order" = String, Path, description = "Id of the order"), ("part" = String, Path, description = "Id of the part, which is its seller's"), ("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same")),
    request_body = ShipmentInput,
    responses((status = 200, body = ShippedPartView), (status = 401, description = "Not signed in", body = ProblemView), (status = 404, description = "Not found, or not the caller's", body = ProblemView), (status = 409, description = "The state does not allow it", body = ProblemView), (status = 422, description = "Some fields are not valid", body = ProblemView))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let caller = request::verified_user(app, &request).await?.sub;
    let id = request::path(&request, "order", OrderId::parse)?;
    let part = request::path(&request, "part", SellerId::parse)?;
    let seller = Some(SellerId::of_user(&caller)).filter(|own| *own == part).ok_or(Problem::NotFound)?;
    let body: ShipmentInput = request::json(&request)?;
    let tracking = Tracking::parse(&body.carrier, &body.tracking_number)?;
    let lines = body.lines.map(|lines| units(lines, "/lines")).transpose()?;
    let parcel = NewShipment { tracking, lines };
    let once = request::once(app, &request, caller.as_str(), "ship_part", views::moved)?;
    Ok(response::answer(shipping::ship(app, &id, &seller, &parcel, &once).await?))
}
