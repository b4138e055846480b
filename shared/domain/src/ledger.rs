//! Money moves only as balanced transactions.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{LedgerTxId, OrderId, SellerId, UserId},
    money::{Currency, Money, MoneyError},
    order::Part,
    refund::{Destination, PartRefund},
    shares::{Shares, of_part},
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
    /// What a seller owes for labels that the platform paid. Payouts take it off.
    CarrierCosts {
        /// Who.
        seller: SellerId,
    },
    /// Money that a user can spend here.
    Wallet {
        /// Whose.
        user: UserId,
    },
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
    /// Money of an order goes back to its buyer.
    Refund,
    /// The provider gave money back.
    RefundPaid,
    /// The provider could not give money back: it is the order's again.
    RefundFailed,
    /// The platform paid a label for a seller.
    Label,
    /// The provider of labels gave money back.
    LabelVoided,
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

fn sided(seller: &SellerId, shares: &Shares, side: Side) -> [Leg; 4] {
    [
        leg(Account::SellerPending { seller: seller.clone() }, side, shares.seller),
        leg(Account::PlatformFees, side, shares.fee),
        leg(Account::Tax, side, shares.tax),
        leg(Account::Promotions, side.other(), shares.promoted),
    ]
}

/// The provider holds the buyer's money; each seller, the platform and the tax office have their shares in it.
///
/// # Errors
/// [`MoneyError`] when an amount does not fit.
pub fn capture(gateway: &str, paid: Money, parts: &[Part]) -> Result<Vec<Leg>, MoneyError> {
    let clearing = Account::ProviderClearing { gateway: gateway.to_owned() };
    let mut legs = vec![leg(clearing, Side::Debit, paid)];
    for part in parts {
        legs.extend(sided(&part.seller, &of_part(part)?, Side::Credit));
    }
    Ok(legs)
}

/// The provider holds money that pays nothing: we owe it back.
#[must_use]
pub fn unowed(gateway: &str, received: Money) -> Vec<Leg> {
    let clearing = Account::ProviderClearing { gateway: gateway.to_owned() };
    vec![leg(clearing, Side::Debit, received), leg(Account::RefundsPayable, Side::Credit, received)]
}

/// Shares of parts are taken back; we owe the buyer what they sum to, or it is in the buyer's wallet. Money that
/// was never the order's is owed already.
#[must_use]
pub fn refund(parts: &[PartRefund], amount: Money, destination: Destination, buyer: &UserId) -> Vec<Leg> {
    let owed_to = match destination {
        Destination::Card => Account::RefundsPayable,
        Destination::Wallet => Account::Wallet { user: buyer.clone() },
    };
    let mut legs = vec![leg(owed_to, Side::Credit, amount)];
    if parts.is_empty() {
        legs.push(leg(Account::RefundsPayable, Side::Debit, amount));
    }
    for part in parts {
        legs.extend(sided(&part.seller, &part.shares, Side::Debit));
    }
    legs
}

/// What we owed the buyer could not be given back: the shares are where they were.
#[must_use]
pub fn refund_failed(parts: &[PartRefund], amount: Money) -> Vec<Leg> {
    let mut legs = vec![leg(Account::RefundsPayable, Side::Debit, amount)];
    for part in parts {
        legs.extend(sided(&part.seller, &part.shares, Side::Credit));
    }
    legs
}

/// The provider gave back what we owed.
#[must_use]
pub fn refund_paid(gateway: &str, amount: Money) -> Vec<Leg> {
    let clearing = Account::ProviderClearing { gateway: gateway.to_owned() };
    vec![leg(Account::RefundsPayable, Side::Debit, amount), leg(clearing, Side::Credit, amount)]
}

/// The platform paid a label, and its seller owes that.
#[must_use]
pub fn label_bought(provider: &str, seller: &SellerId, cost: Money) -> Vec<Leg> {
    let clearing = Account::ProviderClearing { gateway: provider.to_owned() };
    let owed = Account::CarrierCosts { seller: seller.clone() };
    vec![leg(owed, Side::Debit, cost), leg(clearing, Side::Credit, cost)]
}

/// The provider took a label back, and its seller owes nothing for it any more.
#[must_use]
pub fn label_voided(provider: &str, seller: &SellerId, cost: Money) -> Vec<Leg> {
    let reversed = label_bought(provider, seller, cost).into_iter();
    reversed.map(|leg| Leg { side: leg.side.other(), ..leg }).collect()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may stop")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{money::BasisPoints, order::Totals};

    const ULID: &str = "01J8ZQ5K3N0V7X2Y4T6B8D9FGH";

    fn usd(minor: u64) -> Money {
        Money::try_new(minor, Currency::Usd).unwrap()
    }

    fn part(goods: u64, shipping: u64, tax: u64, commission: u16) -> Part {
        let totals = Totals::try_new(usd(goods), usd(0), usd(shipping), usd(tax), false).unwrap();
        let order = OrderId::parse(&format!("ord_{ULID}")).unwrap();
        let seller = SellerId::parse(&format!("sel_{ULID}")).unwrap();
        let commission = BasisPoints::new(commission).unwrap();
        Part::new(order, (seller, String::new()), Vec::new(), totals, commission)
    }

    fn whole(part: &Part) -> PartRefund {
        PartRefund { seller: part.seller.clone(), shares: of_part(part).unwrap() }
    }

    fn buyer() -> UserId {
        UserId::parse(&format!("usr_{ULID}")).unwrap()
    }

    fn post(legs: Vec<Leg>) -> Result<LedgerTx, Unbalanced> {
        let id = LedgerTxId::parse(&format!("ltx_{ULID}")).unwrap();
        let order = OrderId::parse(&format!("ord_{ULID}")).unwrap();
        LedgerTx::try_new(id, order, Purpose::Capture, Timestamp::from_millis(0), legs)
    }

    fn balances(legs: Vec<Leg>) -> std::collections::BTreeMap<Account, i128> {
        let mut balance = std::collections::BTreeMap::new();
        for leg in post(legs).unwrap().legs() {
            let signed = i128::from(leg.amount.minor()) * if leg.side == Side::Debit { 1 } else { -1 };
            *balance.entry(leg.account.clone()).or_insert(0) += signed;
        }
        balance.retain(|_, sum| *sum != 0);
        balance
    }

    proptest! {
        #[test]
        fn capture_and_refund_sum_to_the_charge_and_cancel_each_other(
            sums in prop::collection::vec((0..1_u64 << 40, 0..1_u64 << 30, 0..1_u64 << 40, 0_u16..=10_000), 1..15),
        ) {
            let parts: Vec<Part> = sums.iter().map(|(g, s, t, c)| part(*g, *s, *t, *c)).collect();
            let paid = Money::try_sum(Currency::Usd, parts.iter().map(|part| part.totals.total)).unwrap();
            let captured = capture("stripe", paid, &parts).unwrap();
            prop_assert!(post(captured.clone()).is_ok());
            let back: Vec<PartRefund> = parts.iter().map(whole).collect();
            let refunded = |to| [captured.clone(), refund(&back, paid, to, &buyer())].concat();
            let mut card = refunded(Destination::Card);
            let failed = [card.clone(), refund_failed(&back, paid)].concat();
            prop_assert_eq!(balances(failed), balances(captured.clone()));
            card.extend(refund_paid("stripe", paid));
            prop_assert_eq!(balances(card), std::collections::BTreeMap::new());
            let wallet = Account::Wallet { user: buyer() };
            let found = balances(refunded(Destination::Wallet)).get(&wallet).copied().unwrap_or(0);
            prop_assert_eq!(found, -i128::from(paid.minor()));
        }
    }

    #[test]
    fn a_label_is_owed_by_its_seller_until_it_is_voided() {
        let seller = SellerId::parse(&format!("sel_{ULID}")).unwrap();
        let bought = label_bought("shippo", &seller, usd(750));
        let owed = Account::CarrierCosts { seller: seller.clone() };
        assert_eq!(balances(bought.clone()).get(&owed), Some(&750));
        let both = [bought, label_voided("shippo", &seller, usd(750))].concat();
        assert_eq!(balances(both), std::collections::BTreeMap::new());
    }

    #[test]
    fn unbalanced_legs_are_refused() {
        let mut legs = capture("stripe", usd(100), &[part(70, 20, 10, 1_000)]).unwrap();
        assert!(post(legs.clone()).is_ok());
        legs.remove(0);
        assert_eq!(post(legs), Err(Unbalanced));
    }
}
