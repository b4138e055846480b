//! Money moves only as balanced transactions.

use serde::{Deserialize, Serialize};

use crate::{
    coupon::Funder,
    ids::{LedgerTxId, OrderId, SellerId},
    money::{Currency, Money, MoneyError},
    order::{Part, Totals},
    time::Timestamp,
};

/// Whose money it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Account {
    /// What a provider holds for us.
    ProviderClearing {
        /// Which provider.
        gateway: String,
    },
    /// A seller's money that the buyer can still get back.
    SellerPending {
        /// Whose.
        seller: SellerId,
    },
    /// The platform's commission.
    PlatformFees,
    /// Tax we owe.
    Tax,
    /// What the platform paid for discounts of its own.
    Promotions,
    /// Money on its way back to buyers.
    RefundsPayable,
}

/// Which side of an account a leg is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Adds to what we hold.
    Debit,
    /// Adds to what we owe.
    Credit,
}

/// One movement of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Which account.
    pub account: Account,
    /// Which side.
    pub side: Side,
    /// How much.
    pub amount: Money,
}

/// What a transaction was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A buyer's money came and pays an order.
    Capture,
    /// A buyer's money came and cannot be kept.
    Unowed,
    /// An order was given up after payment.
    OrderRefund,
    /// The provider gave money back.
    RefundPaid,
}

/// Debits and credits are not equal in every currency, or an amount does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the legs do not balance")]
pub struct Unbalanced;

/// A balanced set of movements. Corrections are further transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerTx {
    id: LedgerTxId,
    order: OrderId,
    purpose: Purpose,
    at: Timestamp,
    legs: Vec<Leg>,
}

impl LedgerTx {
    /// Builds a transaction; legs of nothing are left out.
    ///
    /// # Errors
    /// [`Unbalanced`] unless debits equal credits in every currency.
    pub fn try_new(
        id: LedgerTxId,
        order: OrderId,
        purpose: Purpose,
        at: Timestamp,
        legs: Vec<Leg>,
    ) -> Result<Self, Unbalanced> {
        let legs: Vec<Leg> = legs.into_iter().filter(|leg| !leg.amount.is_zero()).collect();
        let side = |side: Side, currency: Currency| {
            let own = |leg: &&Leg| leg.side == side && leg.amount.currency() == currency;
            Money::try_sum(currency, legs.iter().filter(own).map(|leg| leg.amount)).map_err(|_| Unbalanced)
        };
        for currency in legs.iter().map(|leg| leg.amount.currency()) {
            if side(Side::Debit, currency)? != side(Side::Credit, currency)? {
                return Err(Unbalanced);
            }
        }
        Ok(Self { id, order, purpose, at, legs })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &LedgerTxId {
        &self.id
    }

    /// The order it belongs to.
    #[must_use]
    pub fn order(&self) -> &OrderId {
        &self.order
    }

    /// What it was for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// When it was posted.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Its movements.
    #[must_use]
    pub fn legs(&self) -> &[Leg] {
        &self.legs
    }
}

fn leg(account: Account, side: Side, amount: Money) -> Leg {
    Leg { account, side, amount }
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Debit => Self::Credit,
            Self::Credit => Self::Debit,
        }
    }
}

/// What a part's money consists of: the seller's share, the platform's fee (rounded down, so that the odd cent
/// is the seller's) and tax. A discount of the seller's own lowers what there is to share; for one of the
/// platform's, the platform puts in what the buyer does not pay. Tax that prices contain is nobody's share.
fn shares(part: &Part, side: Side) -> Result<[Leg; 4], MoneyError> {
    let Totals { goods, discount, shipping, tax, tax_included, .. } = part.totals;
    let zero = Money::zero(goods.currency());
    let (earned, promoted) = match part.discount_by {
        Funder::Seller { .. } => (goods.try_sub(discount)?, zero),
        Funder::Platform => (goods, discount),
    };
    let goods_tax = Money::try_sum(goods.currency(), part.lines.iter().map(|line| line.tax))?;
    let (net_goods, net_shipping) = if tax_included {
        (earned.try_sub(goods_tax)?, shipping.try_sub(tax.try_sub(goods_tax)?)?)
    } else {
        (earned, shipping)
    };
    let (fee, rest) = net_goods.split(part.commission)?;
    Ok([
        leg(Account::SellerPending { seller: part.seller.clone() }, side, rest.try_add(net_shipping)?),
        leg(Account::PlatformFees, side, fee),
        leg(Account::Tax, side, tax),
        leg(Account::Promotions, side.other(), promoted),
    ])
}

/// The provider holds the buyer's money; each seller, the platform and the tax office have their shares in it.
///
/// # Errors
/// [`MoneyError`] when an amount does not fit.
pub fn capture(gateway: &str, paid: Money, parts: &[Part]) -> Result<Vec<Leg>, MoneyError> {
    let clearing = Account::ProviderClearing { gateway: gateway.to_owned() };
    let mut legs = vec![leg(clearing, Side::Debit, paid)];
    for part in parts {
        legs.extend(shares(part, Side::Credit)?);
    }
    Ok(legs)
}

/// The provider holds money that pays nothing: we owe it back.
#[must_use]
pub fn unowed(gateway: &str, received: Money) -> Vec<Leg> {
    let clearing = Account::ProviderClearing { gateway: gateway.to_owned() };
    vec![leg(clearing, Side::Debit, received), leg(Account::RefundsPayable, Side::Credit, received)]
}

/// The shares of all parts are taken back; we owe the buyer the whole.
///
/// # Errors
/// [`MoneyError`] when an amount does not fit.
pub fn order_refund(total: Money, parts: &[Part]) -> Result<Vec<Leg>, MoneyError> {
    let mut legs = vec![leg(Account::RefundsPayable, Side::Credit, total)];
    for part in parts {
        legs.extend(shares(part, Side::Debit)?);
    }
    Ok(legs)
}

/// The provider gave back what we owed.
#[must_use]
pub fn refund_paid(gateway: &str, amount: Money) -> Vec<Leg> {
    let clearing = Account::ProviderClearing { gateway: gateway.to_owned() };
    vec![leg(Account::RefundsPayable, Side::Debit, amount), leg(clearing, Side::Credit, amount)]
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may stop")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{money::BasisPoints, order::PartState};

    const ULID: &str = "01J8ZQ5K3N0V7X2Y4T6B8D9FGH";

    fn usd(minor: u64) -> Money {
        Money::try_new(minor, Currency::Usd).unwrap()
    }

    fn part(goods: u64, shipping: u64, tax: u64, commission: u16) -> Part {
        let totals = Totals::try_new(usd(goods), usd(0), usd(shipping), usd(tax), false).unwrap();
        Part {
            order: OrderId::parse(&format!("ord_{ULID}")).unwrap(),
            seller: SellerId::parse(&format!("sel_{ULID}")).unwrap(),
            seller_name: String::new(),
            lines: Vec::new(),
            totals,
            discount_by: Funder::default(),
            delivery: None,
            commission: BasisPoints::new(commission).unwrap(),
            state: PartState::AwaitingPayment,
        }
    }

    fn post(legs: Vec<Leg>) -> Result<LedgerTx, Unbalanced> {
        let id = LedgerTxId::parse(&format!("ltx_{ULID}")).unwrap();
        let order = OrderId::parse(&format!("ord_{ULID}")).unwrap();
        LedgerTx::try_new(id, order, Purpose::Capture, Timestamp::from_millis(0), legs)
    }

    proptest! {
        #[test]
        fn capture_and_refund_sum_to_the_charge_and_cancel_each_other(
            sums in prop::collection::vec((0..1_u64 << 40, 0..1_u64 << 30, 0..1_u64 << 40, 0_u16..=10_000), 1..15),
        ) {
            let parts: Vec<Part> = sums.iter().map(|(g, s, t, c)| part(*g, *s, *t, *c)).collect();
            let paid = Money::try_sum(Currency::Usd, parts.iter().map(|part| part.totals.total)).unwrap();
            let mut legs = capture("stripe", paid, &parts).unwrap();
            prop_assert!(post(legs.clone()).is_ok());
            legs.extend(order_refund(paid, &parts).unwrap());
            legs.extend(refund_paid("stripe", paid));
            let mut balance = std::collections::BTreeMap::new();
            for leg in post(legs).unwrap().legs() {
                let signed = i128::from(leg.amount.minor()) * if leg.side == Side::Debit { 1 } else { -1 };
                *balance.entry(leg.account.clone()).or_insert(0) += signed;
            }
            prop_assert!(balance.values().all(|sum| *sum == 0), "{balance:?}");
        }
    }

    #[test]
    fn unbalanced_legs_are_refused() {
        let mut legs = capture("stripe", usd(100), &[part(70, 20, 10, 1_000)]).unwrap();
        assert!(post(legs.clone()).is_ok());
        legs.remove(0);
        assert_eq!(post(legs), Err(Unbalanced));
    }
}
