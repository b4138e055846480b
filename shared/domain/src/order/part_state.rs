//! Where a seller's part of an order is.

use serde::{Deserialize, Serialize};

use crate::{problem::Problem, time::Timestamp};

/// Where a seller's part is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PartState {
    /// The order is not paid.
    AwaitingPayment,
    /// The seller is to ship.
    AwaitingShipment,
    /// Some of it was handed to a carrier, and some is to be.
    PartlyShipped,
    /// The carrier has all of it.
    InTransit,
    /// The carrier is on the way to the buyer with the last of it.
    OutForDelivery,
    /// All of it arrived.
    Delivered {
        /// When the last of it did.
        at: Timestamp,
    },
    /// All of it arrived, and some is to go back.
    ReturnRequested,
    /// All of it came back.
    Returned {
        /// When the last of it did.
        at: Timestamp,
    },
    /// None of it will be shipped.
    Cancelled {
        /// Since when.
        at: Timestamp,
    },
}

impl PartState {
    /// The names of all states.
    pub const NAMES: [&'static str; 9] = [
        "awaiting_payment",
        "awaiting_shipment",
        "partly_shipped",
        "in_transit",
        "out_for_delivery",
        "delivered",
        "return_requested",
        "returned",
        "cancelled",
    ];

    /// Whether the seller needs to know where the goods go.
    #[must_use]
    pub fn shows_address(&self) -> bool {
        match self {
            Self::AwaitingShipment
            | Self::PartlyShipped
            | Self::InTransit
            | Self::OutForDelivery
            | Self::Delivered { .. }
            | Self::ReturnRequested
            | Self::Returned { .. } => true,
            Self::AwaitingPayment | Self::Cancelled { .. } => false,
        }
    }

    /// Whether nothing of it is still to be sent or on its way to the buyer.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        match self {
            Self::Delivered { .. }
            | Self::ReturnRequested
            | Self::Returned { .. }
            | Self::Cancelled { .. } => true,
            Self::AwaitingPayment
            | Self::AwaitingShipment
            | Self::PartlyShipped
            | Self::InTransit
            | Self::OutForDelivery => false,
        }
    }

    /// The state's name in answers and refusals.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::AwaitingPayment => "awaiting_payment",
            Self::AwaitingShipment => "awaiting_shipment",
            Self::PartlyShipped => "partly_shipped",
            Self::InTransit => "in_transit",
            Self::OutForDelivery => "out_for_delivery",
            Self::Delivered { .. } => "delivered",
            Self::ReturnRequested => "return_requested",
            Self::Returned { .. } => "returned",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    pub(super) fn refuse(&self) -> Problem {
        Problem::OrderState { state: self.name() }
    }
}
