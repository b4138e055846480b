//! What must be true once everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use sutler_domain::{
    event::Event,
    ids::{OrderId, VariantId},
    order::{Order, OrderState},
    refund::{Destination, Refund, RefundState},
    returns::ReturnState,
};
use sutler_gateways::payment::PaymentStatus;
use sutler_services::{
    chains::{ChainId, verify_chain},
    invariants,
};
use sutler_store::events;

use crate::{
    alerts,
    books::Books,
    imports, labels, lock,
    provider::Intent,
    tracking,
    world::{Failure, World},
};

/// How many events an order may have.
const EVENTS_MAX: u16 = 1_000;

/// Compares everything with everything; what does not agree is an accusation.
pub async fn check(world: &World) -> Result<(), Failure> {
    match invariants::check(&world.app).await {
        Ok(found) if found.complete => found.problems.into_iter().for_each(|text| world.notes.accuse(text)),
        Ok(_) => world.notes.accuse("the invariants were not read to their end"),
        Err(error) => {
            world.notes.accuse(format!("the invariants do not read: {}", crate::world::chain(&error)));
        }
    }
    check_units(world);
    check_money(world);
    check_answers(world);
    check_owners(world);
    labels::check(world);
    tracking::check(world);
    imports::check(world).await?;
    check_events(world).await?;
    alerts::check(world, &lock(&world.books));
    let shards: Vec<_> = lock(&world.books).stocks.keys().cloned().collect();
    for (variant, shard) in shards {
        match verify_chain(&world.app, &ChainId { variant: variant.clone(), shard }).await {
            Ok(chain) if chain.broken.is_none() && chain.behind == 0 => {}
            other => world.notes.accuse(format!("the movements of {variant} in shard {shard}: {other:?}")),
        }
    }
    Ok(())
}

/// Every order has reached an end, now that everybody did what they could.
pub fn check_ended(world: &World) {
    let books = lock(&world.books);
    for (id, order) in &books.orders {
        match &order.state {
            OrderState::Completed { .. } | OrderState::Cancelled { .. } | OrderState::Refunded { .. } => {}
            OrderState::AwaitingPayment { .. } | OrderState::Paid { .. } => {
                world.notes.accuse(format!("{id} stays {}", order.state.name()));
            }
        }
    }
}

/// All units that were ever there are free, held, sold or shipped.
fn check_units(world: &World) {
    let books = lock(&world.books);
    let mut shipped: BTreeMap<&VariantId, i64> = BTreeMap::new();
    for line in books.parts.values().flat_map(|part| &part.lines) {
        let sum = shipped.entry(&line.variant).or_default();
        *sum = sum.saturating_add(i64::from(line.progress.shipped));
    }
    for sent_back in books.returns.values() {
        let ReturnState::Received { sellable, .. } = &sent_back.state else { continue };
        for units in sellable {
            let sum = shipped.entry(&units.variant).or_default();
            *sum = sum.saturating_sub(i64::from(units.quantity));
        }
    }
    for good in &world.goods {
        let id = &good.variant;
        let own = books.corrections.values().filter(|corrected| corrected.variant == *id);
        let corrected: i64 = own.map(|corrected| corrected.units).sum();
        let stocked = i64::from(good.units).saturating_add(corrected);
        let on_hand = books.on_hand(id);
        let gone = shipped.get(id).copied().unwrap_or(0);
        if on_hand.saturating_add(gone) != stocked {
            world.notes.accuse(format!("{id}: {stocked} units came, {on_hand} are there and {gone} shipped"));
        }
    }
    for correction in &lock(&world.memory).corrections {
        if let Some(made) = books.corrections.get(&correction.reason)
            && (&made.variant, made.units) != (&correction.variant, correction.delta)
        {
            world
                .notes
                .accuse(format!("“{}” corrected {} by {}", correction.reason, made.variant, made.units));
        }
    }
    books.miscounted().into_iter().for_each(|text| world.notes.accuse(text));
}

/// What a guest bought is the account's, and nobody else's orders are.
fn check_owners(world: &World) {
    let (books, claimed) = (lock(&world.books), lock(&world.memory).claimed);
    let guest = world.account.as_ref().and(world.buyers.last()).map(|guest| &guest.user);
    for (id, order) in &books.orders {
        let theirs = Some(order.placed_by()) == guest;
        let is_handed_over = Some(&order.buyer) == world.account.as_ref();
        if is_handed_over && !theirs {
            world.notes.accuse(format!("{id} was not bought by the guest, and claimed"));
        }
        if theirs && claimed && !is_handed_over {
            world.notes.accuse(format!("{id} was bought by the guest, and not claimed"));
        }
    }
}

/// Money at the provider is what an order costs that has it, less what went back by its refunds; or all went back.
fn check_money(world: &World) {
    let books = lock(&world.books);
    let intents = world.provider.intents();
    let mut paying: BTreeMap<&OrderId, u32> = BTreeMap::new();
    for intent in &intents {
        let id = &intent.payment.provider_id;
        let order = intent.payment.order_id.as_deref().and_then(|id| OrderId::parse(id).ok());
        let Some(order) = order.and_then(|id| books.orders.get(&id)) else {
            world.notes.accuse(format!("{id} is for an order that does not exist"));
            continue;
        };
        let pays = intent.payment.attempt == order.paid_by();
        check_intent(world, &books, intent, order, pays);
        if pays {
            let count = paying.entry(&order.id).or_default();
            *count = count.saturating_add(1);
        }
    }
    for (id, order) in &books.orders {
        let due = u32::from(order.paid_by().is_some());
        let paying = paying.get(id).copied().unwrap_or(0);
        if paying != due {
            world.notes.accuse(format!("{id} is {}, and {paying} payments pay it", order.state.name()));
        }
    }
}

fn check_intent(world: &World, books: &Books, intent: &Intent, order: &Order, pays: bool) {
    let payment = &intent.payment;
    let (id, total) = (&payment.provider_id, order.totals.total);
    let (taken, back) = (intent.captured_minor(), intent.refunded_minor());
    if payment.status == PaymentStatus::AwaitingBuyer {
        world.notes.accuse(format!("{id} can be paid though {} is {}", order.id, order.state.name()));
    }
    let own = |refund: &&Refund| refund.order == order.id && payment.attempt == Some(refund.attempt);
    let refunds: Vec<&Refund> = books.refunds.values().filter(own).collect();
    let by_card = |refund: &&&Refund| refund.destination == Destination::Card;
    let arrived = |refund: &&&Refund| matches!(refund.state, RefundState::Succeeded { .. });
    let due: u64 = refunds.iter().filter(by_card).filter(arrived).map(|refund| refund.amount.minor()).sum();
    if refunds.iter().any(|refund| refund.undecided_since().is_some()) || due != back {
        world.notes.accuse(format!("{id} of {} gave {back} back, but its refunds say {due}", order.id));
    }
    let right = (payment.currency.as_str(), taken) == (total.currency().code(), total.minor());
    if pays && !right {
        world.notes.accuse(format!(
            "{} is paid by {id}, which took {taken} {} of {}",
            order.id,
            payment.currency,
            total.minor()
        ));
    }
    let failed = refunds.iter().any(|refund| matches!(refund.state, RefundState::Failed { .. }));
    if !pays && back != taken && !failed {
        world.notes.accuse(format!(
            "{id} took {taken} for {}, which is {}, and gave {back} back",
            order.id,
            order.state.name()
        ));
    }
}

/// A key leads to one order, an answer to one that exists, and no order comes from nowhere.
fn check_answers(world: &World) {
    let (books, memory) = (lock(&world.books), lock(&world.memory));
    for tried in &memory.tries {
        if tried.answered.len() > 1 {
            world.notes.accuse(format!("the key {:?} was answered with {:?}", tried.key, tried.answered));
        }
        for id in tried.answered.iter().filter(|id| !books.orders.contains_key(*id)) {
            world.notes.accuse(format!("{id} was answered and does not exist"));
        }
    }
    let keyed: BTreeSet<&str> = books.answers.values().map(String::as_str).collect();
    let unkeyed = books.orders.keys().filter(|id| !keyed.contains(id.as_str())).count();
    let tried = memory.tries.iter().filter(|tried| tried.key.is_none()).count();
    if unkeyed > tried {
        world.notes.accuse(format!("{unkeyed} orders have no key, and {tried} were tried without"));
    }
}

/// Every order's history is whole, and was published in order.
async fn check_events(world: &World) -> Result<(), Failure> {
    let ids: Vec<Order> = lock(&world.books).orders.values().cloned().collect();
    let published: Vec<Event> =
        world.cloud.published().iter().filter_map(|event| serde_json::from_str(&event.detail).ok()).collect();
    for order in ids {
        let events = world.app.store.events(&order.id, 0, EVENTS_MAX).await?;
        let mut last = String::new();
        for (event, seq) in events.iter().zip(1_u64..) {
            if event.seq != seq || event.prev_hash != last || events::hash(event)? != event.hash {
                world.notes.accuse(format!("event {seq} of {} does not follow the one before", order.id));
            }
            last.clone_from(&event.hash);
        }
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        if (count, last.as_str()) != (order.events, order.last_hash.as_str()) {
            world.notes.accuse(format!("{} counts {} events and has {count}", order.id, order.events));
        }
        // The bus may repeat and overtake, but whoever waits for the next one gets them all in order.
        let mut next = 1_u64;
        for event in published.iter().filter(|event| event.aggregate == order.id.as_str()) {
            if event.seq == next && events.iter().any(|own| own == event) {
                next = next.saturating_add(1);
            }
        }
        if next != count.saturating_add(1) {
            world.notes.accuse(format!("event {next} of {} was not published in its turn", order.id));
        }
    }
    Ok(())
}
