//! Checks that the books agree with each other. It reads the tables themselves, for an index could hide just
//! what is wrong.

mod goods;
mod labels;
mod money;
mod orders;

use std::collections::{BTreeMap, BTreeSet};

use sutler_domain::{
    alert::{Alert, Alerts},
    coupon::{Coupon, CouponCode},
    ids::{OrderId, UserId, VariantId},
    ledger::LedgerTx,
    order::{Order, Part},
    payment::Payment,
    refund::Refund,
    returns::Return,
    shards::FlashSale,
    stock::Stock,
};
use sutler_store::{
    Item, StoreError, Table,
    alerts::Place,
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
/// How long after its time an unpaid order, or a unit that is held for somebody, may wait for the sweep.
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
    stocks: BTreeMap<(VariantId, u8), Stock>,
    sales: BTreeMap<VariantId, FlashSale>,
    allowances: BTreeMap<(VariantId, UserId, u32), u32>,
    alerts: Vec<Alert>,
    places: Vec<Place>,
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
    books.check_line(app, &mut problems);
    books.check_orders(app, &mut problems);
    books.check_lines(app, &mut problems);
    books.check_sums(&mut problems);
    books.check_parcels(app, &mut problems);
    books.check_refunds(app, &mut problems);
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
            "alerts" => self.alerts.extend(decode::<Alerts>(item)?.value.alerts),
            "place" => self.places.push(decode::<Place>(item)?.value),
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
}
