//! How refunds and returns look.

use serde::Serialize;
use sutler_domain::{
    idempotency::Answer,
    refund::Refund,
    returns::{Return, ReturnState},
};
use sutler_http::{response, units::UnitsView, views::MoneyView};
use sutler_services::{refunds::Refunded, returns::Returned};
use utoipa::ToSchema;

use crate::views::PartView;

/// Money on its way back.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefundView {
    /// Of which attempt to pay.
    pub attempt: u32,
    /// 1 for the first of that attempt.
    pub number: u32,
    /// How much.
    pub amount: MoneyView,
    /// `card` or `wallet`.
    pub destination: &'static str,
    /// Why: `cancelled`, `not_sent`, `returned`, `goodwill`, `late`, `second` or `mismatch`.
    pub reason: &'static str,
    /// Where it is: `pending`, `succeeded` or `failed`.
    pub state: &'static str,
    /// When it was decided.
    pub requested_at: String,
}

impl From<&Refund> for RefundView {
    fn from(refund: &Refund) -> Self {
        Self {
            attempt: refund.attempt,
            number: refund.number,
            amount: refund.amount.into(),
            destination: refund.destination.name(),
            reason: refund.reason.name(),
            state: refund.state.name(),
            requested_at: refund.requested_at.rfc3339(),
        }
    }
}

/// What a refund did.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefundedView {
    /// The refund; absent when the units had been paid back before.
    pub refund: Option<RefundView>,
    /// The part afterwards; absent when the money never was the order's.
    pub part: Option<PartView>,
}

impl From<&Refunded> for RefundedView {
    fn from(refunded: &Refunded) -> Self {
        Self {
            refund: refunded.refund.as_ref().map(RefundView::from),
            part: refunded.part.as_ref().map(PartView::from),
        }
    }
}

/// Goods on their way back.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReturnView {
    /// Its id.
    #[schema(example = "ret_01J8ZQ5K3N0V7X2Y4T6B8D9FGH0001")]
    pub id: String,
    /// The order.
    pub order: String,
    /// The part.
    pub part: String,
    /// What.
    pub lines: Vec<UnitsView>,
    /// Why, in the buyer's words.
    pub reason: String,
    /// Where it is: `requested`, `approved`, `rejected` or `received`.
    pub state: &'static str,
    /// Which of it is on sale again, once it was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sellable: Option<Vec<UnitsView>>,
    /// When it was asked for.
    pub requested_at: String,
}

impl From<&Return> for ReturnView {
    fn from(sent_back: &Return) -> Self {
        let sellable = match &sent_back.state {
            ReturnState::Received { sellable, .. } => Some(sellable.iter().map(UnitsView::from).collect()),
            ReturnState::Requested | ReturnState::Approved { .. } | ReturnState::Rejected { .. } => None,
        };
        Self {
            id: sent_back.id.to_string(),
            order: sent_back.order.to_string(),
            part: sent_back.seller.to_string(),
            lines: sent_back.lines.iter().map(UnitsView::from).collect(),
            reason: sent_back.reason.clone(),
            state: sent_back.state.name(),
            sellable,
            requested_at: sent_back.requested_at.rfc3339(),
        }
    }
}

/// A return, and what was paid back for it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReturnedView {
    /// The return.
    pub r#return: ReturnView,
    /// What is paid back, once it was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund: Option<RefundView>,
}

impl From<&Returned> for ReturnedView {
    fn from(returned: &Returned) -> Self {
        Self {
            r#return: (&returned.sent_back).into(),
            refund: returned.refund.as_ref().map(RefundView::from),
        }
    }
}

/// Renders a return that was asked for.
#[must_use]
pub fn requested(returned: &Returned) -> Answer {
    response::created_answer(&ReturnedView::from(returned))
}

/// Renders a return that was decided about.
#[must_use]
pub fn returned(returned: &Returned) -> Answer {
    response::ok_answer(&ReturnedView::from(returned))
}
