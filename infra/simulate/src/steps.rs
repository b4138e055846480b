//! What every single change must obey, whatever else happens.

use sutler_domain::{
    order::{CancelReason, Order, OrderState, Part, PartState},
    payment::{Payment, PaymentState},
    refund::{Refund, RefundState},
    returns::{Return, ReturnState},
    time::Timestamp,
};
use sutler_testkit::Item;

/// History is never rewritten, and every change builds on the one before.
pub fn check_rewrite(
    name: &str,
    kind: &str,
    old: &Item,
    new: &Item,
    now: Timestamp,
    wrong: &mut Vec<String>,
) {
    let number = |item: &Item, name: &str| {
        item.get(name).and_then(|value| value.as_n().ok()).and_then(|n| n.parse::<i64>().ok()).unwrap_or(0)
    };
    match kind {
        "event" | "movement" | "ledger_tx" | "inbox" | "tracking" | "stock_import_rows" => {
            wrong.push(format!("{name} was written over"));
        }
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

/// An order goes from state to state as it may, and gives back no more than it has.
pub fn check_order(before: Option<&Order>, order: &Order, wrong: &mut Vec<String>) {
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
    if before.buyer != order.buyer && !before.is_a_guests() {
        wrong.push(format!("{id} changed hands, and is no guest's"));
    }
    let allowed = match (&before.state, &order.state) {
        (old, new) if old == new => true,
        (OrderState::AwaitingPayment { expires_at }, OrderState::Cancelled { reason, at }) => {
            *reason == CancelReason::Buyer || at >= expires_at
        }
        // Money that went back comes back to where it was when the provider could not give it back.
        (OrderState::AwaitingPayment { .. } | OrderState::Cancelled { .. }, OrderState::Paid { .. })
        | (OrderState::Paid { .. }, OrderState::Completed { .. } | OrderState::Refunded { .. })
        | (OrderState::Completed { .. }, OrderState::Refunded { .. })
        | (OrderState::Refunded { .. }, OrderState::Paid { .. } | OrderState::Completed { .. })
        | (OrderState::Refunded { .. }, OrderState::Refunded { .. }) => true,
        _ => false,
    };
    let whole = order.refunded == order.totals.total && !order.refunded.is_zero();
    if order.refunded.minor() > order.totals.total.minor()
        || whole != matches!(order.state, OrderState::Refunded { .. })
    {
        wrong.push(format!("{id} is {} with {} refunded", order.state.name(), order.refunded.display()));
    }
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

/// The counts of a part only grow, and its state is what they say.
pub fn check_part(before: Option<&Part>, part: &Part, wrong: &mut Vec<String>) {
    let name = format!("{} of {}", part.seller, part.order);
    let Some(before) = before else {
        if !matches!(part.state, PartState::AwaitingPayment) || !part.shipments.is_empty() {
            wrong.push(format!("{name} was not new when it was placed"));
        }
        return;
    };
    let unpaid = |part: &Part| matches!(part.state, PartState::AwaitingPayment);
    // Only an order that was cancelled unpaid can be taken up again.
    let again = matches!(before.state, PartState::Cancelled { .. })
        && matches!(part.state, PartState::AwaitingShipment)
        && before.refunded == part.refunded;
    let (was, is) = (before.state.name(), part.state.name());
    if unpaid(part) || part.settled(part.order.made_at()).name() != is {
        wrong.push(format!("{name} went from {was} to {is}, which its lines are not"));
    }
    if part.shipments.len() < before.shipments.len() {
        wrong.push(format!("{name} lost a shipment"));
    }
    for (old, new) in before.lines.iter().zip(&part.lines) {
        let (a, b) = (old.progress, new.progress);
        let grows = [
            (a.cancelled, b.cancelled),
            (a.shipped, b.shipped),
            (a.delivered, b.delivered),
            (a.returned, b.returned),
        ];
        let shrinks = grows.iter().any(|(a, b)| a > b);
        if !b.fits(new.quantity) || (shrinks && !again) || old.quantity != new.quantity {
            wrong.push(format!("{name}: {} went from {a:?} to {b:?}", new.variant));
        }
    }
}

/// A payment goes from state to state as it may, and its money adds up.
pub fn check_payment(before: Option<&Payment>, payment: &Payment, wrong: &mut Vec<String>) {
    use PaymentState::{Cancelled, RequiresAction, Succeeded};
    let allowed = match (before.map(|before| &before.state), &payment.state) {
        // A refusal that is told late is noted on an attempt that has ended since.
        (Some(Cancelled { at: before }), Cancelled { at: after }) => before == after,
        (Some(Succeeded { balance: old, unowed: was, .. }), Succeeded { balance: new, unowed: is, .. }) => {
            was == is && old.captured() == new.captured()
        }
        (None | Some(RequiresAction), _) | (Some(Cancelled { .. }), Succeeded { .. }) => true,
        _ => false,
    };
    let sums = payment.state.balance().is_none_or(|balance| balance.refunded().is_ok());
    if !allowed || !sums {
        let before = before.map(|before| before.state.name());
        let (order, attempt, after) = (&payment.order, payment.attempt, payment.state.name());
        wrong.push(format!("payment {attempt} of {order} went from {before:?} to {after}"));
    }
}

/// A refund ends once, over what it was made for.
pub fn check_refund(before: Option<&Refund>, refund: &Refund, wrong: &mut Vec<String>) {
    let same = before.is_none_or(|before| (before.amount, &before.parts) == (refund.amount, &refund.parts));
    let allowed = match (before.map(|before| &before.state), &refund.state) {
        (None, state) => !matches!(state, RefundState::Failed { .. }),
        (Some(RefundState::Pending { .. }), _) => true,
        (Some(RefundState::Succeeded { .. } | RefundState::Failed { .. }), _) => false,
    };
    if !allowed || !same {
        let (order, number) = (&refund.order, refund.number);
        wrong.push(format!("refund {number} of {order} changed to {}", refund.state.name()));
    }
}

/// A return goes from state to state as it may.
pub fn check_return(before: Option<&Return>, sent_back: &Return, wrong: &mut Vec<String>) {
    use ReturnState::{Approved, Received, Rejected, Requested};
    let allowed = match (before.map(|before| &before.state), &sent_back.state) {
        (None, state) => matches!(state, Requested),
        (Some(Requested), state) => matches!(state, Approved { .. } | Rejected { .. }),
        (Some(Approved { .. }), state) => matches!(state, Received { .. }),
        (Some(Rejected { .. } | Received { .. }), _) => false,
    };
    if !allowed {
        let before = before.map(|before| before.state.name());
        wrong.push(format!("{} went from {before:?} to {}", sent_back.id, sent_back.state.name()));
    }
}
