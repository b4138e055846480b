//! Stock, what buyers may have of it, and coupons agree with the orders.

use std::collections::{BTreeMap, BTreeSet};

use sutler_domain::{
    alert::AlertState,
    coupon::{CouponCode, UsedCoupon},
    ids::{UserId, VariantId},
    order::{Order, OrderState, PartState},
};

use super::{Books, EXPIRY_SLACK_SECONDS};
use crate::App;

impl Books {
    /// What is reserved is what orders wait to pay for, and what is held for who is next in line; what is committed is
    /// what sellers are to ship.
    pub(super) fn check_stock(&self, problems: &mut Vec<String>) {
        let mut reserved: BTreeMap<(VariantId, u8), u64> = BTreeMap::new();
        let mut committed: BTreeMap<(VariantId, u8), u64> = BTreeMap::new();
        for part in self.parts.values().flatten() {
            let unpaid = matches!(part.state, PartState::AwaitingPayment);
            let held = if unpaid { &mut reserved } else { &mut committed };
            for line in &part.lines {
                let open = line.progress.open(line.quantity);
                let gone = line.quantity.saturating_sub(open);
                for piece in line.origin.units_after(line.quantity, gone, open) {
                    let sum = held.entry((line.variant.clone(), piece.shard)).or_default();
                    *sum = sum.saturating_add(u64::from(piece.quantity));
                }
            }
        }
        for alert in &self.alerts {
            if let AlertState::Held { shard, .. } = alert.state {
                let sum = reserved.entry((alert.variant.clone(), shard)).or_default();
                *sum = sum.saturating_add(1);
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

    /// Who waits has a place in line, and nobody else has; nothing is held for long after its time.
    pub(super) fn check_line(&self, app: &App, problems: &mut Vec<String>) {
        let waiting = self.alerts.iter().filter(|alert| alert.state == AlertState::Waiting);
        let waiting: BTreeSet<_> = waiting.map(|alert| (&alert.variant, &alert.id)).collect();
        let places: BTreeSet<_> = self.places.iter().map(|place| (&place.variant, &place.alert)).collect();
        for (variant, alert) in waiting.symmetric_difference(&places) {
            problems.push(format!("{alert} is not both in line for {variant} and waiting"));
        }
        for alert in &self.alerts {
            if let Some(end) = alert.expires_at()
                && end.plus_seconds(EXPIRY_SLACK_SECONDS) < app.now()
            {
                problems.push(format!("{} was held until {} and still is", alert.id, end.rfc3339()));
            }
        }
    }

    /// What is counted of a buyer is what their orders have.
    pub(super) fn check_allowances(&self, problems: &mut Vec<String>) {
        let mut bought: BTreeMap<(VariantId, UserId, u32), u32> = BTreeMap::new();
        let mut limits: BTreeMap<(VariantId, UserId, u32), u32> = BTreeMap::new();
        for part in self.parts.values().flatten() {
            let Some(order) = self.orders.get(&part.order) else { continue };
            for line in &part.lines {
                if let Some(limit) = line.origin.limit {
                    let place = (line.variant.clone(), order.placed_by().clone(), limit.round);
                    let max = limits.entry(place.clone()).or_default();
                    *max = limit.max.max(*max);
                    let sum = bought.entry(place).or_default();
                    *sum = sum.saturating_add(line.quantity.saturating_sub(line.progress.cancelled));
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

    /// A coupon is used by the orders that are alive with it, within its limits.
    pub(super) fn check_coupons(&self, problems: &mut Vec<String>) {
        let mut used: BTreeMap<&CouponCode, (u32, u64)> = BTreeMap::new();
        let mut by_user: BTreeMap<(&CouponCode, &UserId), u32> = BTreeMap::new();
        for order in self.orders.values().filter(|order| self.is_alive(order)) {
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

    /// Whether an order keeps what it took of its coupon: until it ends unpaid, or all of it was cancelled.
    fn is_alive(&self, order: &Order) -> bool {
        match &order.state {
            OrderState::AwaitingPayment { .. } => true,
            OrderState::Cancelled { .. } => false,
            OrderState::Paid { .. } | OrderState::Completed { .. } | OrderState::Refunded { .. } => {
                let mut parts = self.parts.get(&order.id).into_iter().flatten();
                parts.any(|part| !matches!(part.state, PartState::Cancelled { .. }))
            }
        }
    }
}
