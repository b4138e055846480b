//! Labels in a history: how sellers buy, use and give them back, and what every change of one must obey.

use std::{collections::BTreeMap, future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use sutler_domain::{
    idempotency::Answer,
    ids::{LabelId, OrderId, SellerId, UserId},
    label::{Label, LabelState, VOID_PATIENCE_S},
    order::{Order, Part, PartState, Progress},
};
use sutler_gateways::carriers::{Sale, Voided};
use sutler_services::{
    labels::{self, ParcelWish},
    shipping::{self, NewShipment, SentBy},
};
use workers::resolve_labels;

use crate::{
    back,
    cast::{Doing, part},
    lock,
    world::{World, chain},
};

/// How long a call may take that sellers make, and a run of the schedule (see template.yaml).
const CALL_SECONDS: i64 = 30;
const RUN_SECONDS: i64 = 120;

/// An offer that a seller saw.
#[derive(Debug, Clone)]
pub struct Seen {
    order: OrderId,
    seller: SellerId,
    rate: String,
}

fn ok<T>(_: &T) -> Answer {
    Answer { status: 200, body: String::new() }
}

fn state_of(label: &Label) -> Answer {
    Answer { status: 200, body: label.state.name().to_owned() }
}

fn to_send(state: &PartState) -> bool {
    matches!(state, PartState::AwaitingShipment | PartState::PartlyShipped)
}

/// A function does not live longer than its time, however slowly the clock goes for others.
async fn within(world: &World, seconds: i64, doing: impl Future<Output = ()> + Send) {
    let until = world.app.now().plus_seconds(seconds);
    let mut doing = pin!(doing);
    poll_fn(|context| {
        if world.app.now() >= until {
            world.notes.fault("a function's time is over");
            return Poll::Ready(());
        }
        doing.as_mut().poll(context)
    })
    .await;
}

/// Two things at the same time.
pub async fn both(one: impl Future<Output = ()> + Send, other: impl Future<Output = ()> + Send) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let mut done = (false, false);
    poll_fn(|context| {
        done.0 = done.0 || one.as_mut().poll(context).is_ready();
        done.1 = done.1 || other.as_mut().poll(context).is_ready();
        if done == (true, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A seller asks carriers, buys a label, and hands the parcel over, or thinks better of it.
pub async fn send(world: Arc<World>) {
    let Some((part, _)) = part(&world, to_send) else { return };
    within(&world, CALL_SECONDS, ask(&world, &part)).await;
    let own = |seen: &&Seen| (&seen.order, &seen.seller) == (&part.order, &part.seller);
    let seen = lock(&world.memory).offers.iter().rev().find(own).cloned();
    let Some(seen) = seen else { return };
    let buying = || within(&world, CALL_SECONDS, purchase(&world, &seen, &part.seller));
    if world.chance.happens(200) {
        // Impatient people press the button twice.
        Box::pin(both(buying(), buying())).await;
    } else {
        buying().await;
    }
    let key = (part.order, part.seller);
    let label = lock(&world.books).parts.get(&key).and_then(|part| part.label_at(&seen.rate)).cloned();
    let Some(label) = label else { return };
    match world.chance.below(10) {
        0..4 => hand_over(&world, &key, &label).await,
        4..7 => within(&world, CALL_SECONDS, give_back(&world, &key, &label.id)).await,
        _ => {}
    }
}

/// What do carriers ask?
async fn ask(world: &World, part: &Part) {
    let Some(sender) = world.senders.get(&part.seller) else { return };
    let Ok(caller) = UserId::parse(&format!("usr_{}", part.seller.ulid())) else { return };
    let weight_g = world.chance.happens(300).then_some(500);
    let wish = ParcelWish { from: Some(sender.clone()), weight_g, sides_mm: [200, 150, 100] };
    let offers = labels::offers(&world.app, &part.order, &caller, &wish).await;
    world.ended(&format!("{} asks carriers about {}", part.seller, part.order), &offers);
    for offer in offers.into_iter().flatten() {
        let (order, seller) = (part.order.clone(), part.seller.clone());
        lock(&world.memory).offers.push(Seen { order, seller, rate: offer.rate });
    }
}

/// A seller buys a label at a rate that they saw, or that another saw.
pub async fn buy(world: Arc<World>) {
    let seen = {
        let memory = lock(&world.memory);
        let latest: Vec<Seen> = memory.offers.iter().rev().take(6).cloned().collect();
        world.chance.pick(&latest).cloned()
    };
    let Some(seen) = seen else { return };
    let stranger = world.chance.happens(100).then(|| world.chance.pick(&world.goods)).flatten();
    let seller = stranger.map_or_else(|| seen.seller.clone(), |good| good.seller.clone());
    within(&world, CALL_SECONDS, purchase(&world, &seen, &seller)).await;
}

async fn purchase(world: &World, seen: &Seen, seller: &SellerId) {
    let Seen { order, rate, .. } = seen;
    // Of two orders of one shop, the label may be asked for the wrong one.
    let others: Vec<OrderId> = lock(&world.books).orders.keys().cloned().collect();
    let other = world.chance.happens(50).then(|| world.chance.pick(&others)).flatten();
    let order = other.unwrap_or(order);
    let key = world.chance.happens(500).then(|| format!("label {rate}"));
    let body = format!("{order} {rate}");
    let once = world.once::<Label>(seller.as_str(), "buy_label", key.as_deref(), &body, state_of);
    let bought = labels::buy(&world.app, order, seller, rate, &once).await;
    let told = bought.as_ref().map_or("nothing", |answer| answer.body.as_str()).to_owned();
    world.ended(&format!("{seller} buys {rate} for {order}, which is {told}"), &bought);
    if bought.is_ok() && (order, seller) != (&seen.order, &seen.seller) {
        world.notes.accuse(format!("{rate} was bought by {seller} for {order}, whose it is not"));
    }
}

/// One of the labels, rather one that can be used, with its part.
fn bought(world: &World) -> Option<((OrderId, SellerId), Label)> {
    let books = lock(&world.books);
    let any = world.chance.happens(150);
    let is_bought = |label: &Label| matches!(label.state, LabelState::Bought { .. });
    let labels = |part: &Part| -> Vec<((OrderId, SellerId), Label)> {
        let free = |label: &Label| is_bought(label) && part.sent_with(label).is_none();
        let own = part.labels.iter().filter(|label| any || free(label));
        own.map(|label| ((part.order.clone(), part.seller.clone()), label.clone())).collect()
    };
    let all: Vec<((OrderId, SellerId), Label)> = books.parts.values().flat_map(labels).collect();
    world.chance.pick(&all).cloned()
}

/// A seller hands something over with a label that they have.
pub async fn ship(world: Arc<World>) {
    if let Some((part, label)) = bought(&world) {
        hand_over(&world, &part, &label).await;
    }
}

async fn hand_over(world: &World, (order, seller): &(OrderId, SellerId), label: &Label) {
    let part = lock(&world.books).parts.get(&(order.clone(), seller.clone())).cloned();
    let Some(part) = part else { return };
    let lines = world.chance.happens(500).then(|| back::some_of(world, &part, Progress::open)).flatten();
    // Some only type its number.
    let typed = label.postage().filter(|_| world.chance.happens(150)).map(|postage| postage.tracking.clone());
    let by = typed.map_or_else(|| SentBy::Label(label.id.clone()), SentBy::Own);
    let stranger = world.chance.happens(60).then(|| world.chance.pick(&world.goods)).flatten();
    let seller = stranger.map_or(seller, |good| &good.seller);
    let key = world.chance.happens(500).then(|| format!("ship {}", label.id));
    let body = format!("{} {lines:?}", label.id);
    let once = world.once::<Part>(seller.as_str(), "ship_part", key.as_deref(), &body, ok);
    let shipped = shipping::ship(&world.app, order, seller, &NewShipment { by, lines }, &once).await;
    world.ended(&format!("{seller} ships {order} with {}", label.id), &shipped);
}

/// A seller does not want a label any more.
pub async fn void(world: Arc<World>) {
    if let Some((part, label)) = bought(&world) {
        within(&world, CALL_SECONDS, give_back(&world, &part, &label.id)).await;
    }
}

async fn give_back(world: &World, (order, own): &(OrderId, SellerId), label: &LabelId) {
    let stranger = world.chance.happens(60).then(|| world.chance.pick(&world.goods)).flatten();
    let seller = stranger.map_or(own, |good| &good.seller);
    let key = world.chance.happens(500).then(|| format!("void {label}"));
    let once = world.once::<Label>(seller.as_str(), "void_label", key.as_deref(), label.as_str(), state_of);
    let voided = labels::void(&world.app, label, (order, seller), &once).await;
    let told = voided.as_ref().map_or("nothing", |answer| answer.body.as_str()).to_owned();
    world.ended(&format!("{seller} gives {label} back, which is {told}"), &voided);
    if voided.is_ok() && seller != own {
        world.notes.accuse(format!("{label} was given back by {seller}, whose it is not"));
    }
}

/// The schedule asks what became of labels.
pub async fn resolve(world: Arc<World>) {
    let run = async {
        match resolve_labels::handle(&world.app).await {
            Ok(asked) => world.notes.say(&serde_json::to_string(&asked).unwrap_or_default()),
            Err(error) => world.notes.say(&chain(&error)),
        }
    };
    within(&world, RUN_SECONDS, run).await;
}

/// What else sellers do about an order that everybody is busy with.
pub fn rush(world: &Arc<World>, order: &Order) -> Vec<Doing> {
    let mut all: Vec<Doing> = Vec::new();
    let own = |seen: &&Seen| seen.order == order.id;
    let seen: Option<Seen> = lock(&world.memory).offers.iter().rev().find(own).cloned();
    if let Some(seen) = seen.filter(|_| world.chance.happens(500)) {
        for _ in 0..2 {
            let (w, seen) = (Arc::clone(world), seen.clone());
            all.push(Box::pin(async move {
                within(&w, CALL_SECONDS, purchase(&w, &seen, &seen.seller)).await;
            }));
        }
        let w = Arc::clone(world);
        all.push(Box::pin(async move { resolve(w).await }));
    }
    let parts: Vec<Part> = lock(&world.books).parts.values().cloned().collect();
    for part in parts.iter().filter(|part| part.order == order.id) {
        let usable = |label: &&Label| matches!(label.state, LabelState::Bought { .. });
        let Some(label) = part.labels.iter().rev().find(usable) else { continue };
        let key = (part.order.clone(), part.seller.clone());
        let (w, at, label_is) = (Arc::clone(world), key.clone(), label.clone());
        all.push(Box::pin(async move { hand_over(&w, &at, &label_is).await }));
        if world.chance.happens(500) {
            let (w, id) = (Arc::clone(world), label.id.clone());
            all.push(Box::pin(async move { within(&w, CALL_SECONDS, give_back(&w, &key, &id)).await }));
        }
    }
    all
}

/// Carriers take hours to decide what they take back; they have them now, if they are at it.
pub fn wait(world: &World) {
    let voiding = |label: &Label| matches!(label.state, LabelState::Voiding { .. });
    if lock(&world.books).parts.values().flat_map(|part| &part.labels).any(voiding) {
        world.db.clock().advance(Duration::from_secs(VOID_PATIENCE_S.unsigned_abs()));
    }
}

/// A label stays what it is, at the rate that nothing else was bought for, and goes from state to state as it may.
pub fn check_change(before: &Part, part: &Part, wrong: &mut Vec<String>) {
    use LabelState::{Bought, Buying, Failed, Voided, Voiding};
    if part.labels.len() < before.labels.len() {
        wrong.push(format!("{} of {} lost a label", part.seller, part.order));
    }
    for (at, label) in part.labels.iter().enumerate() {
        let id = &label.id;
        if part.labels.iter().take(at).any(|other| other.rate == label.rate || other.id == *id) {
            wrong.push(format!("{id} is at a rate that was bought before"));
        }
        let Some(old) = before.labels.get(at) else {
            if !matches!(label.state, Buying { .. }) {
                wrong.push(format!("{id} was not new when it was asked for"));
            }
            continue;
        };
        let named = |label: &Label| (label.id.clone(), label.rate.clone(), label.carrier.clone(), label.cost);
        let allowed = match (&old.state, &label.state) {
            (old, new) if old == new => true,
            (Buying { since: was }, Buying { since: is })
            | (Voiding { since: was, .. }, Voiding { since: is, .. }) => was < is,
            (Buying { .. }, Bought { .. } | Failed { .. })
            | (Bought { .. }, Voiding { .. })
            | (Voiding { .. }, Bought { .. } | Voided { .. }) => true,
            _ => false,
        };
        let same = old.postage().is_none_or(|postage| label.postage() == Some(postage));
        if !allowed || !same || named(old) != named(label) {
            wrong.push(format!("{id} went from {} to {}", old.state.name(), label.state.name()));
        }
    }
}

/// What the provider sold is in the parts, once and at its price, and what it took back was given back.
pub fn check(world: &World) {
    let books = lock(&world.books);
    let mut sold: BTreeMap<LabelId, String> = BTreeMap::new();
    let all: Vec<&Label> = books.parts.values().flat_map(|part| &part.labels).collect();
    for (id, made) in world.depot.purchases() {
        let Sale::Sold(postage) = &made.sale else { continue };
        if let Some(other) = sold.insert(made.label.clone(), id.clone()) {
            world.notes.accuse(format!("{} was sold as {other} and as {id}", made.label));
        }
        let Some(label) = all.iter().find(|label| label.id == made.label) else {
            world.notes.accuse(format!("{id} was sold for {}, which does not exist", made.label));
            continue;
        };
        if label.postage() != Some(postage) || label.cost != made.cost {
            let state = label.state.name();
            world.notes.accuse(format!("{id} was sold for {}, which is {state} and not that", made.label));
        }
        let is_back = made.given_back == Some(Voided::Done);
        if is_back != matches!(label.state, LabelState::Voided { .. }) {
            let (state, back) = (label.state.name(), made.given_back);
            world.notes.accuse(format!("{} is {state}, but {id} is {back:?}", made.label));
        }
    }
    for label in all {
        let (id, state) = (&label.id, label.state.name());
        match &label.state {
            LabelState::Buying { .. } | LabelState::Voiding { .. } => {
                world.notes.accuse(format!("{id} stays {state}"));
            }
            LabelState::Bought { .. } | LabelState::Voided { .. } => {
                if !sold.contains_key(id) {
                    world.notes.accuse(format!("{id} is {state}, and was never sold"));
                }
            }
            LabelState::Failed { .. } => {}
        }
    }
}
