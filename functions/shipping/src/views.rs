//! How the shipping of a part looks.

use serde::Serialize;
use sutler_domain::{idempotency::Answer, order::Part};
use sutler_http::{response, units::ShipmentView};
use utoipa::ToSchema;

/// Where a part is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShippedPartView {
    /// The order.
    pub order: String,
    /// The part.
    pub part: String,
    /// `partly_shipped`, `in_transit`, `delivered` and so on; it follows from the shipments and from what is left.
    pub state: &'static str,
    /// What was handed to carriers, oldest first.
    pub shipments: Vec<ShipmentView>,
}

impl From<&Part> for ShippedPartView {
    fn from(part: &Part) -> Self {
        Self {
            order: part.order.to_string(),
            part: part.seller.to_string(),
            state: part.state.name(),
            shipments: part.shipments.iter().map(ShipmentView::from).collect(),
        }
    }
}

/// Renders a part that moved.
#[must_use]
pub fn moved(part: &Part) -> Answer {
    response::ok_answer(&ShippedPartView::from(part))
}
