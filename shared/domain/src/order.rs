//! The life of an order and of each seller's part in it.

use serde::{Deserialize, Serialize};

use crate::{
    address::Address,
    coupon::{Funder, UsedCoupon},
    ids::{OrderId, SellerId, UserId, VariantId},
    money::{BasisPoints, Money, MoneyError},
    problem::Problem,
    product::OptionValue,
    shards::Origin,
    shipping::Delivery,
    time::Timestamp,
};

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
    /// Given up after payment and before shipping; the money goes back.
    Refunded {
        /// The attempt that had paid.
        attempt: u32,
        /// When.
        at: Timestamp,
    },
}

impl OrderState {
    /// The names of all states.
    pub const NAMES: [&'static str; 5] = ["awaiting_payment", "paid", "completed", "cancelled", "refunded"];

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

/// What was bought, as it was when the order was placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredLine")]
pub struct OrderLine {
    /// What.
    pub variant: VariantId,
    /// Whose.
    pub seller: SellerId,
    /// The product's title.
    pub title: String,
    /// Such as colour and size.
    pub options: Vec<OptionValue>,
    /// The seller's own number.
    pub sku: String,
    /// Price of one.
    pub unit_price: Money,
    /// How many.
    pub quantity: u32,
    /// Price of all, before any discount.
    pub total: Money,
    /// What a coupon takes off `total`.
    pub discount: Money,
    /// The tax on what is left, in the price or on top of it.
    pub tax: Money,
    /// Where its units come from.
    #[serde(default, skip_serializing_if = "Origin::is_plain")]
    pub origin: Origin,
}

/// A line as it is stored: before there were coupons, lines had neither discount nor a tax of their own.
#[derive(Deserialize)]
struct StoredLine {
    variant: VariantId,
    seller: SellerId,
    title: String,
    options: Vec<OptionValue>,
    sku: String,
    unit_price: Money,
    quantity: u32,
    total: Money,
    discount: Option<Money>,
    tax: Option<Money>,
    #[serde(default)]
    origin: Origin,
}

impl From<StoredLine> for OrderLine {
    fn from(stored: StoredLine) -> Self {
        let zero = Money::zero(stored.total.currency());
        Self {
            variant: stored.variant,
            seller: stored.seller,
            title: stored.title,
            options: stored.options,
            sku: stored.sku,
            unit_price: stored.unit_price,
            quantity: stored.quantity,
            total: stored.total,
            discount: stored.discount.unwrap_or(zero),
            tax: stored.tax.unwrap_or(zero),
            origin: stored.origin,
        }
    }
}

/// The sums of an order or of a part. `total` is goods less discount, and shipping, and the tax unless prices
/// contain it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredTotals")]
pub struct Totals {
    /// All lines, before any discount.
    pub goods: Money,
    /// What a coupon takes off the goods.
    pub discount: Money,
    /// Shipping.
    pub shipping: Money,
    /// Tax on both.
    pub tax: Money,
    /// Whether goods and shipping contain the tax.
    pub tax_included: bool,
    /// What is to be paid.
    pub total: Money,
}

/// Sums as they are stored: before there were coupons, tax always came on top.
#[derive(Deserialize)]
struct StoredTotals {
    goods: Money,
    discount: Option<Money>,
    shipping: Money,
    tax: Money,
    #[serde(default)]
    tax_included: bool,
    total: Money,
}

impl From<StoredTotals> for Totals {
    fn from(stored: StoredTotals) -> Self {
        let StoredTotals { goods, discount, shipping, tax, tax_included, total } = stored;
        let discount = discount.unwrap_or(Money::zero(goods.currency()));
        Self { goods, discount, shipping, tax, tax_included, total }
    }
}

impl Totals {
    /// Adds up what is to be paid.
    ///
    /// # Errors
    /// [`MoneyError`] when the discount is more than the goods, or a sum does not fit.
    pub fn try_new(
        goods: Money,
        discount: Money,
        shipping: Money,
        tax: Money,
        tax_included: bool,
    ) -> Result<Self, MoneyError> {
        let before_tax = goods.try_sub(discount)?.try_add(shipping)?;
        let total = if tax_included { before_tax } else { before_tax.try_add(tax)? };
        Ok(Self { goods, discount, shipping, tax, tax_included, total })
    }

    /// The sums of two parts together.
    ///
    /// # Errors
    /// [`MoneyError`] when currencies differ or a sum does not fit.
    pub fn try_add(self, other: Self) -> Result<Self, MoneyError> {
        Self::try_new(
            self.goods.try_add(other.goods)?,
            self.discount.try_add(other.discount)?,
            self.shipping.try_add(other.shipping)?,
            self.tax.try_add(other.tax)?,
            self.tax_included,
        )
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
    /// The guest who placed it, once an account has claimed it.
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
        let guest = std::mem::replace(&mut self.buyer, account.clone());
        self.guest.get_or_insert(guest);
        Change::Applied
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

    /// Gives it up after payment; answers the attempt whose money goes back. The caller makes sure that
    /// nothing was shipped.
    ///
    /// # Errors
    /// [`Problem::OrderState`] unless it is paid.
    pub fn refund(&mut self, now: Timestamp) -> Result<(Change, u32), Problem> {
        match &self.state {
            OrderState::Paid { attempt, .. } => {
                let attempt = *attempt;
                self.state = OrderState::Refunded { attempt, at: now };
                Ok((Change::Applied, attempt))
            }
            OrderState::Refunded { attempt, .. } => Ok((Change::AlreadyApplied, *attempt)),
            OrderState::AwaitingPayment { .. }
            | OrderState::Completed { .. }
            | OrderState::Cancelled { .. } => Err(self.state.refuse()),
        }
    }

    /// Ends it well.
    ///
    /// # Errors
    /// [`Problem::OrderState`] unless it is paid.
    pub fn complete(&mut self, now: Timestamp) -> Result<Change, Problem> {
        match &self.state {
            OrderState::Paid { attempt, .. } => {
                self.state = OrderState::Completed { attempt: *attempt, at: now };
                Ok(Change::Applied)
            }
            OrderState::Completed { .. } => Ok(Change::AlreadyApplied),
            OrderState::AwaitingPayment { .. }
            | OrderState::Cancelled { .. }
            | OrderState::Refunded { .. } => Err(self.state.refuse()),
        }
    }
}

/// Where a seller's part is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PartState {
    /// The order is not paid.
    AwaitingPayment,
    /// The seller is to ship.
    AwaitingShipment,
    /// The carrier has it.
    InTransit {
        /// Who carries it.
        carrier: String,
        /// The carrier's number.
        tracking_number: String,
        /// Since when.
        at: Timestamp,
    },
    /// It arrived.
    Delivered {
        /// Who carried it.
        carrier: String,
        /// The carrier's number.
        tracking_number: String,
        /// When.
        at: Timestamp,
    },
    /// It will not be shipped.
    Cancelled {
        /// Since when.
        at: Timestamp,
    },
}

impl PartState {
    /// The names of all states.
    pub const NAMES: [&'static str; 5] =
        ["awaiting_payment", "awaiting_shipment", "in_transit", "delivered", "cancelled"];

    /// Carrier and tracking number, once there are any.
    #[must_use]
    pub fn tracking(&self) -> Option<(&str, &str)> {
        match self {
            Self::InTransit { carrier, tracking_number, .. }
            | Self::Delivered { carrier, tracking_number, .. } => Some((carrier, tracking_number)),
            Self::AwaitingPayment | Self::AwaitingShipment | Self::Cancelled { .. } => None,
        }
    }

    /// Whether the seller needs to know where the goods go.
    #[must_use]
    pub fn shows_address(&self) -> bool {
        match self {
            Self::AwaitingShipment | Self::InTransit { .. } | Self::Delivered { .. } => true,
            Self::AwaitingPayment | Self::Cancelled { .. } => false,
        }
    }

    /// The state's name in answers and refusals.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::AwaitingPayment => "awaiting_payment",
            Self::AwaitingShipment => "awaiting_shipment",
            Self::InTransit { .. } => "in_transit",
            Self::Delivered { .. } => "delivered",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    fn refuse(&self) -> Problem {
        Problem::OrderState { state: self.name() }
    }
}

/// One seller's part of an order. Its id is the seller's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The order.
    pub order: OrderId,
    /// Whose.
    pub seller: SellerId,
    /// The shop's name.
    pub seller_name: String,
    /// What.
    pub lines: Vec<OrderLine>,
    /// The part's sums.
    pub totals: Totals,
    /// Who pays for the discount.
    #[serde(default)]
    pub discount_by: Funder,
    /// How it is sent, as the buyer chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// The platform's share of the goods, frozen when the order was placed.
    pub commission: BasisPoints,
    /// Where it is.
    pub state: PartState,
}

impl Part {
    /// The order was paid, in time or late.
    ///
    /// # Errors
    /// [`Problem::OrderState`] when it was already shipped or is to be.
    pub fn release_to_seller(&mut self) -> Result<(), Problem> {
        match &self.state {
            PartState::AwaitingPayment | PartState::Cancelled { .. } => {
                self.state = PartState::AwaitingShipment;
                Ok(())
            }
            PartState::AwaitingShipment | PartState::InTransit { .. } | PartState::Delivered { .. } => {
                Err(self.state.refuse())
            }
        }
    }

    /// The order ended before this part was shipped.
    ///
    /// # Errors
    /// [`Problem::OrderState`] once it is shipped.
    pub fn cancel(&mut self, now: Timestamp) -> Result<(), Problem> {
        match &self.state {
            PartState::AwaitingPayment | PartState::AwaitingShipment | PartState::Cancelled { .. } => {
                self.state = PartState::Cancelled { at: now };
                Ok(())
            }
            PartState::InTransit { .. } | PartState::Delivered { .. } => Err(self.state.refuse()),
        }
    }

    /// The seller hands it to a carrier.
    ///
    /// # Errors
    /// [`Problem::OrderState`] unless it is to be shipped, or when it was shipped under another number.
    pub fn ship(&mut self, carrier: &str, tracking_number: &str, now: Timestamp) -> Result<Change, Problem> {
        match &self.state {
            PartState::AwaitingShipment => {
                self.state = PartState::InTransit {
                    carrier: carrier.to_owned(),
                    tracking_number: tracking_number.to_owned(),
                    at: now,
                };
                Ok(Change::Applied)
            }
            PartState::InTransit { carrier: by, tracking_number: under, .. }
                if by == carrier && under == tracking_number =>
            {
                Ok(Change::AlreadyApplied)
            }
            PartState::AwaitingPayment
            | PartState::InTransit { .. }
            | PartState::Delivered { .. }
            | PartState::Cancelled { .. } => Err(self.state.refuse()),
        }
    }

    /// The buyer says it arrived.
    ///
    /// # Errors
    /// [`Problem::OrderState`] unless it is on its way.
    pub fn deliver(&mut self, now: Timestamp) -> Result<Change, Problem> {
        match &self.state {
            PartState::InTransit { carrier, tracking_number, .. } => {
                self.state = PartState::Delivered {
                    carrier: carrier.clone(),
                    tracking_number: tracking_number.clone(),
                    at: now,
                };
                Ok(Change::Applied)
            }
            PartState::Delivered { .. } => Ok(Change::AlreadyApplied),
            PartState::AwaitingPayment | PartState::AwaitingShipment | PartState::Cancelled { .. } => {
                Err(self.state.refuse())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{address::AddressDraft, money::Currency};

    const T0: Timestamp = at(0);
    const LATER: Timestamp = at(1_000);

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn totals() -> Totals {
        let zero = Money::zero(Currency::Usd);
        Totals::try_new(zero, zero, zero, zero, false).unwrap()
    }

    fn order(state: OrderState) -> Order {
        let ulid = "01J8ZQ5K3N0V7X2Y4T6B8D9FGH";
        let draft = AddressDraft {
            name: "Ada".to_owned(),
            line1: "12 Square".to_owned(),
            city: "Berlin".to_owned(),
            postal_code: Some("10115".to_owned()),
            country: "DE".to_owned(),
            ..AddressDraft::default()
        };
        Order {
            id: OrderId::parse(&format!("ord_{ulid}")).unwrap(),
            buyer: UserId::parse(&format!("usr_{ulid}")).unwrap(),
            guest: None,
            email: "ada@example.com".to_owned(),
            address: Address::parse(&draft).unwrap(),
            totals: totals(),
            coupon: None,
            state,
            placed_at: T0,
            sellers: Vec::new(),
            attempts: 1,
            open_attempt: None,
            events: 0,
            last_hash: String::new(),
        }
    }

    fn states() -> [OrderState; 5] {
        [
            OrderState::AwaitingPayment { expires_at: at(500) },
            OrderState::Paid { attempt: 1, at: T0 },
            OrderState::Completed { attempt: 1, at: T0 },
            OrderState::Cancelled { reason: CancelReason::Buyer, at: T0 },
            OrderState::Refunded { attempt: 1, at: T0 },
        ]
    }

    /// A command's result in short: where the order is afterwards, `=` when nothing changed, `!` when refused.
    fn outcome(state: &OrderState, command: fn(&mut Order) -> Result<Change, Problem>) -> &'static str {
        let mut order = order(state.clone());
        match command(&mut order) {
            Ok(Change::Applied) => order.state.name(),
            Ok(Change::AlreadyApplied) => {
                assert_eq!(order.state, *state);
                "="
            }
            Err(refusal) => {
                assert_eq!(refusal, Problem::OrderState { state: state.name() });
                assert_eq!(order.state, *state);
                "!"
            }
        }
    }

    #[test]
    fn every_command_in_every_order_state_is_decided() {
        type Command = fn(&mut Order) -> Result<Change, Problem>;
        let table: [(&str, Command, [&str; 5]); 9] = [
            ("pay by attempt 1", |o| o.pay(1, LATER), ["paid", "=", "=", "!", "="]),
            ("pay by attempt 2", |o| o.pay(2, LATER), ["paid", "!", "!", "!", "!"]),
            ("reinstate", |o| o.reinstate(1, LATER), ["!", "!", "!", "paid", "!"]),
            ("buyer cancels", |o| o.cancel(CancelReason::Buyer, T0), ["cancelled", "!", "!", "=", "!"]),
            ("expires too early", |o| o.cancel(CancelReason::Expired, T0), ["!", "!", "!", "=", "!"]),
            (
                "expires on time",
                |o| o.cancel(CancelReason::Expired, at(500)),
                ["cancelled", "!", "!", "=", "!"],
            ),
            ("expires late", |o| o.cancel(CancelReason::Expired, LATER), ["cancelled", "!", "!", "=", "!"]),
            ("refund", |o| o.refund(LATER).map(|(change, _)| change), ["!", "refunded", "!", "!", "="]),
            ("complete", |o| o.complete(LATER), ["!", "completed", "=", "!", "!"]),
        ];
        for (name, command, expected) in table {
            for (state, expected) in states().iter().zip(expected) {
                assert_eq!(outcome(state, command), expected, "{name} when {}", state.name());
            }
        }
    }

    #[test]
    fn every_command_in_every_part_state_is_decided() {
        type Command = fn(&mut Part) -> Result<Change, Problem>;
        let moved = || ("dhl".to_owned(), "1".to_owned());
        let states = [
            PartState::AwaitingPayment,
            PartState::AwaitingShipment,
            PartState::InTransit { carrier: moved().0, tracking_number: moved().1, at: T0 },
            PartState::Delivered { carrier: moved().0, tracking_number: moved().1, at: T0 },
            PartState::Cancelled { at: T0 },
        ];
        let table: [(&str, Command, [&str; 5]); 5] = [
            (
                "release to the seller",
                |p| p.release_to_seller().map(|()| Change::Applied),
                ["awaiting_shipment", "!", "!", "!", "awaiting_shipment"],
            ),
            (
                "cancel",
                |p| p.cancel(LATER).map(|()| Change::Applied),
                ["cancelled", "cancelled", "!", "!", "cancelled"],
            ),
            ("ship", |p| p.ship("dhl", "1", LATER), ["!", "in_transit", "=", "!", "!"]),
            ("ship again otherwise", |p| p.ship("ups", "2", LATER), ["!", "in_transit", "!", "!", "!"]),
            ("deliver", |p| p.deliver(LATER), ["!", "!", "delivered", "=", "!"]),
        ];
        let head = order(OrderState::Paid { attempt: 1, at: T0 });
        for (name, command, expected) in table {
            for (state, expected) in states.iter().zip(expected) {
                let mut part = Part {
                    order: head.id.clone(),
                    seller: SellerId::of_user(&head.buyer),
                    seller_name: "A shop".to_owned(),
                    lines: Vec::new(),
                    totals: totals(),
                    discount_by: Funder::default(),
                    delivery: None,
                    commission: BasisPoints::new(1_000).unwrap(),
                    state: state.clone(),
                };
                let found = match command(&mut part) {
                    Ok(Change::Applied) => part.state.name(),
                    Ok(Change::AlreadyApplied) => "=",
                    Err(_) => "!",
                };
                assert_eq!(found, expected, "{name} when {}", state.name());
            }
        }
    }
}
