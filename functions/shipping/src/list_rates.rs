//! What carriers ask to take a parcel of the seller's own part to its buyer.

use sutler_domain::{
    ids::{AddressId, OrderId, SellerId},
    problem::{FieldError, Problem},
};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{
    App,
    labels::{self, ParcelWish},
};

use crate::views::RatesView;

/// What carriers ask to take a parcel of the seller's own part to its buyer. Nothing is bought, and nothing is kept; a rate
/// can be bought for seven days.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    get,
    path = "/v1/orders/{order}/parts/{part}/rates",
    operation_id = "list_rates",
    tag = "shipping",
    security(("token" = [])),
    params(
        ("order" = String, Path, description = "Id of the order"),
        ("part" = String, Path, description = "Id of the part, which is its seller's"),
        ("length_mm" = u32, Query, description = "1 to 3000"),
        ("width_mm" = u32, Query, description = "1 to 3000"),
        ("height_mm" = u32, Query, description = "1 to 3000"),
        ("weight_g" = Option<u32>, Query, description = "1 to 70000; what all that is still to be sent weighs when absent"),
        ("from" = Option<String>, Query, description = "Where it is picked up: an entry of the seller's address book; the default one when absent"),
    ),
    responses(
        (status = 200, body = RatesView),
        (status = 401, description = "Not signed in", body = ProblemView),
        (status = 404, description = "Not found, or not the caller's", body = ProblemView),
        (status = 409, description = "The state does not allow it", body = ProblemView),
        (status = 422, description = "Some parameters are not valid, the carriers do not take this, or labels are not sold here", body = ProblemView),
        (status = 503, description = "The provider does not answer", body = ProblemView),
    )
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let caller = request::verified_user(app, &request).await?.sub;
    let id = request::path(&request, "order", OrderId::parse)?;
    let part = request::path(&request, "part", SellerId::parse)?;
    Some(SellerId::of_user(&caller)).filter(|own| *own == part).ok_or(Problem::NotFound)?;
    let offers = labels::offers(app, &id, &caller, &wish(&request)?).await?;
    Ok(response::ok(&RatesView::from(offers.as_slice())))
}

/// Reads the parcel.
fn wish(request: &Request) -> Result<ParcelWish, ApiError> {
    let from = request::query(request, "from", AddressId::parse)?;
    let weight_g = request::query(request, "weight_g", str::parse)?;
    let mut missing = Vec::new();
    let mut sides_mm = [0; 3];
    for (side, name) in sides_mm.iter_mut().zip(["length_mm", "width_mm", "height_mm"]) {
        match request::query(request, name, str::parse)? {
            Some(given) => *side = given,
            None => missing.push(FieldError::new(name, "missing")),
        }
    }
    if missing.is_empty() {
        Ok(ParcelWish { from, weight_g, sides_mm })
    } else {
        Err(Problem::Invalid(missing).into())
    }
}
