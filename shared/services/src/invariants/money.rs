//! Sums, refunds, payments and the ledger agree with each other.

use std::collections::{BTreeMap, BTreeSet};

use sutler_domain::{
    ids::OrderId,
    label::LabelState,
    ledger::{Account, Leg, Purpose, Side},
    money::{Currency, Money, MoneyError},
    order::Totals,
    payment::Payment,
    refund::{Destination, Refund, RefundState},
    shares::{given_back, left_of},
};

use super::{Books, REFUND_SECONDS_MAX};
use crate::App;

impl Books {
    /// What an order sums up to is what its parts and their lines sum up to.
    pub(super) fn check_sums(&self, problems: &mut Vec<String>) {
        for (id, order) in &self.orders {
            let parts = self.parts.get(id).map_or(&[][..], Vec::as_slice);
            let currency = order.totals.total.currency();
            let same = |whole: Money, parts: Vec<Money>| Money::try_sum(currency, parts) == Ok(whole);
            let of = |amount: fn(&Totals) -> Money| parts.iter().map(|part| amount(&part.totals)).collect();
            let mut agrees = same(order.totals.goods, of(|t| t.goods))
                && same(order.totals.discount, of(|t| t.discount))
                && same(order.totals.shipping, of(|t| t.shipping))
                && same(order.totals.tax, of(|t| t.tax))
                && same(order.totals.total, of(|t| t.total));
            for part in parts {
                agrees &= same(part.totals.goods, part.lines.iter().map(|line| line.total).collect());
                agrees &= same(part.totals.discount, part.lines.iter().map(|line| line.discount).collect());
            }
            if !agrees {
                problems.push(format!("{id} is not the sum of its parts"));
            }
        }
    }

    /// Of every payment, what came is there, on its way back or back; and each order, its parts and its refunds agree on
    /// how much that is.
    pub(super) fn check_refunds(&self, app: &App, problems: &mut Vec<String>) {
        for (id, payments) in &self.payments {
            let refunds = self.refunds.get(id).map_or(&[][..], Vec::as_slice);
            for payment in payments {
                let own: Vec<&Refund> =
                    refunds.iter().filter(|refund| refund.attempt == payment.attempt).collect();
                match sums_of(payment, &own) {
                    Ok(true) => {}
                    Ok(false) | Err(_) => {
                        problems.push(format!("payment {} of {id} and its refunds differ", payment.attempt));
                    }
                }
            }
            for refund in refunds {
                if let RefundState::Pending { since } = &refund.state
                    && since.plus_seconds(REFUND_SECONDS_MAX) < app.now()
                {
                    problems.push(format!("{id} waits for its refund since {}", since.rfc3339()));
                }
            }
        }
        for (id, order) in &self.orders {
            let parts = self.parts.get(id).map_or(&[][..], Vec::as_slice);
            let payments = self.payments.get(id).map_or(&[][..], Vec::as_slice);
            let paying = payments.iter().find(|payment| payment.state.pays());
            let balance = paying.and_then(|payment| payment.state.balance());
            let from_payment = balance.map_or(Ok(Money::zero(order.refunded.currency())), |balance| {
                balance.captured().try_sub(balance.refundable())
            });
            let found = (given_back(order, parts), from_payment);
            if found != (Ok(order.refunded), Ok(order.refunded)) {
                let told = order.refunded.display();
                problems.push(format!("{id} gave {told} back, but its parts and its payment {found:?}"));
            }
        }
    }

    /// The trial balance is zero, and each order's postings are those its payments call for.
    pub(super) fn check_ledger(&self, problems: &mut Vec<String>) {
        let mut balance: BTreeMap<Currency, i128> = BTreeMap::new();
        let mut posted: BTreeMap<&OrderId, BTreeMap<&'static str, u32>> = BTreeMap::new();
        for tx in &self.ledger {
            for leg in tx.legs() {
                let sum = balance.entry(leg.amount.currency()).or_default();
                *sum = sum.saturating_sub(owed(leg));
            }
            let count = posted.entry(tx.order()).or_default().entry(name(tx.purpose())).or_default();
            *count = count.saturating_add(1);
        }
        for (currency, sum) in balance.into_iter().filter(|(_, sum)| *sum != 0) {
            problems.push(format!("the trial balance in {} is {sum}", currency.code()));
        }
        let ids: BTreeSet<&OrderId> = posted.keys().copied().chain(self.payments.keys()).collect();
        for id in ids {
            let due = self.postings_due(id);
            let found = posted.get(id).cloned().unwrap_or_default();
            if due != found {
                problems.push(format!("{id} has the postings {found:?}, but its payments call for {due:?}"));
            }
        }
        self.check_owed(problems);
        self.check_shares(problems);
        self.check_labels(problems);
    }

    fn postings_due(&self, id: &OrderId) -> BTreeMap<&'static str, u32> {
        let mut due: BTreeMap<&'static str, u32> = BTreeMap::new();
        let mut add = |purpose: Purpose| {
            let count = due.entry(name(purpose)).or_default();
            *count = count.saturating_add(1);
        };
        for payment in self.payments.get(id).into_iter().flatten() {
            if payment.state.balance().is_some() {
                add(if payment.state.pays() { Purpose::Capture } else { Purpose::Unowed });
            }
        }
        for refund in self.refunds.get(id).into_iter().flatten() {
            let of_order = !refund.parts.is_empty();
            if of_order || refund.destination == Destination::Wallet {
                add(Purpose::Refund);
            }
            match (&refund.state, refund.destination) {
                (RefundState::Succeeded { .. }, Destination::Card) if !refund.amount.is_zero() => {
                    add(Purpose::RefundPaid);
                }
                (RefundState::Failed { .. }, Destination::Card) if of_order => add(Purpose::RefundFailed),
                (RefundState::Pending { .. } | RefundState::Failed { .. }, _)
                | (RefundState::Succeeded { .. }, Destination::Card | Destination::Wallet) => {}
            }
        }
        for label in self.parts.get(id).into_iter().flatten().flat_map(|part| &part.labels) {
            match &label.state {
                LabelState::Buying { .. } | LabelState::Failed { .. } => {}
                LabelState::Bought { .. } | LabelState::Voiding { .. } => add(Purpose::Label),
                LabelState::Voided { .. } => {
                    add(Purpose::Label);
                    add(Purpose::LabelVoided);
                }
            }
        }
        due
    }

    /// What the ledger owes the buyers of an order, and has put into wallets, is what refunds and payments say.
    fn check_owed(&self, problems: &mut Vec<String>) {
        let mut found: BTreeMap<&OrderId, (i128, i128)> = BTreeMap::new();
        for tx in &self.ledger {
            for leg in tx.legs() {
                let owed = owed(leg);
                let (payable, wallet) = found.entry(tx.order()).or_default();
                match &leg.account {
                    Account::RefundsPayable => *payable = payable.saturating_add(owed),
                    Account::Wallet { .. } => *wallet = wallet.saturating_add(owed),
                    Account::ProviderClearing { .. }
                    | Account::SellerPending { .. }
                    | Account::PlatformFees
                    | Account::Tax
                    | Account::CarrierCosts { .. }
                    | Account::Promotions => {}
                }
            }
        }
        for (id, payments) in &self.payments {
            let (mut payable, mut wallet) = (0_i128, 0_i128);
            for refund in self.refunds.get(id).into_iter().flatten() {
                let amount = i128::from(refund.amount.minor());
                match (&refund.state, refund.destination) {
                    (RefundState::Pending { .. }, _) => payable = payable.saturating_add(amount),
                    (_, Destination::Wallet) => wallet = wallet.saturating_add(amount),
                    (RefundState::Succeeded { .. } | RefundState::Failed { .. }, Destination::Card) => {}
                }
            }
            for payment in payments.iter().filter(|payment| payment.unowed().is_some()) {
                let left = payment.state.balance().map_or(0, |balance| balance.refundable().minor());
                payable = payable.saturating_add(i128::from(left));
            }
            let found = found.get(id).copied().unwrap_or_default();
            if found != (payable, wallet) {
                problems.push(format!(
                    "{id} owes and gave {found:?}, but its refunds say {:?}",
                    (payable, wallet)
                ));
            }
        }
    }

    /// Of an order that was paid, each seller, the platform and the tax office have what did not go back.
    fn check_shares(&self, problems: &mut Vec<String>) {
        let mut found: BTreeMap<&OrderId, BTreeMap<Account, i128>> = BTreeMap::new();
        for tx in &self.ledger {
            for leg in tx.legs().iter().filter(|leg| is_share(&leg.account)) {
                let sum = found.entry(tx.order()).or_default().entry(leg.account.clone()).or_default();
                *sum = sum.saturating_add(owed(leg));
            }
        }
        for (id, order) in &self.orders {
            let mut due: BTreeMap<Account, i128> = BTreeMap::new();
            let paid = self.parts.get(id).into_iter().flatten().filter(|_| order.paid_by().is_some());
            for part in paid {
                let Ok(left) = left_of(part) else {
                    problems.push(format!("{} of {id} gave back more than it had", part.seller));
                    continue;
                };
                let seller = Account::SellerPending { seller: part.seller.clone() };
                for (account, amount, sign) in [
                    (seller, left.seller, 1),
                    (Account::PlatformFees, left.fee, 1),
                    (Account::Tax, left.tax, 1),
                    (Account::Promotions, left.promoted, -1),
                ] {
                    let sum = due.entry(account).or_default();
                    *sum = sum.saturating_add(i128::from(amount.minor()).saturating_mul(sign));
                }
            }
            let mut found = found.remove(id).unwrap_or_default();
            found.retain(|_, sum| *sum != 0);
            due.retain(|_, sum| *sum != 0);
            if found != due {
                problems.push(format!("of {id} the ledger has {found:?}, but its parts {due:?}"));
            }
        }
    }
}

/// How much more we owe after a movement.
fn owed(leg: &Leg) -> i128 {
    let amount = i128::from(leg.amount.minor());
    match leg.side {
        Side::Credit => amount,
        Side::Debit => amount.saturating_neg(),
    }
}

fn is_share(account: &Account) -> bool {
    match account {
        Account::SellerPending { .. } | Account::PlatformFees | Account::Tax | Account::Promotions => true,
        Account::ProviderClearing { .. }
        | Account::RefundsPayable
        | Account::CarrierCosts { .. }
        | Account::Wallet { .. } => false,
    }
}

/// Whether a payment's balance is what its refunds make of it.
fn sums_of(payment: &Payment, refunds: &[&Refund]) -> Result<bool, MoneyError> {
    let Some(balance) = payment.state.balance() else { return Ok(refunds.is_empty()) };
    let sum = |is: fn(&RefundState) -> bool| {
        let some = refunds.iter().filter(|refund| is(&refund.state)).map(|refund| refund.amount);
        Money::try_sum(balance.captured().currency(), some)
    };
    let pending = sum(|state| matches!(state, RefundState::Pending { .. }))?;
    let refunded = sum(|state| matches!(state, RefundState::Succeeded { .. }))?;
    let whole = balance.refundable().try_add(pending)?.try_add(refunded)?;
    let counted = usize::try_from(payment.refunds).is_ok_and(|count| count == refunds.len());
    Ok(whole == balance.captured() && pending == balance.pending() && counted)
}

fn name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Capture => "capture",
        Purpose::Unowed => "unowed",
        Purpose::Refund => "refund",
        Purpose::RefundPaid => "refund_paid",
        Purpose::RefundFailed => "refund_failed",
        Purpose::Label => "label",
        Purpose::LabelVoided => "label_voided",
    }
}
