//! Money on its way back: one record per refund, which says whose shares it took and where it goes.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{OrderId, SellerId},
    money::Money,
    order::Change,
    payment::RefundReason,
    problem::Problem,
    shares::Shares,
    time::Timestamp,
};

/// Where the money goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// Back through the provider that took it.
    #[default]
    Card,
    /// To the buyer's wallet, at once.
    Wallet,
}

impl Destination {
    /// Its name in requests and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Wallet => "wallet",
        }
    }
}

/// Where a refund is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RefundState {
    /// The provider is to give the money back.
    Pending {
        /// Since when.
        since: Timestamp,
    },
    /// The buyer has the money.
    Succeeded {
        /// When we learned of it.
        at: Timestamp,
    },
    /// The provider could not give it back; it can be refunded again.
    Failed {
        /// When we learned of it.
        at: Timestamp,
    },
}

impl RefundState {
    /// The state's name in answers.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
        }
    }
}

/// What a refund takes back from one seller's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRefund {
    /// Whose part.
    pub seller: SellerId,
    /// Which shares.
    pub shares: Shares,
}

/// One refund of one payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The order.
    pub order: OrderId,
    /// The attempt that was paid.
    pub attempt: u32,
    /// 1 for the first refund of that attempt.
    pub number: u32,
    /// How much.
    pub amount: Money,
    /// Where it goes.
    pub destination: Destination,
    /// Why.
    pub reason: RefundReason,
    /// From which parts; none when the money was never the order's.
    pub parts: Vec<PartRefund>,
    /// Where it is.
    pub state: RefundState,
    /// The provider's id of it, once it is under way there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// When it was decided.
    pub requested_at: Timestamp,
}

impl Refund {
    /// The buyer has the money.
    ///
    /// # Errors
    /// [`Problem::OrderState`] once it has failed.
    pub fn succeed(&mut self, now: Timestamp) -> Result<Change, Problem> {
        match &self.state {
            RefundState::Pending { .. } => {
                self.state = RefundState::Succeeded { at: now };
                Ok(Change::Applied)
            }
            RefundState::Succeeded { .. } => Ok(Change::AlreadyApplied),
            RefundState::Failed { .. } => Err(Problem::OrderState { state: self.state.name() }),
        }
    }

    /// The provider could not give it back.
    ///
    /// # Errors
    /// [`Problem::OrderState`] once it has succeeded.
    pub fn fail(&mut self, now: Timestamp) -> Result<Change, Problem> {
        match &self.state {
            RefundState::Pending { .. } => {
                self.state = RefundState::Failed { at: now };
                Ok(Change::Applied)
            }
            RefundState::Failed { .. } => Ok(Change::AlreadyApplied),
            RefundState::Succeeded { .. } => Err(Problem::OrderState { state: self.state.name() }),
        }
    }

    /// Since when it has waited for what only the provider can say.
    #[must_use]
    pub fn undecided_since(&self) -> Option<Timestamp> {
        match &self.state {
            RefundState::Pending { since } => Some(*since),
            RefundState::Succeeded { .. } | RefundState::Failed { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    #[test]
    fn every_command_in_every_refund_state_is_decided() {
        type Command = fn(&mut Refund) -> Result<Change, Problem>;
        let at = Timestamp::from_millis(0);
        let states =
            [RefundState::Pending { since: at }, RefundState::Succeeded { at }, RefundState::Failed { at }];
        let table: [(&str, Command, [&str; 3]); 2] = [
            ("succeed", |r| r.succeed(Timestamp::from_millis(9)), ["succeeded", "=", "!"]),
            ("fail", |r| r.fail(Timestamp::from_millis(9)), ["failed", "!", "="]),
        ];
        for (name, command, expected) in table {
            for (state, expected) in states.iter().zip(expected) {
                let mut refund = Refund {
                    order: OrderId::parse("ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH").unwrap(),
                    attempt: 1,
                    number: 1,
                    amount: Money::zero(Currency::Usd),
                    destination: Destination::Card,
                    reason: RefundReason::Cancelled,
                    parts: Vec::new(),
                    state: state.clone(),
                    provider_id: None,
                    requested_at: at,
                };
                let found = match command(&mut refund) {
                    Ok(Change::Applied) => refund.state.name(),
                    Ok(Change::AlreadyApplied) => "=",
                    Err(_) => "!",
                };
                assert_eq!(found, expected, "{name} when {}", state.name());
            }
        }
    }
}
