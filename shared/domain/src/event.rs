//! What happened, in the order it happened. An event is audit trail and outbox in one item, written in the
//! transaction of the change it tells of. It names ids and amounts, never people.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{SellerId, UserId},
    money::Money,
    order::CancelReason,
    payment::RefundReason,
    time::Timestamp,
};

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
        /// How much.
        amount: Money,
        /// Why.
        reason: RefundReason,
    },
    /// The provider has given the money back.
    #[serde(rename = "payment.refunded")]
    PaymentRefunded {
        /// Which attempt.
        attempt: u32,
        /// How much.
        amount: Money,
        /// Why.
        reason: RefundReason,
    },
    /// A seller handed their part of the order to a carrier.
    #[serde(rename = "part.shipped")]
    PartShipped {
        /// Whose part.
        seller: SellerId,
    },
    /// A part of the order arrived.
    #[serde(rename = "part.delivered")]
    PartDelivered {
        /// Whose part.
        seller: SellerId,
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
