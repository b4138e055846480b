//! Units of lines in requests, and shipments in answers.

use serde::{Deserialize, Serialize};
use sutler_domain::{
    ids::VariantId,
    order::{self, Units},
    problem::Problem,
    shipment::Shipment,
    time::Timestamp,
};
use utoipa::ToSchema;

/// Some units of a line.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitsInput {
    /// The line's variant.
    #[schema(value_type = String)]
    pub variant: VariantId,
    /// How many, 1 to 99.
    #[schema(example = 1)]
    pub quantity: u32,
}

/// Reads which units somebody asks for.
///
/// # Errors
/// [`Problem::Invalid`] naming each line below `pointer` that does not fit.
pub fn units(asked: Vec<UnitsInput>, pointer: &str) -> Result<Vec<Units>, Problem> {
    order::units(asked.into_iter().map(|units| (units.variant, units.quantity)).collect(), pointer)
}

/// Some units of a line.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnitsView {
    /// The line's variant.
    pub variant: String,
    /// How many.
    pub quantity: u32,
}

impl From<&Units> for UnitsView {
    fn from(units: &Units) -> Self {
        Self { variant: units.variant.to_string(), quantity: units.quantity }
    }
}

/// Something that was handed to a carrier.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShipmentView {
    /// Its id.
    #[schema(example = "shp_01J8ZQ5K3N0V7X2Y4T6B8D9FGH0001")]
    pub id: String,
    /// Where it is: `in_transit`, `out_for_delivery`, `failed`, `returned` or `delivered`.
    pub state: &'static str,
    /// Who carries it.
    pub carrier: String,
    /// The carrier's number.
    pub tracking_number: String,
    /// The label it was sent with, if it was bought here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What is in it.
    pub lines: Vec<UnitsView>,
    /// When it was handed over.
    pub shipped_at: String,
    /// When it arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<String>,
}

impl From<&Shipment> for ShipmentView {
    fn from(shipment: &Shipment) -> Self {
        Self {
            id: shipment.id.to_string(),
            state: shipment.state.name(),
            carrier: shipment.tracking.carrier().to_owned(),
            tracking_number: shipment.tracking.number().to_owned(),
            label: shipment.label.as_ref().map(ToString::to_string),
            lines: shipment.lines.iter().map(UnitsView::from).collect(),
            shipped_at: shipment.shipped_at.rfc3339(),
            delivered_at: shipment.delivered_at().map(Timestamp::rfc3339),
        }
    }
}
