//! How the shipping of a part looks.

use serde::Serialize;
use sutler_domain::{idempotency::Answer, order::Part};
use sutler_http::response;
use utoipa::ToSchema;

/// Where a part is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShipmentView {
    /// The order.
    pub order: String,
    /// The part.
    pub part: String,
    /// `in_transit` or `delivered`.
    pub state: &'static str,
    /// Who carries it.
    pub carrier: Option<String>,
    /// The carrier's number.
    pub tracking_number: Option<String>,
}

impl From<&Part> for ShipmentView {
    fn from(part: &Part) -> Self {
        let (carrier, tracking_number) = part.state.tracking().unzip();
        Self {
            order: part.order.to_string(),
            part: part.seller.to_string(),
            state: part.state.name(),
            carrier: carrier.map(str::to_owned),
            tracking_number: tracking_number.map(str::to_owned),
        }
    }
}

/// Renders a part that moved.
#[must_use]
pub fn moved(part: &Part) -> Answer {
    response::ok_answer(&ShipmentView::from(part))
}
