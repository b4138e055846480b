//! What goes back: units that nobody wants any more, money, and goods.

use std::sync::Arc;

use sutler_domain::{
    idempotency::Answer,
    ids::UserId,
    money::Money,
    order::{Order, OrderState, Part, PartState, Progress, Units},
    refund::Destination,
    returns::{Return, ReturnState},
};
use sutler_services::{
    orders,
    refunds::{self, RefundOf, RefundWish, Refunded},
    returns::{self, Decider, Returned},
};
use sutler_store::orders::OrderAggregate;

use crate::{
    cast::{Doing, caller, judge, part},
    lock,
    world::World,
};

fn ok<T>(_: &T) -> Answer {
    Answer { status: 200, body: String::new() }
}

/// Some units of a part of which there are `possible`; mostly no more than that.
pub fn some_of(world: &World, part: &Part, possible: fn(&Progress, u32) -> u32) -> Option<Vec<Units>> {
    let mut lines = Vec::new();
    for line in &part.lines {
        let most = possible(&line.progress, line.quantity);
        let quantity =
            if world.chance.happens(100) { most.saturating_add(1) } else { world.chance.up_to(most.max(1)) };
        if (most > 0 || world.chance.happens(50)) && world.chance.happens(800) {
            lines.push(Units { variant: line.variant.clone(), quantity });
        }
    }
    (!lines.is_empty()).then_some(lines)
}

/// The user behind a shop, whose ids share their time and chance.
fn owner(part: &Part) -> Option<UserId> {
    UserId::parse(&format!("usr_{}", part.seller.ulid())).ok()
}

/// Mostly the seller of a part, sometimes another, who must be refused.
fn seller(world: &World, part: &Part) -> Option<UserId> {
    let stranger = world.chance.happens(60).then(|| world.chance.pick(&world.buyers)).flatten();
    stranger.map(|stranger| stranger.user.clone()).or_else(|| owner(part))
}

/// The buyer gives some units up.
pub async fn cancel_units(world: Arc<World>) {
    let open = |state: &PartState| matches!(state, PartState::AwaitingShipment | PartState::PartlyShipped);
    let Some((part, order)) = part(&world, open) else { return };
    give_up_some(&world, &part, &order).await;
}

async fn give_up_some(world: &World, part: &Part, order: &Order) {
    let Some(lines) = some_of(world, part, Progress::open) else { return };
    let caller = caller(world, order);
    let key = world.chance.happens(500).then(|| format!("units {}", world.number()));
    let body = format!("{lines:?}");
    let once = world.once::<OrderAggregate>(caller.as_str(), "cancel_order", key.as_deref(), &body, ok);
    let done = orders::cancel(&world.app, &order.id, &caller, Some(&lines), &once).await;
    judge(world, &caller, order, &format!("gives up {lines:?} of"), &done);
}

/// A seller gives something back.
pub async fn refund(world: Arc<World>) {
    let paid = |state: &PartState| !matches!(state, PartState::AwaitingPayment | PartState::Cancelled { .. });
    let Some((part, order)) = part(&world, paid) else { return };
    give_back(&world, &part, &order).await;
}

async fn give_back(world: &World, part: &Part, order: &Order) {
    let lines = world.chance.happens(600).then(|| some_of(world, part, Progress::open)).flatten();
    let wants_amount = lines.is_none() || world.chance.happens(200);
    let most = part.totals.total.minor();
    let minor = if world.chance.happens(200) { most } else { world.chance.between(1, most.max(1)) };
    let amount = Money::try_new(minor, order.totals.total.currency()).ok().filter(|_| wants_amount);
    let destination = if world.chance.happens(300) { Destination::Wallet } else { Destination::Card };
    let Some(by) = seller(world, part) else { return };
    let body = format!("{lines:?} {amount:?} {destination:?}");
    let seller = Some(part.seller.clone());
    let of = RefundOf::Part { seller, lines: lines.unwrap_or_default(), amount };
    let wish = RefundWish { by: by.clone(), staff: false, of, destination };
    let key = world.chance.happens(700).then(|| format!("refund {}", world.number()));
    // A lost answer makes people ask again.
    for _ in 0..if key.is_some() && world.chance.happens(300) { 2 } else { 1 } {
        let once = world.once::<Refunded>(by.as_str(), "refund_order", key.as_deref(), &body, ok);
        let done = refunds::refund(&world.app, &order.id, &wish, &once).await;
        world.ended(&format!("{by} refunds {body} of {}", order.id), &done);
        if done.is_ok() && owner(part) != Some(by.clone()) {
            world.notes.accuse(format!("{by} refunded of {}, which is not theirs", order.id));
        }
    }
}

/// A buyer wants to send something back.
pub async fn ask(world: Arc<World>) {
    let arrived = |state: &PartState| matches!(state, PartState::Delivered { .. } | PartState::PartlyShipped);
    let Some((part, order)) = part(&world, arrived) else { return };
    let possible = |progress: &Progress, _: u32| {
        progress.delivered.saturating_sub(progress.returning).saturating_sub(progress.returned)
    };
    let Some(lines) = some_of(&world, &part, possible) else { return };
    let caller = caller(&world, &order);
    let key = world.chance.happens(500).then(|| format!("return {}", world.number()));
    let body = format!("{lines:?}");
    let once = world.once::<Returned>(caller.as_str(), "request_return", key.as_deref(), &body, ok);
    let done = returns::request(&world.app, &order.id, &caller, (&lines, "too small"), &once).await;
    judge(&world, &caller, &order, "wants to send back of", &done);
}

/// One of the returns, rather one that the deed makes sense for, with its part.
fn sent_back(world: &World, fits: impl Fn(&ReturnState) -> bool) -> Option<(Return, Part)> {
    let books = lock(&world.books);
    let any = world.chance.happens(150);
    let fitting: Vec<&Return> = books.returns.values().filter(|found| any || fits(&found.state)).collect();
    let found = (*world.chance.pick(&fitting)?).clone();
    let part = books.parts.get(&(found.order.clone(), found.seller.clone()))?.clone();
    Some((found, part))
}

/// A seller agrees to a return, or does not.
pub async fn decide(world: Arc<World>) {
    let Some((found, part)) = sent_back(&world, |state| matches!(state, ReturnState::Requested)) else {
        return;
    };
    let Some(by) = seller(&world, &part) else { return };
    let agrees = world.chance.happens(750);
    let decider = Decider { by: by.clone(), staff: false };
    let operation = if agrees { "approve_return" } else { "reject_return" };
    let key = world.chance.happens(500).then(|| format!("{operation} {}", found.id));
    let once = world.once::<Returned>(by.as_str(), operation, key.as_deref(), "", ok);
    let done = if agrees {
        returns::approve(&world.app, &found.id, &decider, &once).await
    } else {
        returns::reject(&world.app, &found.id, &decider, &once).await
    };
    world.ended(&format!("{by} decides about {} ({operation})", found.id), &done);
    if done.is_ok() && owner(&part) != Some(by) {
        world.notes.accuse(format!("{} was decided by somebody else", found.id));
    }
}

/// A seller has something again.
pub async fn receive(world: Arc<World>) {
    let agreed = |state: &ReturnState| matches!(state, ReturnState::Approved { .. });
    let Some((found, part)) = sent_back(&world, agreed) else { return };
    take(&world, &found, &part).await;
}

async fn take(world: &World, found: &Return, part: &Part) {
    let Some(by) = seller(world, part) else { return };
    let sellable: Vec<Units> = found.lines.iter().filter(|_| world.chance.happens(700)).cloned().collect();
    let destination = if world.chance.happens(200) { Destination::Wallet } else { Destination::Card };
    let key = world.chance.happens(500).then(|| format!("receive {}", world.number()));
    let body = format!("{sellable:?} {destination:?}");
    let once = world.once::<Returned>(by.as_str(), "receive_return", key.as_deref(), &body, ok);
    let how = (sellable.as_slice(), destination);
    let done = returns::receive(&world.app, &found.id, &by, how, &once).await;
    world.ended(&format!("{by} has {} again, {body}", found.id), &done);
    if done.is_ok() && owner(part) != Some(by) {
        world.notes.accuse(format!("{} was received by somebody else", found.id));
    }
}

/// What else people do about an order that everybody is busy with.
pub fn rush(world: &Arc<World>, order: &Order) -> Vec<Doing> {
    let mut all: Vec<Doing> = Vec::new();
    if order.paid_by().is_none() {
        return all;
    }
    let parts: Vec<Part> = lock(&world.books).parts.values().cloned().collect();
    for part in parts.into_iter().filter(|part| part.order == order.id) {
        for _ in 0..world.chance.below(3) {
            let (w, order, part) = (Arc::clone(world), order.clone(), part.clone());
            all.push(Box::pin(async move { give_back(&w, &part, &order).await }));
        }
        if world.chance.happens(300) {
            let (w, order) = (Arc::clone(world), order.clone());
            all.push(Box::pin(async move { give_up_some(&w, &part, &order).await }));
        }
    }
    let agreed =
        |found: &&Return| found.order == order.id && matches!(found.state, ReturnState::Approved { .. });
    let found: Vec<Return> = lock(&world.books).returns.values().filter(agreed).cloned().collect();
    for found in found {
        let part = lock(&world.books).parts.get(&(found.order.clone(), found.seller.clone())).cloned();
        let Some(part) = part else { continue };
        for _ in 0..2 {
            let (w, found, part) = (Arc::clone(world), found.clone(), part.clone());
            all.push(Box::pin(async move { take(&w, &found, &part).await }));
        }
    }
    all
}

/// Staff see to money that the provider could not give back: what is nobody's, and what was paid for orders of which
/// nothing will be sent. Guests have no wallet, so theirs goes to the card again, where it may fail again. Answers
/// whether there was nothing to see to.
pub async fn see_to_the_rest(world: &World) -> bool {
    let (payments, orders, parts) = {
        let books = lock(&world.books);
        let payments: Vec<_> = books.payments.values().cloned().collect();
        let orders: Vec<Order> = books.orders.values().cloned().collect();
        (payments, orders, books.parts.values().cloned().collect::<Vec<Part>>())
    };
    let mut is_done = true;
    for payment in payments.iter().filter(|payment| payment.unowed().is_some()) {
        let order = orders.iter().find(|order| order.id == payment.order);
        let Some(order) = order else { continue };
        if payment.state.balance().is_some_and(|balance| !balance.refundable().is_zero()) {
            is_done = false;
            see_to(world, order, RefundOf::Attempt(payment.attempt)).await;
        }
    }
    for order in orders.iter().filter(|order| matches!(order.state, OrderState::Paid { .. })) {
        let own = || parts.iter().filter(|part| part.order == order.id);
        if !own().all(|part| matches!(part.state, PartState::Cancelled { .. })) {
            continue;
        }
        for part in own() {
            let Ok(amount) = part.refundable() else { continue };
            if !amount.is_zero() {
                let seller = Some(part.seller.clone());
                let of = RefundOf::Part { seller, lines: Vec::new(), amount: Some(amount) };
                is_done = false;
                see_to(world, order, of).await;
            }
        }
    }
    is_done
}

async fn see_to(world: &World, order: &Order, of: RefundOf) {
    let destination = if order.is_a_guests() { Destination::Card } else { Destination::Wallet };
    let order = &order.id;
    let Some(staff) = world.buyers.first().map(|buyer| buyer.user.clone()) else { return };
    let what = format!("staff see to {of:?} of {order}");
    let wish = RefundWish { by: staff.clone(), staff: true, of, destination };
    let once = world.once::<Refunded>(staff.as_str(), "refund_order", None, "", ok);
    let done = refunds::refund(&world.app, order, &wish, &once).await;
    world.ended(&what, &done);
    if let Err(error) = done {
        world.notes.accuse(format!("{what}: {error}"));
    }
}
