//! Checks that the books agree with each other. It reads the tables themselves, for an index could hide just
//! what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use sutler_domain::{
    coupon::{Coupon, CouponCode, UsedCoupon},
    ids::{OrderId, UserId, VariantId},
    ledger::{LedgerTx, Purpose, Side},
    money::{Currency, Money},
    order::{Order, OrderState, Part, PartState, Totals},
    payment::{Payment, PaymentState},
    shards::FlashSale,
    stock::Stock,
};
use sutler_store::{
    Item, StoreError, Table,
    codec::decode,
    coupons::CouponUse,
    db::key_part,
    flash_sales::{Allowance, FlashRecord},
};

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
    stocks: BTreeMap<(VariantId, u8), Stock>,
    sales: BTreeMap<VariantId, FlashSale>,
    allowances: BTreeMap<(VariantId, UserId, u32), u32>,
    coupons: BTreeMap<CouponCode, Coupon>,
    coupon_uses: BTreeMap<(CouponCode, UserId), u32>,
    ledger: Vec<LedgerTx>,
}

/// Reads stock, orders, coupons, payments and ledger and checks them against each other.
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
    books.check_allowances(&mut problems);
    books.check_orders(app, &mut problems);
    books.check_sums(&mut problems);
    books.check_coupons(&mut problems);
    books.check_ledger(&mut problems);
    Ok(Findings {
        orders: books.orders.len(),
        stocks: books.stocks.keys().map(|(variant, _)| variant).collect::<BTreeSet<_>>().len(),
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
            "stock" => {
                let stock = decode::<Stock>(item)?.value;
                self.stocks.insert((stock.variant.clone(), stock.shard), stock);
            }
            "flash_sale" => {
                let record = decode::<FlashRecord>(item)?.value;
                self.sales.insert(record.variant, record.sale);
            }
            "allowance" => {
                let Allowance { variant, buyer, round, bought } = decode::<Allowance>(item)?.value;
                self.allowances.insert((variant, buyer, round), bought);
            }
            "coupon" => {
                let coupon = decode::<Coupon>(item)?.value;
                self.coupons.insert(coupon.code.clone(), coupon);
            }
            "coupon_use" => {
                let used = decode::<CouponUse>(item)?.value;
                self.coupon_uses.insert((used.code, used.user), used.uses);
            }
            "ledger_tx" => self.ledger.push(decode::<LedgerTx>(item)?.value),
            _ => {}
        }
        Ok(())
    }

    /// What is reserved is what orders wait to pay for; what is committed is what sellers are to ship.
    fn check_stock(&self, problems: &mut Vec<String>) {
        let mut reserved: BTreeMap<(VariantId, u8), u64> = BTreeMap::new();
        let mut committed: BTreeMap<(VariantId, u8), u64> = BTreeMap::new();
        for part in self.parts.values().flatten() {
            let held = match &part.state {
                PartState::AwaitingPayment => &mut reserved,
                PartState::AwaitingShipment => &mut committed,
                PartState::InTransit { .. } | PartState::Delivered { .. } | PartState::Cancelled { .. } => {
                    continue;
                }
            };
            for line in &part.lines {
                for piece in line.origin.units(line.quantity) {
                    let sum = held.entry((line.variant.clone(), piece.shard)).or_default();
                    *sum = sum.saturating_add(u64::from(piece.quantity));
                }
            }
        }
        let sold: BTreeSet<_> = reserved.keys().chain(committed.keys()).collect();
        for (variant, _) in sold.into_iter().filter(|place| !self.stocks.contains_key(*place)) {
            problems.push(format!("{variant} was ordered and has no stock item"));
        }
        for (place, stock) in &self.stocks {
            let expected = |held: &BTreeMap<_, u64>| held.get(place).copied().unwrap_or(0);
            let (variant, spread) = (&place.0, self.sales.get(&place.0).map_or(1, |sale| sale.spread));
            if stock.shard >= spread && stock.on_hand() > 0 {
                problems.push(format!("{variant} has units in shard {}, where nobody looks", stock.shard));
            }
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

    /// What is counted of a buyer is what their orders have.
    fn check_allowances(&self, problems: &mut Vec<String>) {
        let mut bought: BTreeMap<(VariantId, UserId, u32), u32> = BTreeMap::new();
        let mut limits: BTreeMap<(VariantId, UserId, u32), u32> = BTreeMap::new();
        for part in self.parts.values().flatten() {
            let Some(order) = self.orders.get(&part.order) else { continue };
            if matches!(part.state, PartState::Cancelled { .. }) {
                continue;
            }
            for line in &part.lines {
                if let Some(limit) = line.origin.limit {
                    let place = (line.variant.clone(), order.placed_by().clone(), limit.round);
                    let max = limits.entry(place.clone()).or_default();
                    *max = limit.max.max(*max);
                    let sum = bought.entry(place).or_default();
                    *sum = sum.saturating_add(line.quantity);
                }
            }
        }
        let places: BTreeSet<_> = bought.keys().chain(self.allowances.keys()).collect();
        for place in places {
            let count = |of: &BTreeMap<_, u32>| of.get(place).copied().unwrap_or(0);
            let (found, due) = (count(&self.allowances), count(&bought));
            if due > limits.get(place).copied().unwrap_or(0) {
                problems.push(format!("{} has {due} of {}, more than a buyer may", place.1, place.0));
            }
            if found != due {
                problems.push(format!("{} is counted with {found} of {}, and has {due}", place.1, place.0));
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
            let kept: Vec<u32> = payments
                .iter()
                .filter(|payment| matches!(payment.state, PaymentState::Succeeded { .. }))
                .map(|payment| payment.attempt)
                .collect();
            let due: Vec<u32> = match &order.state {
                OrderState::Paid { attempt, .. } | OrderState::Completed { attempt, .. } => vec![*attempt],
                OrderState::AwaitingPayment { .. }
                | OrderState::Cancelled { .. }
                | OrderState::Refunded { .. } => Vec::new(),
            };
            if kept != due {
                problems.push(format!(
                    "{id} is {}, and keeps the money of attempts {kept:?}",
                    order.state.name()
                ));
            }
            for payment in payments {
                if let PaymentState::RefundPending { since, .. } = &payment.state
                    && since.plus_seconds(REFUND_SECONDS_MAX) < now
                {
                    problems.push(format!("{id} waits for its refund since {}", since.rfc3339()));
                }
            }
        }
    }

    /// What an order sums up to is what its parts and their lines sum up to.
    fn check_sums(&self, problems: &mut Vec<String>) {
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

    /// A coupon is used by the orders that are alive with it, within its limits.
    fn check_coupons(&self, problems: &mut Vec<String>) {
        let mut used: BTreeMap<&CouponCode, (u32, u64)> = BTreeMap::new();
        let mut by_user: BTreeMap<(&CouponCode, &UserId), u32> = BTreeMap::new();
        for order in self.orders.values().filter(|order| is_alive(&order.state)) {
            let Some(UsedCoupon { code, discount, .. }) = &order.coupon else { continue };
            let (count, spent) = used.entry(code).or_default();
            *count = count.saturating_add(1);
            *spent = spent.saturating_add(discount.minor());
            let own = by_user.entry((code, order.placed_by())).or_default();
            *own = own.saturating_add(1);
        }
        for code in used.keys().filter(|code| !self.coupons.contains_key(**code)) {
            problems.push(format!("the coupon {code} was used and does not exist"));
        }
        for (code, coupon) in &self.coupons {
            let due = used.get(code).copied().unwrap_or_default();
            let found = (coupon.uses, coupon.spent.minor());
            if found != due {
                problems.push(format!("the coupon {code} counts {found:?}, but its orders are {due:?}"));
            }
        }
        for ((code, user), uses) in &self.coupon_uses {
            let due = by_user.remove(&(code, user)).unwrap_or(0);
            if *uses != due {
                problems.push(format!("{user} used the coupon {code} {due} times, and {uses} are counted"));
            }
        }
        for ((code, user), uses) in by_user {
            problems.push(format!("{user} used the coupon {code} {uses} times, and none is counted"));
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
    }

    fn postings_due(&self, id: &OrderId) -> BTreeMap<&'static str, u32> {
        use sutler_domain::payment::RefundReason;
        let mut due: BTreeMap<&'static str, u32> = BTreeMap::new();
        let mut add = |purpose: Purpose| {
            let count = due.entry(name(purpose)).or_default();
            *count = count.saturating_add(1);
        };
        for payment in self.payments.get(id).into_iter().flatten() {
            let reason = match &payment.state {
                PaymentState::RequiresAction | PaymentState::Cancelled { .. } => continue,
                PaymentState::Succeeded { .. } => {
                    add(Purpose::Capture);
                    continue;
                }
                PaymentState::RefundPending { reason, .. } => reason,
                PaymentState::Refunded { reason, .. } => {
                    add(Purpose::RefundPaid);
                    reason
                }
            };
            match reason {
                RefundReason::Cancelled => {
                    add(Purpose::Capture);
                    add(Purpose::OrderRefund);
                }
                RefundReason::Late | RefundReason::Second | RefundReason::Mismatch => add(Purpose::Unowed),
            }
        }
        due
    }
}

fn name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Capture => "capture",
        Purpose::Unowed => "unowed",
        Purpose::OrderRefund => "order_refund",
        Purpose::RefundPaid => "refund_paid",
    }
}

/// Whether an order keeps what it took of its coupon.
fn is_alive(order: &OrderState) -> bool {
    match order {
        OrderState::AwaitingPayment { .. } | OrderState::Paid { .. } | OrderState::Completed { .. } => true,
        OrderState::Cancelled { .. } | OrderState::Refunded { .. } => false,
    }
}

fn fits(order: &OrderState, part: &PartState) -> bool {
    match order {
        OrderState::AwaitingPayment { .. } => matches!(part, PartState::AwaitingPayment),
        OrderState::Paid { .. } => {
            matches!(
                part,
                PartState::AwaitingShipment | PartState::InTransit { .. } | PartState::Delivered { .. }
            )
        }
        OrderState::Completed { .. } => matches!(part, PartState::Delivered { .. }),
        OrderState::Cancelled { .. } | OrderState::Refunded { .. } => {
            matches!(part, PartState::Cancelled { .. })
        }
    }
}
