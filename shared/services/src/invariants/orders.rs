//! Orders, parts and lines agree with each other.

use sutler_domain::{
    order::{OrderState, PartState, Progress, Units},
    returns::{Return, ReturnState},
};

use super::{Books, EXPIRY_SLACK_SECONDS};
use crate::App;

impl Books {
    /// Every order agrees with its parts, every payment with its order, and nothing is stuck.
    pub(super) fn check_orders(&self, app: &App, problems: &mut Vec<String>) {
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
    pub(super) fn check_lines(&self, app: &App, problems: &mut Vec<String>) {
        for part in self.parts.values().flatten() {
            let name = format!("{} of {}", part.seller, part.order);
            let own = |sent_back: &&Return| sent_back.seller == part.seller;
            let returns: Vec<&Return> =
                self.returns.get(&part.order).into_iter().flatten().filter(own).collect();
            for line in &part.lines {
                let units = |lines: &[Units]| {
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
                let due = Progress {
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
