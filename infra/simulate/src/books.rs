//! The simulation's own books, kept from what the streams show, and the rules that every single change must obey.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::Value;
use sutler_domain::{
    event::{Event, EventKind},
    ids::{OrderId, SellerId, VariantId},
    order::{CancelReason, Order, OrderState, Part, PartState},
    payment::{Payment, PaymentState},
    stock::{QUANTITY_MAX, Stock, StockOp},
    time::Timestamp,
};
use sutler_store::{
    codec::decode,
    db::key_part,
    flash_sales::{Allowance, FlashRecord},
    stock::LastMove,
};
use sutler_testkit::{Change, Item};

use crate::{coupons::Ledger, sellers::RECOUNT};

/// What the streams told so far.
#[derive(Debug, Default)]
pub struct Books {
    /// Orders as they are.
    pub orders: BTreeMap<OrderId, Order>,
    /// Their parts.
    pub parts: BTreeMap<(OrderId, SellerId), Part>,
    /// Their payments.
    pub payments: BTreeMap<(OrderId, u32), Payment>,
    /// Their events, in order.
    pub events: BTreeMap<String, Vec<Event>>,
    /// Stock as it is.
    pub stocks: BTreeMap<(VariantId, u8), Stock>,
    /// Corrections by reason.
    pub corrections: BTreeMap<String, Corrected>,
    /// The largest limit per buyer in each counting of a variant.
    limits: BTreeMap<(VariantId, u32), u32>,
    /// Coupons as they are.
    pub coupons: Ledger,
    /// The answers of orders that were placed under a key.
    pub answers: BTreeMap<String, String>,
    /// The codes of declined payments that were noted.
    declined: BTreeSet<(String, String)>,
    /// What moved for which order, so that nothing does twice.
    moved: BTreeMap<(VariantId, u8, String), Vec<StockOp>>,
}

/// A correction as the stream told of it, shard by shard.
#[derive(Debug)]
pub struct Corrected {
    /// Of what.
    pub variant: VariantId,
    /// By how many units.
    pub units: i64,
    /// How many there were before.
    pub before: i64,
    /// In which shards.
    shards: BTreeSet<u8>,
}

impl Books {
    /// Enters a change; answers what is wrong with it.
    pub fn enter(&mut self, change: &Change, now: Timestamp) -> Vec<String> {
        let mut wrong = Vec::new();
        let name = format!("{}/{}", change.pk, change.sk);
        let Some(new) = &change.new else {
            wrong.push(format!("{name} was deleted"));
            return wrong;
        };
        let kind = key_part(new, "type");
        if let Some(old) = &change.old {
            check_rewrite(&name, &kind, old, new, now, &mut wrong);
        }
        if let Err(error) = self.enter_typed(&kind, change, new, &mut wrong) {
            wrong.push(format!("{name} does not read: {error}"));
        }
        wrong
    }

    fn enter_typed(
        &mut self,
        kind: &str,
        change: &Change,
        new: &Item,
        wrong: &mut Vec<String>,
    ) -> Result<(), crate::world::Failure> {
        match kind {
            "order" => {
                let order: Order = read(new)?;
                let before = self.orders.insert(order.id.clone(), order.clone());
                check_order(before.as_ref(), &order, wrong);
            }
            "part" => {
                let part: Part = read(new)?;
                let place = (part.order.clone(), part.seller.clone());
                let before = self.parts.insert(place, part.clone());
                check_part(before.as_ref(), &part, wrong);
            }
            "payment" => {
                let payment: Payment = read(new)?;
                let place = (payment.order.clone(), payment.attempt);
                let before = self.payments.insert(place, payment.clone());
                check_payment(before.as_ref(), &payment, wrong);
            }
            "event" => self.enter_event(read(new)?, wrong),
            "flash_sale" => {
                let FlashRecord { variant, sale, .. } = read(new)?;
                let max = self.limits.entry((variant, sale.round)).or_default();
                *max = sale.per_buyer_limit.unwrap_or(0).max(*max);
            }
            "allowance" => {
                let Allowance { variant, buyer, round, bought } = read(new)?;
                if bought > self.limits.get(&(variant.clone(), round)).copied().unwrap_or(0) {
                    wrong.push(format!("{buyer} has {bought} of {variant}, more than a buyer may"));
                }
            }
            "stock" => self.enter_stock(read(new)?, &read::<LastMove>(new)?, wrong),
            "coupon" => self.coupons.enter(read(new)?, wrong),
            "coupon_use" => self.coupons.enter_use(read(new)?, wrong),
            "idempotency" if change.pk.contains("#place_order#") => {
                let answer = serde_json::to_value(read::<Value>(new)?)?;
                let id = answer.pointer("/answer/body").and_then(Value::as_str).unwrap_or_default();
                self.answers.insert(change.pk.clone(), id.to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    fn enter_event(&mut self, event: Event, wrong: &mut Vec<String>) {
        if let EventKind::PaymentFailed { code, .. } = &event.event
            && !self.declined.insert((event.aggregate.clone(), code.clone()))
        {
            wrong.push(format!("{}: the refusal {code} was noted twice", event.aggregate));
        }
        self.events.entry(event.aggregate.clone()).or_default().push(event);
    }

    fn enter_stock(&mut self, stock: Stock, last: &LastMove, wrong: &mut Vec<String>) {
        let (op, n) = (last.last_op, last.last_qty);
        let place = (stock.variant.clone(), stock.shard);
        let before = self.stocks.get(&place).map(Stock::quantities).unwrap_or_default();
        let id = stock.variant.clone();
        if before.after(op, n) != Some(stock.quantities()) {
            wrong.push(format!(
                "{id}: {} of {n} leads from {before:?} to {:?}",
                op.name(),
                stock.quantities()
            ));
        }
        if matches!(op, StockOp::Add | StockOp::ShiftIn) && stock.available > QUANTITY_MAX {
            wrong.push(format!("{id} has {} available, more than there may be", stock.available));
        }
        match op {
            StockOp::Create | StockOp::ShiftOut | StockOp::ShiftIn => {}
            StockOp::Add | StockOp::Remove => {
                let units = if op == StockOp::Add { i64::from(n) } else { i64::from(n).saturating_neg() };
                let before = self.on_hand(&id);
                let corrected = self.corrections.entry(last.last_ref.clone()).or_insert_with(|| Corrected {
                    variant: id.clone(),
                    units: 0,
                    before,
                    shards: BTreeSet::new(),
                });
                corrected.units = corrected.units.saturating_add(units);
                if corrected.variant != id || !corrected.shards.insert(stock.shard) {
                    wrong.push(format!("the correction “{}” was made twice", last.last_ref));
                }
            }
            StockOp::Reserve
            | StockOp::Release
            | StockOp::Commit
            | StockOp::Take
            | StockOp::Ship
            | StockOp::Restock => {
                let moves = self.moved.entry((id.clone(), stock.shard, last.last_ref.clone())).or_default();
                if !may_follow(moves.last().copied(), op) {
                    wrong.push(format!("{id} for {}: {} after {moves:?}", last.last_ref, op.name()));
                }
                moves.push(op);
            }
        }
        self.stocks.insert(place, stock);
    }

    /// How many units of a variant there are, in all shards.
    pub fn on_hand(&self, variant: &VariantId) -> i64 {
        let own = self.stocks.values().filter(|stock| stock.variant == *variant);
        own.fold(0, |sum: i64, stock| sum.saturating_add(i64::try_from(stock.on_hand()).unwrap_or(0)))
    }

    /// Counts that were not what was counted.
    pub fn miscounted(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (reason, corrected) in &self.corrections {
            let count = reason.strip_prefix(RECOUNT).and_then(|rest| rest.split(' ').next());
            let after = corrected.before.saturating_add(corrected.units);
            if let Some(count) =
                count.and_then(|count| count.parse::<i64>().ok()).filter(|count| *count != after)
            {
                wrong.push(format!("{} has {after} where {count} were counted", corrected.variant));
            }
        }
        wrong
    }
}

fn read<T: DeserializeOwned>(item: &Item) -> Result<T, sutler_store::StoreError> {
    decode(item).map(|read| read.value)
}

/// What may happen to the units of one line of one order, one after the other.
fn may_follow(before: Option<StockOp>, op: StockOp) -> bool {
    use StockOp::{Commit, Release, Reserve, Restock, Ship, Take};
    matches!(
        (before, op),
        // An order that takes its units again may find them in another shard.
        (None, Reserve | Take)
            | (Some(Reserve), Release | Commit)
            | (Some(Release), Take)
            | (Some(Commit | Take), Ship | Restock)
    )
}

/// History is never rewritten, and every change builds on the one before.
fn check_rewrite(name: &str, kind: &str, old: &Item, new: &Item, now: Timestamp, wrong: &mut Vec<String>) {
    let number = |item: &Item, name: &str| {
        item.get(name).and_then(|value| value.as_n().ok()).and_then(|n| n.parse::<i64>().ok()).unwrap_or(0)
    };
    match kind {
        "event" | "movement" | "ledger_tx" | "inbox" => wrong.push(format!("{name} was written over")),
        "idempotency" => {
            if number(old, "ttl") > now.seconds() {
                wrong.push(format!("the answer {name} was written over"));
            }
        }
        _ => {
            let (before, after) = (number(old, "version"), number(new, "version"));
            if after != before.saturating_add(1) {
                wrong.push(format!("{name} went from version {before} to {after}: a change was lost"));
            }
        }
    }
}

fn check_order(before: Option<&Order>, order: &Order, wrong: &mut Vec<String>) {
    let id = &order.id;
    let Some(before) = before else {
        if !matches!(order.state, OrderState::AwaitingPayment { .. }) || order.attempts != 0 {
            wrong.push(format!("{id} was not new when it was placed"));
        }
        return;
    };
    if (before.placed_by(), &before.totals, &before.sellers)
        != (order.placed_by(), &order.totals, &order.sellers)
    {
        wrong.push(format!("{id} changed what was agreed"));
    }
    if before.guest.is_some() && before.buyer != order.buyer {
        wrong.push(format!("{id} changed hands twice"));
    }
    let allowed = match (&before.state, &order.state) {
        (old, new) if old == new => true,
        (OrderState::AwaitingPayment { expires_at }, OrderState::Cancelled { reason, at }) => {
            *reason == CancelReason::Buyer || at >= expires_at
        }
        (OrderState::AwaitingPayment { .. } | OrderState::Cancelled { .. }, OrderState::Paid { .. })
        | (OrderState::Paid { .. }, OrderState::Completed { .. } | OrderState::Refunded { .. }) => true,
        _ => false,
    };
    if !allowed {
        wrong.push(format!("{id} went from {:?} to {:?}", before.state, order.state));
    }
    if order.attempts != before.attempts {
        check_claim(before, order, wrong);
    }
}

/// An attempt is claimed while the order waits, in time, and while no other is open.
fn check_claim(before: &Order, order: &Order, wrong: &mut Vec<String>) {
    let id = &order.id;
    let Some(open) = &order.open_attempt else {
        wrong.push(format!("{id} counts an attempt that is not open"));
        return;
    };
    if before.open_attempt.is_some() {
        wrong.push(format!("{id} has a second attempt beside an open one"));
    }
    match &order.state {
        OrderState::AwaitingPayment { expires_at } if *expires_at > open.since => {}
        OrderState::AwaitingPayment { .. } => {
            wrong.push(format!("{id} got an attempt after its time to pay"));
        }
        OrderState::Paid { .. }
        | OrderState::Completed { .. }
        | OrderState::Cancelled { .. }
        | OrderState::Refunded { .. } => {
            wrong.push(format!("{id} got an attempt though it is {}", order.state.name()));
        }
    }
}

fn check_part(before: Option<&Part>, part: &Part, wrong: &mut Vec<String>) {
    use PartState::{AwaitingPayment, AwaitingShipment, Cancelled, Delivered, InTransit};
    let allowed = match (before.map(|before| &before.state), &part.state) {
        (None | Some(Cancelled { .. }), AwaitingPayment) => before.is_none(),
        (Some(AwaitingPayment), AwaitingShipment | Cancelled { .. })
        | (Some(AwaitingShipment), InTransit { .. } | Cancelled { .. })
        | (Some(Cancelled { .. }), AwaitingShipment)
        | (Some(InTransit { .. }), Delivered { .. }) => true,
        _ => false,
    };
    if !allowed {
        let before = before.map(|before| before.state.name());
        wrong.push(format!(
            "{} of {} went from {before:?} to {}",
            part.seller,
            part.order,
            part.state.name()
        ));
    }
}

fn check_payment(before: Option<&Payment>, payment: &Payment, wrong: &mut Vec<String>) {
    use PaymentState::{Cancelled, RefundPending, Refunded, RequiresAction, Succeeded};
    let allowed = match (before.map(|before| &before.state), &payment.state) {
        (None, Refunded { .. }) => false,
        // A refusal that is told late is noted on an attempt that has ended since.
        (Some(Cancelled { at: before }), Cancelled { at: after }) => before == after,
        (None, _)
        | (
            Some(RequiresAction),
            RequiresAction | Succeeded { .. } | Cancelled { .. } | RefundPending { .. },
        )
        | (Some(Succeeded { .. }), RefundPending { .. })
        | (Some(RefundPending { .. }), Refunded { .. }) => true,
        _ => false,
    };
    if !allowed {
        let before = before.map(|before| before.state.name());
        let (order, attempt, after) = (&payment.order, payment.attempt, payment.state.name());
        wrong.push(format!("payment {attempt} of {order} went from {before:?} to {after}"));
    }
}
