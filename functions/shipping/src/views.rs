//! How the shipping of a part looks.

use serde::Serialize;
use sutler_domain::{
    idempotency::Answer,
    ids::OrderId,
    label::{Label, Offer},
    order::Part,
    shipment::Shipment,
};
use sutler_http::{label_view::LabelView, response, units::ShipmentView, views::MoneyView};
use sutler_services::orders::OrderPage;
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

/// Renders a label that was asked for.
#[must_use]
pub fn bought(label: &Label) -> Answer {
    response::created_answer(&LabelView::from(label))
}

/// Renders a label that was given back, or is to be.
#[must_use]
pub fn given_back(label: &Label) -> Answer {
    response::ok_answer(&LabelView::from(label))
}

/// What carriers ask for a parcel.
#[derive(Debug, Serialize, ToSchema)]
pub struct RatesView {
    /// The cheapest first; empty when no carrier takes it.
    pub rates: Vec<RateView>,
}

/// What a carrier asks for a parcel.
#[derive(Debug, Serialize, ToSchema)]
pub struct RateView {
    /// What a label is bought with.
    #[schema(example = "7c2e5b1f4a.9d0c3f8e6b")]
    pub rate: String,
    /// Who carries it.
    #[schema(example = "USPS")]
    pub carrier: String,
    /// How.
    #[schema(example = "Priority Mail")]
    pub service: String,
    /// What the label costs.
    pub cost: MoneyView,
    /// In how many days it should be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

impl From<&Offer> for RateView {
    fn from(offer: &Offer) -> Self {
        Self {
            rate: offer.rate.clone(),
            carrier: offer.carrier.clone(),
            service: offer.service.clone(),
            cost: offer.cost.into(),
            days: offer.days,
        }
    }
}

impl From<&[Offer]> for RatesView {
    fn from(offers: &[Offer]) -> Self {
        let mut rates: Vec<RateView> = offers.iter().map(RateView::from).collect();
        rates.sort_by_key(|rate| rate.cost.amount);
        Self { rates }
    }
}

/// Where the shipments of an order are.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderTrackingView {
    /// The order.
    pub order: String,
    /// What was handed to carriers, per part and oldest first. A seller sees their own.
    pub shipments: Vec<TrackedShipmentView>,
}

/// Where a shipment is.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrackedShipmentView {
    /// Its id.
    pub id: String,
    /// The part it is of.
    pub part: String,
    /// Who carries it.
    pub carrier: String,
    /// The carrier's number.
    pub tracking_number: String,
    /// Where it is: `in_transit`, `out_for_delivery`, `failed`, `returned` or `delivered`.
    pub state: &'static str,
    /// Where it has been, oldest first, and is.
    pub events: Vec<TrackingEventView>,
}

/// Something that happened to a shipment.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrackingEventView {
    /// Where it was from then on.
    pub state: &'static str,
    /// When, as far as it is known.
    pub at: String,
}

impl TrackedShipmentView {
    fn of(part: &Part, shipment: &Shipment) -> Self {
        let event = |(state, at): (&'static str, sutler_domain::time::Timestamp)| TrackingEventView {
            state,
            at: at.rfc3339(),
        };
        Self {
            id: shipment.id.to_string(),
            part: part.seller.to_string(),
            carrier: shipment.tracking.carrier().to_owned(),
            tracking_number: shipment.tracking.number().to_owned(),
            state: shipment.state.name(),
            events: shipment.trail().into_iter().map(event).collect(),
        }
    }
}

impl OrderTrackingView {
    /// What somebody in an order sees of it.
    #[must_use]
    pub fn of(order: &OrderId, page: &OrderPage) -> Self {
        let shipments_of = |part: &Part| -> Vec<TrackedShipmentView> {
            part.shipments.iter().map(|shipment| TrackedShipmentView::of(part, shipment)).collect()
        };
        let shipments = match page {
            OrderPage::Buyer(aggregate) => {
                aggregate.parts.iter().flat_map(|part| shipments_of(&part.value)).collect()
            }
            OrderPage::Seller { part, .. } => shipments_of(part),
        };
        Self { order: order.to_string(), shipments }
    }
}
