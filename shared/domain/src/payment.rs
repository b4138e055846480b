//! The life of one payment attempt.

use serde::{Deserialize, Serialize};

use crate::{
    ids::OrderId,
    money::{Money, MoneyError},
    order::Change,
    problem::Problem,
    refund::{Destination, PartRefund, Refund, RefundState},
    time::Timestamp,
};

/// How often a buyer can begin to pay an order.
pub const ATTEMPTS_MAX: u32 = 50;

/// How many refunds of one payment people can ask for. Those that follow from a return are bounded by the returns.
pub const REFUNDS_MAX: u32 = 100;

/// Why money goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundReason {
    /// The buyer cancelled before it was shipped.
    Cancelled,
    /// The shop will not send it.
    NotSent,
    /// It was sent back.
    Returned,
    /// The shop or the marketplace gives something back of its own accord.
    Goodwill,
    /// The money came after the order had ended and the goods were gone.
    Late,
    /// The order was already paid by another attempt.
    Second,
    /// Amount or currency are not what the order asks for.
    Mismatch,
}

impl RefundReason {
    /// Its name in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::NotSent => "not_sent",
            Self::Returned => "returned",
            Self::Goodwill => "goodwill",
            Self::Late => "late",
            Self::Second => "second",
            Self::Mismatch => "mismatch",
        }
    }
}

/// The money of a payment that came: every cent of it can be refunded, is on its way back, or went back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    captured: Money,
    refundable: Money,
    pending: Money,
}

impl Balance {
    /// All of it has just come.
    #[must_use]
    pub fn new(captured: Money) -> Self {
        Self { captured, refundable: captured, pending: Money::zero(captured.currency()) }
    }

    /// What came.
    #[must_use]
    pub fn captured(&self) -> Money {
        self.captured
    }

    /// What can still be given back.
    #[must_use]
    pub fn refundable(&self) -> Money {
        self.refundable
    }

    /// What is on its way back.
    #[must_use]
    pub fn pending(&self) -> Money {
        self.pending
    }

    /// What went back.
    ///
    /// # Errors
    /// [`MoneyError`] when there is more on its way than came, which is a bug.
    pub fn refunded(&self) -> Result<Money, MoneyError> {
        self.captured.try_sub(self.refundable)?.try_sub(self.pending)
    }

    fn send(&mut self, amount: Money) -> Result<(), Problem> {
        let left = self.refundable.try_sub(amount).map_err(|error| match error {
            MoneyError::OutOfRange => Problem::RefundTooLarge { refundable: self.refundable },
            MoneyError::CurrencyMismatch { .. } => error.into(),
        })?;
        self.pending = self.pending.try_add(amount)?;
        self.refundable = left;
        Ok(())
    }

    fn arrive(&mut self, amount: Money) -> Result<(), MoneyError> {
        self.pending = self.pending.try_sub(amount)?;
        Ok(())
    }

    fn come_back(&mut self, amount: Money) -> Result<(), MoneyError> {
        let refundable = self.refundable.try_add(amount)?;
        self.pending = self.pending.try_sub(amount)?;
        self.refundable = refundable;
        Ok(())
    }
}

/// Where a payment is. Money that arrived is either the order's or on its way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PaymentState {
    /// The provider waits for the buyer.
    RequiresAction,
    /// The provider ended the attempt; it cannot be paid any more.
    Cancelled {
        /// When we learned of it.
        at: Timestamp,
    },
    /// The money came.
    Succeeded {
        /// When we learned of it.
        at: Timestamp,
        /// How much, and what became of it.
        balance: Balance,
        /// Why it does not pay the order; nothing when it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unowed: Option<RefundReason>,
    },
}

impl PaymentState {
    /// The state's name in answers. Once money came, it says how much of it is still here.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::RequiresAction => "requires_action",
            Self::Cancelled { .. } => "cancelled",
            Self::Succeeded { balance, .. } if !balance.pending.is_zero() => "refund_pending",
            Self::Succeeded { balance, .. } if balance.refundable == balance.captured => "succeeded",
            Self::Succeeded { balance, .. } if balance.refundable.is_zero() => "refunded",
            Self::Succeeded { .. } => "partially_refunded",
        }
    }

    /// The money that came, if the provider has told us of any.
    #[must_use]
    pub fn balance(&self) -> Option<&Balance> {
        match self {
            Self::RequiresAction | Self::Cancelled { .. } => None,
            Self::Succeeded { balance, .. } => Some(balance),
        }
    }

    /// Whether its money came and pays the order.
    #[must_use]
    pub fn pays(&self) -> bool {
        match self {
            Self::RequiresAction | Self::Cancelled { .. } | Self::Succeeded { unowed: Some(_), .. } => false,
            Self::Succeeded { unowed: None, .. } => true,
        }
    }

    fn refuse(&self) -> Problem {
        Problem::OrderState { state: self.name() }
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
    /// How many refunds of it there are.
    #[serde(default)]
    pub refunds: u32,
    /// Where the buyer pays it, if the provider has pages of its own. Not all of them tell that twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_url: Option<String>,
    /// The provider's code for the last refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// When it was started.
    pub started_at: Timestamp,
}

/// What is to go back of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundOrder {
    /// How much.
    pub amount: Money,
    /// From which parts of the order.
    pub parts: Vec<PartRefund>,
    /// Where to.
    pub destination: Destination,
    /// Why.
    pub reason: RefundReason,
}

impl Payment {
    /// Since when it has waited for what only the provider can say: that the buyer paid.
    #[must_use]
    pub fn undecided_since(&self) -> Option<Timestamp> {
        match &self.state {
            PaymentState::RequiresAction => Some(self.started_at),
            PaymentState::Succeeded { .. } | PaymentState::Cancelled { .. } => None,
        }
    }

    /// Why its money does not pay the order; nothing when it does, or none came.
    #[must_use]
    pub fn unowed(&self) -> Option<RefundReason> {
        match &self.state {
            PaymentState::RequiresAction | PaymentState::Cancelled { .. } => None,
            PaymentState::Succeeded { unowed, .. } => *unowed,
        }
    }

    /// The money came; it pays the order, or says why not.
    pub fn succeed(&mut self, received: Money, unowed: Option<RefundReason>, now: Timestamp) -> Change {
        match &self.state {
            PaymentState::RequiresAction | PaymentState::Cancelled { .. } => {
                self.state = PaymentState::Succeeded { at: now, balance: Balance::new(received), unowed };
                Change::Applied
            }
            PaymentState::Succeeded { .. } => Change::AlreadyApplied,
        }
    }

    /// The provider ended it.
    ///
    /// # Errors
    /// [`Problem::OrderState`] once money came: nothing that comes later undoes it.
    pub fn cancel(&mut self, now: Timestamp) -> Result<Change, Problem> {
        match &self.state {
            PaymentState::RequiresAction => {
                self.state = PaymentState::Cancelled { at: now };
                Ok(Change::Applied)
            }
            PaymentState::Cancelled { .. } => Ok(Change::AlreadyApplied),
            PaymentState::Succeeded { .. } => Err(self.state.refuse()),
        }
    }

    /// Sends money of it back. What goes to the wallet is there at once, as is nothing; the rest waits for the
    /// provider.
    ///
    /// # Errors
    /// [`Problem::RefundTooLarge`] when there is not that much left, [`Problem::LimitReached`] after too many
    /// refunds, [`Problem::OrderState`] unless money came.
    pub fn refund(&mut self, wanted: RefundOrder, now: Timestamp) -> Result<Refund, Problem> {
        let PaymentState::Succeeded { balance, .. } = &mut self.state else {
            return Err(self.state.refuse());
        };
        // A return that was received must be paid back, however many refunds there were.
        if self.refunds >= REFUNDS_MAX && wanted.reason != RefundReason::Returned {
            return Err(Problem::LimitReached { what: "refunds", max: REFUNDS_MAX });
        }
        balance.send(wanted.amount)?;
        let state = match wanted.destination {
            Destination::Card if !wanted.amount.is_zero() => RefundState::Pending { since: now },
            Destination::Card | Destination::Wallet => {
                balance.arrive(wanted.amount)?;
                RefundState::Succeeded { at: now }
            }
        };
        self.refunds = self.refunds.saturating_add(1);
        Ok(Refund {
            order: self.order.clone(),
            attempt: self.attempt,
            number: self.refunds,
            amount: wanted.amount,
            destination: wanted.destination,
            reason: wanted.reason,
            parts: wanted.parts,
            state,
            provider_id: None,
            requested_at: now,
        })
    }

    /// The provider gave a refund's money back.
    ///
    /// # Errors
    /// [`Problem::OrderState`] when the refund has failed.
    pub fn refund_arrived(&mut self, refund: &mut Refund, now: Timestamp) -> Result<Change, Problem> {
        let PaymentState::Succeeded { balance, .. } = &mut self.state else {
            return Err(self.state.refuse());
        };
        let change = refund.succeed(now)?;
        if change == Change::Applied {
            balance.arrive(refund.amount)?;
        }
        Ok(change)
    }

    /// The provider could not give a refund's money back: it is here again, and can be refunded again.
    ///
    /// # Errors
    /// [`Problem::OrderState`] when the refund has succeeded.
    pub fn refund_failed(&mut self, refund: &mut Refund, now: Timestamp) -> Result<Change, Problem> {
        let PaymentState::Succeeded { balance, .. } = &mut self.state else {
            return Err(self.state.refuse());
        };
        let change = refund.fail(now)?;
        if change == Change::Applied {
            balance.come_back(refund.amount)?;
        }
        Ok(change)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may stop")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::Currency;

    const T0: Timestamp = Timestamp::from_millis(0);

    fn usd(minor: u64) -> Money {
        Money::try_new(minor, Currency::Usd).unwrap()
    }

    fn payment(state: PaymentState) -> Payment {
        Payment {
            order: OrderId::parse("ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH").unwrap(),
            attempt: 1,
            gateway: "stripe".to_owned(),
            provider_id: "pi_1".to_owned(),
            amount: usd(10),
            state,
            refunds: 0,
            redirect_url: None,
            last_failure: None,
            started_at: T0,
        }
    }

    fn back(minor: u64, destination: Destination) -> RefundOrder {
        RefundOrder { amount: usd(minor), parts: Vec::new(), destination, reason: RefundReason::Goodwill }
    }

    /// A payment of ten of which `refunded` went back and `pending` is on its way, with the refund of that.
    fn came(pending: u64, refunded: u64) -> (Payment, Option<Refund>) {
        let mut payment = payment(PaymentState::RequiresAction);
        assert_eq!(payment.succeed(usd(10), None, T0), Change::Applied);
        if refunded > 0 {
            payment.refund(back(refunded, Destination::Wallet), T0).unwrap();
        }
        let refund = (pending > 0).then(|| payment.refund(back(pending, Destination::Card), T0).unwrap());
        (payment, refund)
    }

    #[test]
    fn every_command_in_every_payment_state_is_decided() {
        type Command = fn(&mut Payment, Option<Refund>) -> Result<Change, Problem>;
        let states = [
            ("requires_action", (payment(PaymentState::RequiresAction), None)),
            ("cancelled", (payment(PaymentState::Cancelled { at: T0 }), None)),
            ("succeeded", came(0, 0)),
            ("refund_pending", came(4, 3)),
            ("partially_refunded", came(0, 3)),
            ("refunded", came(0, 10)),
        ];
        let table: [(&str, Command, [&str; 6]); 8] = [
            (
                "the money comes",
                |p, _| Ok(p.succeed(usd(10), None, T0)),
                ["succeeded", "succeeded", "=", "=", "=", "="],
            ),
            ("the provider ends it", |p, _| p.cancel(T0), ["cancelled", "=", "!", "!", "!", "!"]),
            (
                "some goes back to the card",
                |p, _| p.refund(back(2, Destination::Card), T0).map(|_| Change::Applied),
                ["!", "!", "refund_pending", "refund_pending", "refund_pending", "!"],
            ),
            (
                "all goes back to the card",
                |p, _| p.refund(back(10, Destination::Card), T0).map(|_| Change::Applied),
                ["!", "!", "refund_pending", "!", "!", "!"],
            ),
            (
                "some goes to the wallet",
                |p, _| p.refund(back(2, Destination::Wallet), T0).map(|_| Change::Applied),
                ["!", "!", "partially_refunded", "refund_pending", "partially_refunded", "!"],
            ),
            (
                "what is left goes to the wallet",
                |p, _| p.refund(back(7, Destination::Wallet), T0).map(|_| Change::Applied),
                ["!", "!", "partially_refunded", "!", "refunded", "!"],
            ),
            (
                "a refund arrives",
                |p, r| r.map_or(Ok(Change::AlreadyApplied), |mut r| p.refund_arrived(&mut r, T0)),
                ["=", "=", "=", "partially_refunded", "=", "="],
            ),
            (
                "a refund fails",
                |p, r| r.map_or(Ok(Change::AlreadyApplied), |mut r| p.refund_failed(&mut r, T0)),
                ["=", "=", "=", "partially_refunded", "=", "="],
            ),
        ];
        for (name, command, expected) in table {
            for ((state, (payment, refund)), expected) in states.iter().zip(expected) {
                assert_eq!(payment.state.name(), *state);
                let mut payment = payment.clone();
                let found = match command(&mut payment, refund.clone()) {
                    Ok(Change::Applied) => payment.state.name(),
                    Ok(Change::AlreadyApplied) => "=",
                    Err(_) => "!",
                };
                assert_eq!(found, expected, "{name} when {state}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_history_of_refunds_gives_back_more_than_came_or_loses_a_cent(
            steps in prop::collection::vec((0_u8..4, 0_u64..60), 0..40),
        ) {
            let (mut payment, mut under_way) = (came(0, 0).0, Vec::new());
            for (step, minor) in steps {
                match step {
                    0 => under_way.extend(payment.refund(back(minor.min(12), Destination::Card), T0)),
                    1 => drop(payment.refund(back(minor.min(12), Destination::Wallet), T0)),
                    _ if under_way.is_empty() => {}
                    _ => {
                        let at = usize::try_from(minor).unwrap() % under_way.len();
                        let refund: &mut Refund = &mut under_way[at];
                        drop(if step == 2 {
                            payment.refund_arrived(refund, T0)
                        } else {
                            payment.refund_failed(refund, T0)
                        });
                    }
                }
                let balance = payment.state.balance().unwrap();
                let sum = [balance.refundable(), balance.pending(), balance.refunded().unwrap()];
                prop_assert_eq!(Money::try_sum(Currency::Usd, sum), Ok(usd(10)));
                let waiting = under_way.iter().filter(|refund| refund.undecided_since().is_some());
                let waiting = Money::try_sum(Currency::Usd, waiting.map(|refund| refund.amount));
                prop_assert_eq!(waiting, Ok(balance.pending()));
            }
        }
    }
}
