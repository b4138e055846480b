//! The life of one payment attempt.

use serde::{Deserialize, Serialize};

use crate::{ids::OrderId, money::Money, time::Timestamp};

/// Why money goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundReason {
    /// The buyer cancelled before anything was shipped.
    Cancelled,
    /// The money came after the order had ended and the goods were gone.
    Late,
    /// The order was already paid by another attempt.
    Second,
    /// Amount or currency are not what the order asks for.
    Mismatch,
}

/// Where a payment is. Money that arrived is either the order's or on its way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PaymentState {
    /// The provider waits for the buyer.
    RequiresAction,
    /// The money is here and pays the order.
    Succeeded {
        /// When we learned of it.
        at: Timestamp,
    },
    /// The provider ended the attempt; it cannot be paid any more.
    Cancelled {
        /// When we learned of it.
        at: Timestamp,
    },
    /// The money came and is to go back in full.
    RefundPending {
        /// Since when.
        since: Timestamp,
        /// How much came.
        amount: Money,
        /// Why it goes back.
        reason: RefundReason,
    },
    /// The money went back.
    Refunded {
        /// When we learned of it.
        at: Timestamp,
        /// How much.
        amount: Money,
        /// Why it went back.
        reason: RefundReason,
    },
}

impl PaymentState {
    /// The state's name in answers.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::RequiresAction => "requires_action",
            Self::Succeeded { .. } => "succeeded",
            Self::Cancelled { .. } => "cancelled",
            Self::RefundPending { .. } => "refund_pending",
            Self::Refunded { .. } => "refunded",
        }
    }

    /// Whether the provider has told us that the money came.
    #[must_use]
    pub fn has_money_come(&self) -> bool {
        match self {
            Self::RequiresAction | Self::Cancelled { .. } => false,
            Self::Succeeded { .. } | Self::RefundPending { .. } | Self::Refunded { .. } => true,
        }
    }
}

/// One attempt to pay an order through a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// The order.
    pub order: OrderId,
    /// 1 for the first.
    pub attempt: u32,
    /// Which provider.
    pub gateway: String,
    /// The provider's id of it.
    pub provider_id: String,
    /// What it is for.
    pub amount: Money,
    /// Where it is.
    pub state: PaymentState,
    /// Where the buyer pays it, if the provider has pages of its own. Not all of them tell that twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_url: Option<String>,
    /// The provider's code for the last refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// When it was started.
    pub started_at: Timestamp,
}

impl Payment {
    /// Since when it has waited for what only the provider can say: that the buyer paid, or that money went back.
    #[must_use]
    pub fn undecided_since(&self) -> Option<Timestamp> {
        match &self.state {
            PaymentState::RequiresAction => Some(self.started_at),
            PaymentState::RefundPending { since, .. } => Some(*since),
            PaymentState::Succeeded { .. }
            | PaymentState::Cancelled { .. }
            | PaymentState::Refunded { .. } => None,
        }
    }
}
