//! The life of an order and of each seller's part in it.

mod carriage;
mod line;
mod part;
mod part_state;
mod units;

use serde::{Deserialize, Serialize};

use crate::{
    address::Address,
    coupon::UsedCoupon,
    ids::{OrderId, SellerId, UserId},
    money::{Money, MoneyError},
    problem::Problem,
    time::Timestamp,
};

pub use line::{OrderLine, Totals};
pub use part::{Part, SHIPMENTS_MAX};
pub use part_state::PartState;
pub use units::{Progress, Units, units};

/// Whether a command changed anything, so that a repeated message is not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Change {
    /// The state moved; persist it and publish the event.
    Applied,
    /// This command was applied before.
    AlreadyApplied,
}

/// Why an order ended unpaid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// The buyer gave it up.
    Buyer,
    /// It was not paid in time.
    Expired,
}

/// Where an order is. Each variant holds exactly what is true in that state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OrderState {
    /// Stock is reserved until `expires_at`.
    AwaitingPayment {
        /// When the reservation may be released.
        expires_at: Timestamp,
    },
    /// The buyer's money is ours to hold.
    Paid {
        /// The attempt that paid.
        attempt: u32,
        /// When we learned of it.
        at: Timestamp,
    },
    /// Everything was delivered.
    Completed {
        /// The attempt that paid.
        attempt: u32,
        /// When the last part arrived.
        at: Timestamp,
    },
    /// Ended unpaid; the stock was released.
    Cancelled {
        /// Why.
        reason: CancelReason,
        /// When.
        at: Timestamp,
    },
    /// All of its money went back, or is to.
    Refunded {
        /// The attempt that had paid.
        attempt: u32,
        /// When the last of it did.
        at: Timestamp,
        /// Where it is again if some of the money cannot be given back.
        else_at: Fulfilment,
    },
}

/// How far a paid order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fulfilment {
    /// Not everything was delivered or cancelled.
    Paid {
        /// When we learned of the payment.
        at: Timestamp,
    },
    /// Everything was delivered.
    Completed {
        /// When the last part arrived.
        at: Timestamp,
    },
}

impl OrderState {
    /// The names of all states.
    pub const NAMES: [&'static str; 6] =
        ["awaiting_payment", "paid", "completed", "cancelled", "partially_refunded", "refunded"];

    /// The state's name in answers and refusals.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::AwaitingPayment { .. } => "awaiting_payment",
            Self::Paid { .. } => "paid",
            Self::Completed { .. } => "completed",
            Self::Cancelled { .. } => "cancelled",
            Self::Refunded { .. } => "refunded",
        }
    }

    fn refuse(&self) -> Problem {
        Problem::OrderState { state: self.name() }
    }
}

/// The payment attempt that may still succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAttempt {
    /// Which provider.
    pub gateway: String,
    /// Since when.
    pub since: Timestamp,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Whose it is: who placed it, or the account that claimed it from a guest.
    pub buyer: UserId,
    /// The guest who placed it, without an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<UserId>,
    /// Where mails about it go.
    pub email: String,
    /// Where the goods go.
    pub address: Address,
    /// The sums.
    pub totals: Totals,
    /// The coupon that took something off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon: Option<UsedCoupon>,
    /// Where it is.
    pub state: OrderState,
    /// What of its money went back, or is to.
    pub refunded: Money,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// Whose parts it has, in the order of the parts.
    pub sellers: Vec<SellerId>,
    /// How many payment attempts were started.
    pub attempts: u32,
    /// The attempt that is under way, whose number is `attempts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_attempt: Option<OpenAttempt>,
    /// How many events it has.
    pub events: u64,
    /// Hash of the last one.
    pub last_hash: String,
}

impl Order {
    /// Who placed it. Coupons and limits per buyer count for them, whoever owns the order by now.
    #[must_use]
    pub fn placed_by(&self) -> &UserId {
        self.guest.as_ref().unwrap_or(&self.buyer)
    }

    /// Hands the order of a guest over to an account.
    pub fn claim(&mut self, account: &UserId) -> Change {
        if self.buyer == *account {
            return Change::AlreadyApplied;
        }
        self.buyer = account.clone();
        Change::Applied
    }

    /// Whether it belongs to a guest, whom no account has claimed it from.
    #[must_use]
    pub fn is_a_guests(&self) -> bool {
        self.guest.as_ref() == Some(&self.buyer)
    }

    /// The number of the attempt that may still succeed.
    #[must_use]
    pub fn open_attempt_number(&self) -> Option<u32> {
        self.open_attempt.as_ref().map(|_| self.attempts)
    }

    /// Records that `attempt` paid it in time. An order whose time is over but that nobody cancelled yet still
    /// holds its stock, so the money is accepted.
    ///
    /// # Errors
    /// [`Problem::OrderState`] when it cannot take the money; the caller then decides what becomes of it.
    pub fn pay(&mut self, attempt: u32, now: Timestamp) -> Result<Change, Problem> {
        match &self.state {
            OrderState::AwaitingPayment { .. } => {
                self.state = OrderState::Paid { attempt, at: now };
                self.open_attempt = None;
                Ok(Change::Applied)
            }
            OrderState::Paid { attempt: by, .. }
            | OrderState::Completed { attempt: by, .. }
            | OrderState::Refunded { attempt: by, .. } => {
                if *by == attempt {
                    Ok(Change::AlreadyApplied)
                } else {
                    Err(self.state.refuse())
                }
            }
            OrderState::Cancelled { .. } => Err(self.state.refuse()),
        }
    }

    /// Takes a cancelled order up again, because its money came late and its goods could be had once more.
    ///
    /// # Errors
    /// [`Problem::OrderState`] unless it was cancelled.
    pub fn reinstate(&mut self, attempt: u32, now: Timestamp) -> Result<Change, Problem> {
        match &self.state {
            OrderState::Cancelled { .. } => {
                self.state = OrderState::Paid { attempt, at: now };
                self.open_attempt = None;
                Ok(Change::Applied)
            }
            OrderState::AwaitingPayment { .. }
            | OrderState::Paid { .. }
            | OrderState::Completed { .. }
            | OrderState::Refunded { .. } => Err(self.state.refuse()),
        }
    }

    /// Ends it unpaid. An expiry takes effect only once the time is over.
    ///
    /// # Errors
    /// [`Problem::OrderState`] once it is paid, or when it has not expired.
    pub fn cancel(&mut self, reason: CancelReason, now: Timestamp) -> Result<Change, Problem> {
        match &self.state {
            OrderState::AwaitingPayment { expires_at } => {
                if reason == CancelReason::Expired && now < *expires_at {
                    return Err(self.state.refuse());
                }
                self.state = OrderState::Cancelled { reason, at: now };
                Ok(Change::Applied)
            }
            OrderState::Cancelled { .. } => Ok(Change::AlreadyApplied),
            OrderState::Paid { .. } | OrderState::Completed { .. } | OrderState::Refunded { .. } => {
                Err(self.state.refuse())
            }
        }
    }

    /// Gives some of its money back; answers the attempt whose money that is. With the last of it, the order is
    /// refunded.
    ///
    /// # Errors
    /// [`Problem::OrderState`] unless it was paid, [`Problem::RefundTooLarge`] when there is not that much left.
    pub fn refund(&mut self, amount: Money, now: Timestamp) -> Result<u32, Problem> {
        let (attempt, else_at) = match &self.state {
            OrderState::Paid { attempt, at } => (*attempt, Fulfilment::Paid { at: *at }),
            OrderState::Completed { attempt, at } => (*attempt, Fulfilment::Completed { at: *at }),
            OrderState::Refunded { attempt, else_at, .. } => (*attempt, *else_at),
            OrderState::AwaitingPayment { .. } | OrderState::Cancelled { .. } => {
                return Err(self.state.refuse());
            }
        };
        let left = self.totals.total.try_sub(self.refunded)?;
        let rest = left.try_sub(amount).map_err(|error| match error {
            MoneyError::OutOfRange => Problem::RefundTooLarge { refundable: left },
            MoneyError::CurrencyMismatch { .. } => error.into(),
        })?;
        self.refunded = self.refunded.try_add(amount)?;
        if rest.is_zero() && !amount.is_zero() {
            self.state = OrderState::Refunded { attempt, at: now, else_at };
        }
        Ok(attempt)
    }

    /// Money that was to go back could not be given back: it is here again.
    ///
    /// # Errors
    /// [`Problem::OrderState`] unless it was paid, [`Problem::Invalid`] when less was to go back, which is a bug.
    pub fn refund_failed(&mut self, amount: Money) -> Result<(), Problem> {
        match &self.state {
            OrderState::Paid { .. } | OrderState::Completed { .. } | OrderState::Refunded { .. } => {}
            OrderState::AwaitingPayment { .. } | OrderState::Cancelled { .. } => {
                return Err(self.state.refuse());
            }
        }
        self.refunded = self.refunded.try_sub(amount)?;
        if let OrderState::Refunded { attempt, else_at, .. } = &self.state
            && !amount.is_zero()
        {
            self.state = match *else_at {
                Fulfilment::Paid { at } => OrderState::Paid { attempt: *attempt, at },
                Fulfilment::Completed { at } => OrderState::Completed { attempt: *attempt, at },
            };
        }
        Ok(())
    }

    /// Ends it well.
    ///
    /// # Errors
    /// [`Problem::OrderState`] unless it is paid.
    pub fn complete(&mut self, now: Timestamp) -> Result<Change, Problem> {
        let completed = Fulfilment::Completed { at: now };
        match &mut self.state {
            OrderState::Paid { attempt, .. } => {
                self.state = OrderState::Completed { attempt: *attempt, at: now };
                Ok(Change::Applied)
            }
            OrderState::Refunded { else_at: else_at @ Fulfilment::Paid { .. }, .. } => {
                *else_at = completed;
                Ok(Change::Applied)
            }
            OrderState::Completed { .. }
            | OrderState::Refunded { else_at: Fulfilment::Completed { .. }, .. } => {
                Ok(Change::AlreadyApplied)
            }
            OrderState::AwaitingPayment { .. } | OrderState::Cancelled { .. } => Err(self.state.refuse()),
        }
    }

    /// The attempt that paid it, if one did.
    #[must_use]
    pub fn paid_by(&self) -> Option<u32> {
        match &self.state {
            OrderState::Paid { attempt, .. }
            | OrderState::Completed { attempt, .. }
            | OrderState::Refunded { attempt, .. } => Some(*attempt),
            OrderState::AwaitingPayment { .. } | OrderState::Cancelled { .. } => None,
        }
    }

    /// The state as people see it: once some of the money went back, that is what counts.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        match &self.state {
            OrderState::Paid { .. } | OrderState::Completed { .. } if !self.refunded.is_zero() => {
                "partially_refunded"
            }
            OrderState::AwaitingPayment { .. }
            | OrderState::Paid { .. }
            | OrderState::Completed { .. }
            | OrderState::Cancelled { .. }
            | OrderState::Refunded { .. } => self.state.name(),
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may stop")]
mod tests;
