//! What happened, in the order it happened. An event is audit trail and outbox in one item, written in the
//! transaction of the change it tells of. It names ids and amounts, never people.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{AlertId, LabelId, ReturnId, SellerId, ShipmentId, UserId, VariantId},
    money::Money,
    order::{CancelReason, Units},
    payment::RefundReason,
    refund::Destination,
    time::Timestamp,
};

/// Who brought something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The order's buyer.
    Buyer,
    /// The part's seller, or staff in their place.
    Seller,
}

/// Whose word it is that something arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// The buyer's.
    #[default]
    Buyer,
    /// The carrier's.
    Carrier,
}

impl Witness {
    /// Whether it is the one that is not written down: events from before carriers told anything stay as they were
    /// hashed.
    #[must_use]
    pub fn is_buyer(&self) -> bool {
        *self == Self::Buyer
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum EventKind {
    /// An order was placed and its stock reserved.
    #[serde(rename = "order.placed")]
    OrderPlaced {
        /// What the buyer owes.
        total: Money,
        /// Until when the stock is held.
        expires_at: Timestamp,
    },
    /// The order is paid.
    #[serde(rename = "order.paid")]
    OrderPaid {
        /// Which payment attempt paid it.
        attempt: u32,
        /// What was paid.
        amount: Money,
    },
    /// The order was given up before payment; its stock is free again.
    #[serde(rename = "order.cancelled")]
    OrderCancelled {
        /// Why.
        reason: CancelReason,
        /// The attempt that may still be payable at the provider.
        open_attempt: Option<u32>,
    },
    /// A paid order was given up before it was shipped.
    #[serde(rename = "order.refunded")]
    OrderRefunded {
        /// What goes back to the buyer.
        amount: Money,
    },
    /// Everything has been delivered.
    #[serde(rename = "order.completed")]
    OrderCompleted {},
    /// The order of a guest belongs to an account from now on.
    #[serde(rename = "order.claimed")]
    OrderClaimed {},
    /// The provider refused a payment; the buyer may try again.
    #[serde(rename = "payment.failed")]
    PaymentFailed {
        /// Which attempt.
        attempt: u32,
        /// The provider's code.
        code: String,
    },
    /// Money is to go back; a worker asks the provider.
    #[serde(rename = "payment.refund_requested")]
    RefundRequested {
        /// Which attempt.
        attempt: u32,
        /// Which refund of it.
        number: u32,
        /// How much.
        amount: Money,
        /// Why.
        reason: RefundReason,
    },
    /// The buyer has money back, from the provider or in the wallet.
    #[serde(rename = "payment.refunded")]
    PaymentRefunded {
        /// Which attempt.
        attempt: u32,
        /// Which refund of it.
        number: u32,
        /// How much.
        amount: Money,
        /// Why.
        reason: RefundReason,
        /// Where it is.
        destination: Destination,
    },
    /// The provider could not give money back. Somebody has to see to it.
    #[serde(rename = "payment.refund_failed")]
    RefundFailed {
        /// Which attempt.
        attempt: u32,
        /// Which refund of it.
        number: u32,
        /// How much.
        amount: Money,
        /// Why it was to go back.
        reason: RefundReason,
    },
    /// Some units of a part will not be shipped.
    #[serde(rename = "part.units_cancelled")]
    UnitsCancelled {
        /// Whose part.
        seller: SellerId,
        /// Which.
        lines: Vec<Units>,
        /// Who does not want them sent.
        by: Side,
    },
    /// A seller handed some or all of their part of the order to a carrier.
    #[serde(rename = "part.shipped")]
    PartShipped {
        /// Whose part.
        seller: SellerId,
        /// In which shipment.
        shipment: ShipmentId,
    },
    /// Some or all of a part of the order arrived.
    #[serde(rename = "part.delivered")]
    PartDelivered {
        /// Whose part.
        seller: SellerId,
        /// Which shipments.
        shipments: Vec<ShipmentId>,
        /// Who says so.
        #[serde(default, skip_serializing_if = "Witness::is_buyer")]
        by: Witness,
    },
    /// A carrier is on the way to the buyer.
    #[serde(rename = "part.out_for_delivery")]
    OutForDelivery {
        /// Whose part.
        seller: SellerId,
        /// With which shipment.
        shipment: ShipmentId,
    },
    /// A carrier cannot deliver something, or has brought it back. Somebody has to see to it.
    #[serde(rename = "part.delivery_failed")]
    DeliveryFailed {
        /// Whose part.
        seller: SellerId,
        /// Which shipment.
        shipment: ShipmentId,
        /// Whether it was brought back.
        returned: bool,
    },
    /// A seller has bought a label.
    #[serde(rename = "part.label_bought")]
    LabelBought {
        /// Whose part.
        seller: SellerId,
        /// Which label.
        label: LabelId,
    },
    /// The provider took a label back.
    #[serde(rename = "part.label_voided")]
    LabelVoided {
        /// Whose part.
        seller: SellerId,
        /// Which label.
        label: LabelId,
    },
    /// The buyer wants to send something back.
    #[serde(rename = "return.requested")]
    ReturnRequested {
        /// Whose part.
        seller: SellerId,
        /// Which return.
        id: ReturnId,
    },
    /// The seller agrees.
    #[serde(rename = "return.approved")]
    ReturnApproved {
        /// Whose part.
        seller: SellerId,
        /// Which return.
        id: ReturnId,
    },
    /// The seller does not agree.
    #[serde(rename = "return.rejected")]
    ReturnRejected {
        /// Whose part.
        seller: SellerId,
        /// Which return.
        id: ReturnId,
    },
    /// The seller has it again.
    #[serde(rename = "return.received")]
    ReturnReceived {
        /// Whose part.
        seller: SellerId,
        /// Which return.
        id: ReturnId,
    },
    /// An e-mail address is proven to be its user's.
    #[serde(rename = "user.verified")]
    UserVerified {
        /// Whose.
        user: UserId,
    },
    /// A user is to prove that an e-mail address is theirs.
    #[serde(rename = "user.verification_requested")]
    VerificationRequested {
        /// Who.
        user: UserId,
    },
    /// Something is back in stock, and one is held for a user who waited for it.
    #[serde(rename = "alert.held")]
    AlertHeld {
        /// Who.
        user: UserId,
        /// Which of their wishes.
        alert: AlertId,
        /// For what.
        variant: VariantId,
        /// Until when it is held.
        expires_at: Timestamp,
    },
}

/// One entry of an aggregate's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Unique over all aggregates; consumers remember it.
    pub event_id: String,
    /// The order or user it belongs to.
    pub aggregate: String,
    /// 1 for the first event of the aggregate.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: EventKind,
    /// Hash of the event before, empty for the first.
    pub prev_hash: String,
    /// Hash over this event's content and `prev_hash`.
    pub hash: String,
}
