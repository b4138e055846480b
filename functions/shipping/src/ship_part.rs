//! Hands the seller's own part of an order, or some of it, to a carrier.

use serde::{Deserialize, Deserializer};
use sutler_domain::{
    ids::{LabelId, OrderId, SellerId},
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
    shipping::{self, NewShipment, SentBy},
};
use utoipa::ToSchema;

use crate::views::{self, ShippedPartView};

/// What is sent how: with a carrier under its number, or with a label that was bought here.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShipmentInput {
    /// 1 to 40 characters.
    #[serde(default, deserialize_with = "given")]
    #[schema(example = "dhl")]
    pub carrier: Option<String>,
    /// 1 to 80 characters.
    #[serde(default, deserialize_with = "given")]
    #[schema(example = "00340434161094042557")]
    pub tracking_number: Option<String>,
    /// A label of this part, instead of both.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub label: Option<LabelId>,
    /// Which units; everything that is not shipped yet when absent.
    pub lines: Option<Vec<UnitsInput>>,
}

/// What is given is not null.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl ShipmentInput {
    /// How it is sent.
    ///
    /// # Errors
    /// 422 unless it is either a label, or a carrier and its number.
    fn by(&self) -> Result<SentBy, Problem> {
        match (&self.label, &self.carrier, &self.tracking_number) {
            (Some(label), None, None) => Ok(SentBy::Label(label.clone())),
            (None, Some(carrier), Some(number)) => Tracking::parse(carrier, number).map(SentBy::Own),
            (None, None, _) => Err(Problem::field("/carrier", "missing")),
            (None, Some(_), None) => Err(Problem::field("/tracking_number", "missing")),
            (Some(_), _, _) => Err(Problem::field("/label", "ambiguous")),
        }
    }
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
    let by = body.by()?;
    let lines = body.lines.map(|lines| units(lines, "/lines")).transpose()?;
    let parcel = NewShipment { by, lines };
    let once = request::once(app, &request, caller.as_str(), "ship_part", views::moved)?;
    Ok(response::answer(shipping::ship(app, &id, &seller, &parcel, &once).await?))
}
