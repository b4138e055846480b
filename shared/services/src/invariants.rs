//! Checks that the books agree with each other. It reads the tables themselves, for an index could hide just
//! what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use sutler_domain::{
    ids::{OrderId, VariantId},
    ledger::{Account, LedgerTx, Purpose, Side},
    money::{Currency, Money, MoneyError},
    order::{Order, OrderState, Part, PartState},
    payment::Payment,
    refund::{Destination, Refund, RefundState},
    returns::{Return, ReturnState},
    shares::given_back,
    stock::Stock,
};
use sutler_store::{Item, StoreError, Table, codec::decode, db::key_part};

use crate::{App, Error};

/// How many pages of 1 MB of each table one check reads.
const PAGES_MAX: usize = 64;
/// How long a refund may be under way before it counts as stuck.
const REFUND_SECONDS_MAX: i64 = 3_600;
/// How long after its time an unpaid order may wait for the sweep.
const EXPIRY_SLACK_SECONDS: i64 = 600;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// How many orders were looked at.
    pub orders: usize,
    /// How many variants' stock was looked at.
    pub stocks: usize,
    /// How many ledger transactions were looked at.
    pub ledger_transactions: usize,
    /// Units paid for and not shipped, shipped, and so on are not findings; these are, in words.
    pub problems: Vec<String>,
    /// Whether the tables were read to their ends.
    pub complete: bool,
}

#[derive(Debug, Default)]
struct Books {
    orders: BTreeMap<OrderId, Order>,
    parts: BTreeMap<OrderId, Vec<Part>>,
    payments: BTreeMap<OrderId, Vec<Payment>>,
    refunds: BTreeMap<OrderId, Vec<Refund>>,
    returns: BTreeMap<OrderId, Vec<Return>>,
    stocks: BTreeMap<VariantId, Stock>,
    ledger: Vec<LedgerTx>,
}

/// Reads stock, orders, payments and ledger and checks them against each other.
///
/// Other calls go on meanwhile, so a finding on a busy system is to be confirmed by a second check.
///
/// # Errors
/// [`Error`] when the database does not answer or an item does not read.
pub async fn check(app: &App) -> Result<Findings, Error> {
    let mut books = Books::default();
    let mut complete = read(app, Table::Commerce, |item| books.take(item)).await?;
    complete &= read(app, Table::Ledger, |item| books.take(item)).await?;
    let mut problems = Vec::new();
    books.check_stock(&mut problems);
    books.check_orders(app, &mut problems);
    books.check_lines(app, &mut problems);
    books.check_refunds(app, &mut problems);
    books.check_ledger(&mut problems);
    Ok(Findings {
        orders: books.orders.len(),
        stocks: books.stocks.len(),
        ledger_transactions: books.ledger.len(),
        problems,
        complete,
    })
}

async fn read(
    app: &App,
    table: Table,
    mut take: impl FnMut(&Item) -> Result<(), StoreError>,
) -> Result<bool, Error> {
    let mut cursor = None;
    for _ in 0..PAGES_MAX {
        let (items, next) = app.store.scan(table, cursor).await?;
        items.iter().try_for_each(&mut take)?;
        match next {
            None => return Ok(true),
            some => cursor = some,
        }
    }
    Ok(false)
}

impl Books {
    fn take(&mut self, item: &Item) -> Result<(), StoreError> {
        match key_part(item, "type").as_str() {
            "order" => {
                let order = decode::<Order>(item)?.value;
                self.orders.insert(order.id.clone(), order);
            }
            "part" => {
                let part = decode::<Part>(item)?.value;
                self.parts.entry(part.order.clone()).or_default().push(part);
            }
            "payment" => {
                let payment = decode::<Payment>(item)?.value;
                self.payments.entry(payment.order.clone()).or_default().push(payment);
            }
            "refund" => {
                let refund = decode::<Refund>(item)?.value;
                self.refunds.entry(refund.order.clone()).or_default().push(refund);
            }
            "return" => {
                let sent_back = decode::<Return>(item)?.value;
                self.returns.entry(sent_back.order.clone()).or_default().push(sent_back);
            }
            "stock" => {
                let stock = decode::<Stock>(item)?.value;
                self.stocks.insert(stock.variant.clone(), stock);
            }
            "ledger_tx" => self.ledger.push(decode::<LedgerTx>(item)?.value),
            _ => {}
        }
        Ok(())
    }

    /// What is reserved is what orders wait to pay for; what is committed is what sellers are to ship.
    fn check_stock(&self, problems: &mut Vec<String>) {
        let mut reserved: BTreeMap<&VariantId, u64> = BTreeMap::new();
        let mut committed: BTreeMap<&VariantId, u64> = BTreeMap::new();
        for part in self.parts.values().flatten() {
            let unpaid = matches!(part.state, PartState::AwaitingPayment);
            let held = if unpaid { &mut reserved } else { &mut committed };
            for line in part.lines.iter().filter(|line| line.progress.open(line.quantity) > 0) {
                let sum = held.entry(&line.variant).or_default();
                *sum = sum.saturating_add(u64::from(line.progress.open(line.quantity)));
            }
        }
        let sold: BTreeSet<&VariantId> = reserved.keys().chain(committed.keys()).copied().collect();
        for variant in sold.into_iter().filter(|variant| !self.stocks.contains_key(*variant)) {
            problems.push(format!("{variant} was ordered and has no stock item"));
        }
        for (variant, stock) in &self.stocks {
            let expected = |held: &BTreeMap<&VariantId, u64>| held.get(variant).copied().unwrap_or(0);
            for (what, found, due) in [
                ("reserved", stock.reserved, expected(&reserved)),
                ("committed", stock.committed, expected(&committed)),
            ] {
                if u64::from(found) != due {
                    problems.push(format!("{variant} has {found} {what}, but its orders hold {due}"));
                }
            }
        }
    }

    /// Every order agrees with its parts, every payment with its order, and nothing is stuck.
    fn check_orders(&self, app: &App, problems: &mut Vec<String>) {
        let now = app.now();
        for (id, order) in &self.orders {
            let parts = self.parts.get(id).map_or(&[][..], Vec::as_slice);
            if parts.len() != order.sellers.len() || parts.iter().any(|part| !fits(&order.state, &part.state))
            {
                problems.push(format!("{id} is {}, and its parts are not", order.state.name()));
            }
            if let OrderState::AwaitingPayment { expires_at } = &order.state
                && expires_at.plus_seconds(EXPIRY_SLACK_SECONDS) < now
            {
                problems.push(format!("{id} should have been released at {}", expires_at.rfc3339()));
            }
            let payments = self.payments.get(id).map_or(&[][..], Vec::as_slice);
            let kept = payments.iter().filter(|payment| payment.state.pays());
            let kept: Vec<u32> = kept.map(|payment| payment.attempt).collect();
            if kept != order.paid_by().into_iter().collect::<Vec<u32>>() {
                problems
                    .push(format!("{id} is {}, and is paid by the attempts {kept:?}", order.state.name()));
            }
        }
    }

    /// Of every line, what was ordered is open, cancelled or shipped; shipments and returns account for each unit; and
    /// the state of every part is what its counts say.
    fn check_lines(&self, app: &App, problems: &mut Vec<String>) {
        for part in self.parts.values().flatten() {
            let name = format!("{} of {}", part.seller, part.order);
            let own = |sent_back: &&Return| sent_back.seller == part.seller;
            let returns: Vec<&Return> =
                self.returns.get(&part.order).into_iter().flatten().filter(own).collect();
            for line in &part.lines {
                let units = |lines: &[sutler_domain::order::Units]| {
                    let own = lines.iter().filter(|units| units.variant == line.variant);
                    own.fold(0_u32, |sum, units| sum.saturating_add(units.quantity))
                };
                let shipped = |arrived: bool| {
                    let some = part.shipments.iter().filter(|one| !arrived || one.delivered_at().is_some());
                    some.fold(0_u32, |sum, one| sum.saturating_add(units(&one.lines)))
                };
                let returned = |is: fn(&ReturnState) -> bool| {
                    let some = returns.iter().filter(|one| is(&one.state));
                    some.fold(0_u32, |sum, one| sum.saturating_add(units(&one.lines)))
                };
                let due = sutler_domain::order::Progress {
                    cancelled: line.progress.cancelled,
                    shipped: shipped(false),
                    delivered: shipped(true),
                    returning: returned(|state| {
                        matches!(state, ReturnState::Requested | ReturnState::Approved { .. })
                    }),
                    returned: returned(|state| matches!(state, ReturnState::Received { .. })),
                };
                if line.progress != due || !line.progress.fits(line.quantity) {
                    let (variant, found) = (&line.variant, line.progress);
                    problems.push(format!("{name}: {variant} counts {found:?}, but it is {due:?}"));
                }
            }
            let unpaid = matches!(part.state, PartState::AwaitingPayment);
            if !unpaid && part.settled(app.now()).name() != part.state.name() {
                problems.push(format!("{name} is {}, and its lines are not", part.state.name()));
            }
        }
    }

    /// Of every payment, what came is there, on its way back or back; and each order, its parts and its refunds agree on
    /// how much that is.
    fn check_refunds(&self, app: &App, problems: &mut Vec<String>) {
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
    fn check_ledger(&self, problems: &mut Vec<String>) {
        let mut balance: BTreeMap<Currency, i128> = BTreeMap::new();
        let mut posted: BTreeMap<&OrderId, BTreeMap<&'static str, u32>> = BTreeMap::new();
        for tx in &self.ledger {
            for leg in tx.legs() {
                let amount = i128::from(leg.amount.minor());
                let signed = match leg.side {
                    Side::Debit => amount,
                    Side::Credit => amount.saturating_neg(),
                };
                let sum = balance.entry(leg.amount.currency()).or_default();
                *sum = sum.saturating_add(signed);
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
                (RefundState::Succeeded { .. }, Destination::Card) => add(Purpose::RefundPaid),
                (RefundState::Failed { .. }, Destination::Card) if of_order => add(Purpose::RefundFailed),
                (RefundState::Pending { .. } | RefundState::Failed { .. }, _)
                | (RefundState::Succeeded { .. }, Destination::Wallet) => {}
            }
        }
        due
    }

    /// What the ledger owes the buyers of an order, and has put into wallets, is what refunds and payments say.
    fn check_owed(&self, problems: &mut Vec<String>) {
        let mut found: BTreeMap<&OrderId, (i128, i128)> = BTreeMap::new();
        for tx in &self.ledger {
            for leg in tx.legs() {
                let amount = i128::from(leg.amount.minor());
                let owed = match leg.side {
                    Side::Credit => amount,
                    Side::Debit => amount.saturating_neg(),
                };
                let (payable, wallet) = found.entry(tx.order()).or_default();
                match &leg.account {
                    Account::RefundsPayable => *payable = payable.saturating_add(owed),
                    Account::Wallet { .. } => *wallet = wallet.saturating_add(owed),
                    Account::ProviderClearing { .. }
                    | Account::SellerPending { .. }
                    | Account::PlatformFees
                    | Account::Tax => {}
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
    }
}

fn fits(order: &OrderState, part: &PartState) -> bool {
    match order {
        OrderState::AwaitingPayment { .. } => matches!(part, PartState::AwaitingPayment),
        // Of a paid order some parts may have ended before the others, and money alone decides when it is refunded.
        OrderState::Paid { .. } | OrderState::Refunded { .. } => !matches!(part, PartState::AwaitingPayment),
        OrderState::Completed { .. } => part.has_ended(),
        OrderState::Cancelled { .. } => matches!(part, PartState::Cancelled { .. }),
    }
}
