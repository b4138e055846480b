//! What carriers tell of parcels in a history: late, again, out of order, and of numbers that are nobody's.

use sutler_domain::{
    event::{EventKind, Witness},
    ids::ShipmentId,
    order::{OrderState, Part, PartState},
    shipment::{CarrierNews, Shipment, ShipmentState, TrackingToken},
};
use sutler_services::tracking::{Heard, Told};

use crate::{
    books::Books,
    delivery::{Line, post},
    lock,
    world::World,
};

/// Something happens to a parcel, and mostly its carrier tells of it.
pub fn tell(world: &World) {
    if world.chance.happens(100) {
        tell_again(world);
        return;
    }
    let parcels: Vec<TrackingToken> = {
        let books = lock(&world.books);
        let open = |one: &&Shipment| one.delivered_at().is_none();
        let tokens = books.parts.values().flat_map(|part| &part.shipments).filter(open);
        tokens.map(|one| one.tracking.token()).collect()
    };
    let foreign =
        TrackingToken { carrier: "usps".to_owned(), number: format!("L{}", world.chance.below(60)) };
    let known = world.chance.pick(&parcels).filter(|_| !world.chance.happens(100));
    say(world, known.unwrap_or(&foreign), false);
}

/// A message that was told before comes once more, long after.
fn tell_again(world: &World) {
    let told = lock(&world.memory).told.clone();
    if let Some(body) = world.chance.pick(&told) {
        world.notes.say("a carrier repeats itself");
        post(world, Line::TrackingEvents, body);
    }
}

fn say(world: &World, parcel: &TrackingToken, arrives: bool) {
    let happened = world.depot.go_on(parcel, arrives);
    let now = world.app.now();
    let at = match world.chance.below(4) {
        0 => None,
        // Clocks of carriers are wrong now and then.
        1 => Some(now.plus_seconds(i64::from(world.chance.up_to(10_000)).saturating_sub(5_000))),
        _ => Some(happened.at),
    };
    // Without a signature it only says that there is something to ask.
    let is_signed = world.chance.happens(600);
    let told = is_signed.then_some(Told { news: Some(happened.news), at });
    let heard = Heard { parcel: parcel.clone(), message: format!("m{}", world.number()), told };
    let Ok(body) = serde_json::to_string(&heard) else { return };
    world.notes.say(&format!("{} is {:?}, told in {}", parcel.number, happened.news, heard.message));
    let copies = if world.weather.level() == 0 { 1 } else { world.chance.between(1, 3) };
    (0..copies).for_each(|_| post(world, Line::TrackingEvents, &body));
    lock(&world.memory).told.push(body);
    // Whatever is under this number now has to come at least as far.
    let mut books = lock(&world.books);
    let own = |one: &&Shipment| one.tracking.token() == *parcel;
    let all: Vec<ShipmentId> =
        books.parts.values().flat_map(|part| &part.shipments).filter(own).map(|one| one.id.clone()).collect();
    for id in all {
        books.told.insert(id, happened.news);
    }
}

/// Carriers bring some of what is on its way.
pub fn bring(world: &World) {
    let shipments: Vec<Shipment> = {
        let books = lock(&world.books);
        books.parts.values().flat_map(|part| &part.shipments).cloned().collect()
    };
    for shipment in shipments {
        if shipment.delivered_at().is_none() && world.chance.happens(400) {
            say(world, &shipment.tracking.token(), true);
        }
    }
}

fn rank(state: &ShipmentState) -> u8 {
    match state {
        ShipmentState::InTransit => 0,
        ShipmentState::OutForDelivery { .. } => 1,
        ShipmentState::Failed { .. } => 2,
        ShipmentState::Returned { .. } => 3,
        // What was brought back may be with its buyer all the same.
        ShipmentState::Delivered { .. } => 4,
    }
}

/// A shipment stays what it is and goes forwards only, and what arrived is what was in it.
pub fn check_change(before: &Part, part: &Part, wrong: &mut Vec<String>) {
    for (old, new) in before.shipments.iter().zip(&part.shipments) {
        let what = |one: &Shipment| {
            (one.id.clone(), one.tracking.clone(), one.label.clone(), one.lines.clone(), one.shipped_at)
        };
        let is_on = old.state == new.state || rank(&old.state) < rank(&new.state);
        if !is_on || what(old) != what(new) || new.passed.len() < old.passed.len() {
            wrong.push(format!("{} went from {} to {}", new.id, old.state.name(), new.state.name()));
        }
    }
    for line in &part.lines {
        let arrived = part.shipments.iter().filter(|one| one.delivered_at().is_some());
        let own = arrived.flat_map(|one| &one.lines).filter(|units| units.variant == line.variant);
        let units: u32 = own.map(|units| units.quantity).sum();
        if units != line.progress.delivered {
            let (name, counted) = (&line.variant, line.progress.delivered);
            wrong.push(format!("{counted} of {name} are counted as delivered, and {units} were"));
        }
    }
}

/// What was told was heard, once for each message, and an order of which everything arrived is completed.
pub fn check(world: &World) {
    let books = lock(&world.books);
    for part in books.parts.values() {
        for shipment in &part.shipments {
            check_shipment(world, &books, part, shipment);
        }
    }
    for (id, order) in &books.orders {
        let mut own = books.parts.values().filter(|part| part.order == *id).peekable();
        let arrived = |part: &Part| matches!(part.state, PartState::Delivered { .. });
        let is_paid = matches!(order.state, OrderState::Paid { .. });
        if is_paid && own.peek().is_some() && own.all(arrived) {
            world.notes.accuse(format!("everything of {id} has arrived, and it is not completed"));
        }
    }
}

fn check_shipment(world: &World, books: &Books, part: &Part, shipment: &Shipment) {
    let (id, state) = (&shipment.id, shipment.state.name());
    let is_heard = books.told.get(id).is_none_or(|news| match news {
        CarrierNews::OutForDelivery => rank(&shipment.state) >= 1,
        CarrierNews::Failed => rank(&shipment.state) >= 2,
        CarrierNews::Returned => rank(&shipment.state) >= 3,
        CarrierNews::Delivered => rank(&shipment.state) == 4,
    });
    if !is_heard {
        world.notes.accuse(format!("{id} is {state}, and its carrier told {:?}", books.told.get(id)));
    }
    let own = books.events.get(part.order.as_str()).into_iter().flatten();
    let moved = own.filter(|event| is_carriers_word(&event.event, id));
    let (moved, noted) = (moved.count(), books.heard(id));
    // What was known when we asked to be told counted without a message.
    let at_once = world.depot.told_at_once(&shipment.tracking.token());
    if noted > moved || (noted < moved && !at_once) {
        world.notes.accuse(format!("{id} was moved {moved} times by {noted} messages"));
    }
}

/// Whether an event tells that a carrier moved this shipment.
fn is_carriers_word(event: &EventKind, id: &ShipmentId) -> bool {
    if let EventKind::PartDelivered { shipments, by: Witness::Carrier, .. } = event {
        return shipments.contains(id);
    }
    if let EventKind::OutForDelivery { shipment, .. } | EventKind::DeliveryFailed { shipment, .. } = event {
        return shipment == id;
    }
    false
}
