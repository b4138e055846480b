//! The simulation's own books, kept from what the streams show.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::Value;
use sutler_domain::{
    event::{Event, EventKind},
    ids::{ImportId, OrderId, ReturnId, SellerId, ShipmentId, VariantId},
    order::{Order, Part},
    payment::Payment,
    refund::Refund,
    returns::Return,
    shipment::CarrierNews,
    stock::{QUANTITY_MAX, Stock, StockOp},
    stock_import::{ImportState, StockImport},
    time::Timestamp,
};
use sutler_store::{
    alerts::Place,
    codec::decode,
    db::key_part,
    flash_sales::{Allowance, FlashRecord},
    stock::LastMove,
};
use sutler_testkit::{Change, Item};

use crate::{
    alerts::Lines,
    coupons::Ledger,
    imports, labels,
    sellers::RECOUNT,
    steps::{check_order, check_part, check_payment, check_refund, check_return, check_rewrite},
    tracking,
};

/// What the streams told so far.
#[derive(Debug, Default)]
pub struct Books {
    /// Orders as they are.
    pub orders: BTreeMap<OrderId, Order>,
    /// Their parts.
    pub parts: BTreeMap<(OrderId, SellerId), Part>,
    /// Their payments.
    pub payments: BTreeMap<(OrderId, u32), Payment>,
    /// What of their money goes back.
    pub refunds: BTreeMap<(OrderId, u32, u32), Refund>,
    /// What of their goods goes back.
    pub returns: BTreeMap<ReturnId, Return>,
    /// Their events, in order.
    pub events: BTreeMap<String, Vec<Event>>,
    /// Stock as it is.
    pub stocks: BTreeMap<(VariantId, u8), Stock>,
    /// Corrections by reason.
    pub corrections: BTreeMap<String, Corrected>,
    /// The largest limit per buyer in each counting of a variant.
    limits: BTreeMap<(VariantId, u32), u32>,
    /// Imports of counts as they are.
    pub imports: BTreeMap<ImportId, StockImport>,
    /// The files that imports began.
    pub files: BTreeMap<ImportId, String>,
    /// How far carriers told that shipments are.
    pub told: BTreeMap<ShipmentId, CarrierNews>,
    /// What of it was acted on: the messages that are remembered.
    heard: Vec<String>,
    /// Who waits for what.
    pub lines: Lines,
    /// Coupons as they are.
    pub coupons: Ledger,
    /// The answers of orders that were placed under a key.
    pub answers: BTreeMap<String, String>,
    /// The codes of declined payments that were noted.
    declined: BTreeSet<(String, String)>,
    /// Where the units of each line of each order are, shard by shard, so that none moves twice.
    moved: BTreeMap<(VariantId, u8, String), Held>,
    /// How many units of each line of each order are with their buyer or a carrier.
    shipped: BTreeMap<(VariantId, String), u32>,
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

/// Where the units of one line of one order are that a shard had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Held {
    reserved: u32,
    released: u32,
    committed: u32,
}

impl Held {
    /// After an operation on `n` of them; nothing when it cannot follow.
    fn after(self, op: StockOp, n: u32) -> Option<Self> {
        let Self { reserved, committed, .. } = self;
        match op {
            // One unit may have been held before.
            StockOp::Reserve if reserved <= 1 && self == (Self { reserved, ..Self::default() }) => {
                Some(Self { reserved: reserved.checked_add(n)?, ..self })
            }
            StockOp::Release if reserved == n => Some(Self { reserved: 0, released: n, ..self }),
            StockOp::Commit if reserved == n => Some(Self { reserved: 0, committed: n, ..self }),
            // An order that takes its units again may find them in another shard.
            StockOp::Take if reserved == 0 && committed == 0 => {
                Some(Self { released: 0, committed: n, ..self })
            }
            StockOp::Ship | StockOp::Restock => Some(Self { committed: committed.checked_sub(n)?, ..self }),
            StockOp::Reserve
            | StockOp::Release
            | StockOp::Commit
            | StockOp::Take
            | StockOp::Return
            | StockOp::Create
            | StockOp::Add
            | StockOp::Remove
            | StockOp::ShiftOut
            | StockOp::ShiftIn => None,
        }
    }
}

impl Books {
    /// Enters a change; answers what is wrong with it.
    pub fn enter(&mut self, change: &Change, now: Timestamp) -> Vec<String> {
        let mut wrong = Vec::new();
        let name = format!("{}/{}", change.pk, change.sk);
        let Some(new) = &change.new else {
            let place = change.old.as_ref().filter(|old| key_part(old, "type") == "place");
            if let Some(Ok(place)) = place.map(read::<Place>) {
                self.lines.leave(&place);
                return wrong;
            }
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
                if before.is_none() {
                    self.take_held(&part, wrong);
                }
                if let Some(before) = &before {
                    labels::check_change(before, &part, wrong);
                    tracking::check_change(before, &part, wrong);
                }
            }
            "payment" => {
                let payment: Payment = read(new)?;
                let place = (payment.order.clone(), payment.attempt);
                let before = self.payments.insert(place, payment.clone());
                check_payment(before.as_ref(), &payment, wrong);
            }
            "refund" => {
                let refund: Refund = read(new)?;
                let place = (refund.order.clone(), refund.attempt, refund.number);
                let before = self.refunds.insert(place, refund.clone());
                check_refund(before.as_ref(), &refund, wrong);
            }
            "return" => {
                let sent_back: Return = read(new)?;
                let before = self.returns.insert(sent_back.id.clone(), sent_back.clone());
                check_return(before.as_ref(), &sent_back, wrong);
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
            "stock_import" => {
                let import: StockImport = read(new)?;
                if let ImportState::Running { etag, .. } = &import.state {
                    self.files.insert(import.id.clone(), etag.clone());
                }
                let before = self.imports.insert(import.id.clone(), import.clone());
                imports::check_change(before.as_ref(), &import, wrong);
            }
            "inbox" if change.pk.starts_with("INBOX#tracking#") => self.heard.push(change.pk.clone()),
            "alerts" => self.lines.enter(&read(new)?, wrong),
            "place" => self.lines.enter_place(read(new)?),
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
        self.lines.enter_event(&event.event, wrong);
        self.events.entry(event.aggregate.clone()).or_default().push(event);
    }

    /// Units that were held for whoever orders them are held for that order from now on.
    fn take_held(&mut self, part: &Part, wrong: &mut Vec<String>) {
        for line in &part.lines {
            let Some(alert) = &line.origin.alert else { continue };
            let place = |(variant, _, reference): &(VariantId, u8, String)| {
                *variant == line.variant && reference == alert.as_str()
            };
            let held = self.moved.iter_mut().find(|(key, held)| place(key) && held.reserved == 1);
            let Some(((_, shard, _), held)) = held else {
                wrong.push(format!("{} orders what is not held for {alert}", part.order));
                continue;
            };
            *held = Held::default();
            let own = (line.variant.clone(), *shard, part.order.to_string());
            let own = self.moved.entry(own).or_default();
            own.reserved = own.reserved.saturating_add(1);
        }
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
        if matches!(op, StockOp::Add | StockOp::Return | StockOp::ShiftIn) && stock.available > QUANTITY_MAX {
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
                let place = (id.clone(), stock.shard, last.last_ref.clone());
                let held = self.moved.entry(place).or_default();
                match held.after(op, n) {
                    Some(next) => *held = next,
                    None => {
                        wrong.push(format!("{id} for {}: {} of {n} with {held:?}", last.last_ref, op.name()));
                    }
                }
                if op == StockOp::Ship {
                    let shipped = self.shipped.entry((id.clone(), last.last_ref.clone())).or_default();
                    *shipped = shipped.saturating_add(n);
                }
            }
            StockOp::Return => {
                let shipped = self.shipped.entry((id.clone(), last.last_ref.clone())).or_default();
                match shipped.checked_sub(n) {
                    Some(rest) => *shipped = rest,
                    None => wrong.push(format!("{n} of {id} came back, and {shipped} were sent")),
                }
            }
        }
        self.stocks.insert(place, stock);
    }

    /// How many messages moved a shipment.
    pub fn heard(&self, shipment: &ShipmentId) -> usize {
        let suffix = format!("/{shipment}");
        self.heard.iter().filter(|message| message.ends_with(&suffix)).count()
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
