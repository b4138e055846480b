//! The people of a history and what they do, each deed a future of its own.

use std::{pin::Pin, sync::Arc, time::Duration};

use sutler_domain::{
    cart::Quantity,
    idempotency::Answer,
    ids::{OrderId, SellerId, UserId, VariantId},
    order::{Order, OrderState, Part, PartState},
    product::Variant,
    shipment::Tracking,
};
use sutler_gateways::payment::PaymentStatus;
use sutler_services::{
    Error,
    carts::{CartAccess, CartPage, put_line, quote_cart},
    inventory::{self, Adjustment, Count},
    orders::{self, PlaceOrder, PlacedOrder},
    payments, shipping,
};
use sutler_store::{Transaction, catalog::variant_key, codec::encode, orders::OrderAggregate};

use crate::{
    delivery::{Line, deliver_batch, deliver_messages, sweep},
    lock,
    provider::Deed,
    world::{Buyer, Correction, Try, World},
};

/// What somebody is doing.
pub type Doing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A kind of deed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deeds {
    Shop,
    FillCart,
    Quote,
    PlaceAsQuoted,
    PlaceAgain,
    StartPayment,
    ActAtProvider,
    Cancel,
    ConfirmDelivery,
    Ship,
    Correct,
    CorrectAgain,
    Recount,
    ChangePrice,
    Stream,
    PaymentEvents,
    PaymentCommands,
    Sweep,
    ClockJump,
}

/// How the reason of an absolute count begins, before the count.
pub const RECOUNT: &str = "counted ";

/// How often each is done.
const WEIGHTS: [(u64, Deeds); 19] = [
    (14, Deeds::Shop),
    (4, Deeds::FillCart),
    (2, Deeds::Quote),
    (4, Deeds::PlaceAsQuoted),
    (7, Deeds::PlaceAgain),
    (14, Deeds::StartPayment),
    (14, Deeds::ActAtProvider),
    (5, Deeds::Cancel),
    (5, Deeds::ConfirmDelivery),
    (7, Deeds::Ship),
    (4, Deeds::Correct),
    (3, Deeds::CorrectAgain),
    (2, Deeds::Recount),
    (1, Deeds::ChangePrice),
    (20, Deeds::Stream),
    (16, Deeds::PaymentEvents),
    (10, Deeds::PaymentCommands),
    (5, Deeds::Sweep),
    (4, Deeds::ClockJump),
];

/// Somebody begins to do something.
pub fn next(world: &Arc<World>) -> Option<(Deeds, Doing)> {
    let deed = *world.chance.weighted(&WEIGHTS)?;
    let w = Arc::clone(world);
    let buyer = world.chance.place(world.buyers.len());
    let doing: Doing = match deed {
        Deeds::Shop => Box::pin(shop(w, buyer)),
        Deeds::FillCart => Box::pin(async move { fill_cart(&w, buyer).await }),
        Deeds::Quote => Box::pin(async move { quote(&w, buyer).await }),
        Deeds::PlaceAsQuoted => Box::pin(async move { place_as_quoted(&w, buyer).await }),
        Deeds::PlaceAgain => Box::pin(place_again(w)),
        Deeds::StartPayment => Box::pin(start_payment(w)),
        Deeds::ActAtProvider => Box::pin(async move { act_at_provider(&w) }),
        Deeds::Cancel => Box::pin(cancel(w)),
        Deeds::ConfirmDelivery => Box::pin(confirm_delivery(w)),
        Deeds::Ship => Box::pin(ship(w)),
        Deeds::Correct => Box::pin(correct(w)),
        Deeds::CorrectAgain => Box::pin(correct_again(w)),
        Deeds::Recount => Box::pin(recount(w)),
        Deeds::ChangePrice => Box::pin(change_price(w)),
        Deeds::Stream => {
            let at = world.chance.place(lock(&world.traffic).feeds());
            Box::pin(deliver_batch(w, at))
        }
        Deeds::PaymentEvents => Box::pin(deliver_messages(w, Line::PaymentEvents)),
        Deeds::PaymentCommands => Box::pin(deliver_messages(w, Line::PaymentCommands)),
        Deeds::Sweep => Box::pin(sweep(w)),
        Deeds::ClockJump => {
            let seconds = world.chance.between(1, 700);
            world.db.clock().advance(Duration::from_secs(seconds));
            Box::pin(async move { w.notes.say(&format!("{seconds} s later")) })
        }
    };
    Some((deed, doing))
}

fn ok<T>(_: &T) -> Answer {
    Answer { status: 200, body: String::new() }
}

fn id_of(placed: &PlacedOrder) -> Answer {
    Answer { status: 201, body: placed.order.id.to_string() }
}

fn access(buyer: &Buyer) -> CartAccess {
    CartAccess { user: Some(buyer.user.clone()), token_hash: None }
}

async fn shop(world: Arc<World>, at: usize) {
    for _ in 0..world.chance.between(1, 2) {
        fill_cart(&world, at).await;
    }
    quote(&world, at).await;
    place_as_quoted(&world, at).await;
}

async fn fill_cart(world: &World, at: usize) {
    let (Some(buyer), Some(good)) = (world.buyers.get(at), world.chance.pick(&world.goods)) else { return };
    let Ok(quantity) = Quantity::try_new(world.chance.up_to(3)) else { return };
    let key = world.chance.happens(500).then(|| format!("k{}", world.number()));
    let body = format!("{} {}", good.variant, quantity.get());
    let once = world.once::<CartPage>(buyer.user.as_str(), "put_cart_line", key.as_deref(), &body, ok);
    let put = put_line(&world.app, &buyer.cart, &access(buyer), &good.variant, quantity, &once).await;
    world.ended(&format!("buyer{at} puts {body} into the cart"), &put);
}

async fn quote(world: &World, at: usize) {
    let Some(buyer) = world.buyers.get(at) else { return };
    let address = Some(buyer.address.clone());
    let quoted = quote_cart(&world.app, &buyer.cart, &access(buyer), address).await;
    world.ended(&format!("buyer{at} asks for a quote"), &quoted);
    if let Ok(quoted) = quoted
        && let Some(seen) = lock(&world.memory).quotes.get_mut(at)
    {
        *seen = Some(quoted.hash);
    }
}

/// Orders under the last quote that was seen, which may be stale, with a key of its own or none.
async fn place_as_quoted(world: &World, at: usize) {
    let Some(buyer) = world.buyers.get(at) else { return };
    let Some(quote_hash) = lock(&world.memory).quotes.get(at).cloned().flatten() else { return };
    let command = PlaceOrder {
        buyer: buyer.user.clone(),
        cart: buyer.cart.clone(),
        address: buyer.address.clone(),
        quote_hash,
        render_quote: |_| "{}".to_owned(),
    };
    let key = (!world.chance.happens(100)).then(|| format!("k{}", world.number()));
    let number = {
        let mut memory = lock(&world.memory);
        memory.tries.push(Try { key, command, answered: std::collections::BTreeSet::new() });
        memory.tries.len().saturating_sub(1)
    };
    place(world, number).await;
}

async fn place_again(world: Arc<World>) {
    // Without a key a second call is a second order.
    let keyed: Vec<usize> = {
        let memory = lock(&world.memory);
        let keyed = memory.tries.iter().enumerate().filter(|(_, tried)| tried.key.is_some());
        keyed.map(|(number, _)| number).rev().take(6).collect()
    };
    if let Some(number) = world.chance.pick(&keyed) {
        place(&world, *number).await;
    }
}

async fn place(world: &World, number: usize) {
    let Some(tried) = lock(&world.memory).tries.get(number).cloned() else { return };
    let Try { key, command, .. } = tried;
    let body = format!("{} {}", command.cart, command.quote_hash);
    let once = world.once(command.buyer.as_str(), "place_order", key.as_deref(), &body, id_of);
    let placed = orders::place(&world.app, &command, &once).await;
    let told = placed.as_ref().map_or("nothing", |answer| answer.body.as_str()).to_owned();
    world.ended(&format!("{} orders under {key:?} and gets {told}", command.buyer), &placed);
    if let Ok(id) = OrderId::parse(&told)
        && let Some(tried) = lock(&world.memory).tries.get_mut(number)
    {
        tried.answered.insert(id);
    }
}

/// One of the orders, rather one that the deed makes sense for.
fn order(world: &World, fits: impl Fn(&Order) -> bool) -> Option<Order> {
    let books = lock(&world.books);
    let any = world.chance.happens(150);
    let fitting: Vec<&Order> = books.orders.values().filter(|order| any || fits(order)).collect();
    world.chance.pick(&fitting).map(|order| (*order).clone())
}

fn waits(order: &Order) -> bool {
    matches!(order.state, OrderState::AwaitingPayment { .. })
}

/// Mostly the buyer, sometimes somebody else, who must be refused.
fn caller(world: &World, order: &Order) -> UserId {
    let stranger = world.chance.happens(60).then(|| world.chance.pick(&world.buyers)).flatten();
    stranger.map_or_else(|| order.buyer.clone(), |stranger| stranger.user.clone())
}

fn judge<T>(world: &World, caller: &UserId, order: &Order, what: &str, outcome: &Result<T, Error>) {
    let what = format!("{caller} {what} {}", order.id);
    world.ended(&what, outcome);
    if outcome.is_ok() && *caller != order.buyer {
        world.notes.accuse(format!("{what}, which is not theirs"));
    }
}

async fn start_payment(world: Arc<World>) {
    let Some(order) = order(&world, waits) else { return };
    let caller = caller(&world, &order);
    let started = payments::start(&world.app, &world.provider, &order.id, &caller).await;
    judge(&world, &caller, &order, "starts to pay", &started);
}

fn act_at_provider(world: &World) {
    let all = world.provider.intents();
    let open = |status| status == PaymentStatus::AwaitingBuyer;
    let any = world.chance.happens(100);
    let ids: Vec<&str> = all
        .iter()
        .filter(|intent| any || open(intent.payment.status))
        .map(|intent| intent.payment.provider_id.as_str())
        .collect();
    let deeds = [
        (70, Deed::Pay),
        (12, Deed::Declined),
        (6, Deed::PayAnother),
        (2, Deed::PayForeign),
        (10, Deed::Abandon),
    ];
    if let (Some(id), Some(deed)) = (world.chance.pick(&ids), world.chance.weighted(&deeds)) {
        world.provider.act(id, *deed);
    }
}

async fn cancel(world: Arc<World>) {
    let cancellable = |order: &Order| waits(order) || matches!(order.state, OrderState::Paid { .. });
    let Some(order) = order(&world, cancellable) else { return };
    let caller = caller(&world, &order);
    let key = world.chance.happens(500).then(|| format!("cancel {}", order.id));
    let once = world.once::<OrderAggregate>(caller.as_str(), "cancel_order", key.as_deref(), "", ok);
    let cancelled = orders::cancel(&world.app, &order.id, &caller, &once).await;
    judge(&world, &caller, &order, "cancels", &cancelled);
}

fn part(world: &World, fits: impl Fn(&PartState) -> bool) -> Option<(Part, Order)> {
    let books = lock(&world.books);
    let any = world.chance.happens(150);
    let fitting: Vec<&Part> = books.parts.values().filter(|part| any || fits(&part.state)).collect();
    let part = (*world.chance.pick(&fitting)?).clone();
    let order = books.orders.get(&part.order)?.clone();
    Some((part, order))
}

async fn confirm_delivery(world: Arc<World>) {
    let travels = |state: &PartState| matches!(state, PartState::InTransit { .. });
    let Some((part, order)) = part(&world, travels) else { return };
    let caller = caller(&world, &order);
    confirm(&world, &part, &order, &caller).await;
}

/// The caller says that a part arrived.
pub async fn confirm(world: &World, part: &Part, order: &Order, caller: &UserId) {
    let key = format!("confirm {} {}", part.order, part.seller);
    let key = world.chance.happens(500).then_some(key);
    let once = world.once::<Part>(caller.as_str(), "confirm_delivery", key.as_deref(), "", ok);
    let done = shipping::confirm_delivery(&world.app, &part.order, &part.seller, caller, &once).await;
    judge(world, caller, order, "confirms a delivery of", &done);
}

async fn ship(world: Arc<World>) {
    let Some((part, _)) = part(&world, |state| matches!(state, PartState::AwaitingShipment)) else { return };
    let stranger = world.chance.happens(60).then(|| world.chance.pick(&world.goods)).flatten();
    let seller = stranger.map_or_else(|| part.seller.clone(), |good| good.seller.clone());
    ship_as(&world, &part.order, &seller).await;
}

/// A seller hands over what is theirs of an order.
pub async fn ship_as(world: &World, order: &OrderId, seller: &SellerId) {
    let number = if world.chance.happens(900) { "1" } else { "2" };
    let Ok(tracking) = Tracking::parse("dhl", number) else { return };
    let key = world.chance.happens(500).then(|| format!("ship {order} {number}"));
    let once = world.once::<Part>(seller.as_str(), "ship_part", key.as_deref(), number, ok);
    let shipped = shipping::ship(&world.app, order, seller, &tracking, &once).await;
    world.ended(&format!("{seller} ships {order}"), &shipped);
    let owns = lock(&world.books).parts.contains_key(&(order.clone(), seller.clone()));
    if shipped.is_ok() && !owns {
        world.notes.accuse(format!("{seller} shipped of {order}, which has no part of theirs"));
    }
}

async fn correct(world: Arc<World>) {
    let (Some(good), number) = (world.chance.pick(&world.goods), world.number()) else { return };
    let stranger = world.chance.happens(100).then(|| world.chance.pick(&world.goods)).flatten();
    let delta = match world.chance.below(20) {
        0 => 1_000_000_000,
        1..10 => i64::from(world.chance.up_to(4)).saturating_neg(),
        _ => i64::from(world.chance.up_to(4)),
    };
    let correction = Correction {
        seller: stranger.unwrap_or(good).seller.clone(),
        variant: good.variant.clone(),
        delta,
        reason: format!("count {number}"),
        key: world.chance.happens(700).then(|| format!("k{number}")),
    };
    lock(&world.memory).corrections.push(correction.clone());
    make(&world, &correction).await;
}

async fn correct_again(world: Arc<World>) {
    let keyed: Vec<Correction> =
        lock(&world.memory).corrections.iter().filter(|made| made.key.is_some()).cloned().collect();
    if let Some(correction) = world.chance.pick(&keyed) {
        make(&world, correction).await;
    }
}

async fn make(world: &World, correction: &Correction) {
    let Correction { seller, variant, delta, reason, key } = correction;
    let once = world.once::<Adjustment>(seller.as_str(), "adjust_stock", key.as_deref(), reason, ok);
    let made = inventory::adjust(&world.app, seller, variant, Count::Delta(*delta), reason, &once).await;
    let what = format!("{seller} corrects {variant} by {delta} ({reason}) under {key:?}");
    world.ended(&what, &made);
    let owner = world.goods.iter().find(|good| good.variant == *variant).map(|good| &good.seller);
    if made.is_ok() && owner != Some(seller) {
        world.notes.accuse(format!("{what}, which is not theirs"));
    }
}

/// The seller counts what is on the shelf; the difference is known to the database alone.
async fn recount(world: Arc<World>) {
    let (Some(good), number) = (world.chance.pick(&world.goods), world.number()) else { return };
    let count = world.chance.up_to(8);
    let reason = format!("{RECOUNT}{count} the {number}th time");
    let key = world.chance.happens(700).then(|| format!("k{number}"));
    let once = world.once::<Adjustment>(good.seller.as_str(), "adjust_stock", key.as_deref(), &reason, ok);
    let on_hand = Count::OnHand(count);
    let made = inventory::adjust(&world.app, &good.seller, &good.variant, on_hand, &reason, &once).await;
    world.ended(&format!("{} counts {count} of {} ({reason})", good.seller, good.variant), &made);
}

async fn change_price(world: Arc<World>) {
    let Some(good) = world.chance.pick(&world.goods) else { return };
    let changed = new_price(&world, &good.variant).await;
    world.notes.say(&format!("the price of {} changes: {}", good.variant, changed.is_ok()));
}

async fn new_price(world: &World, id: &VariantId) -> Result<(), crate::world::Failure> {
    let mut read = world.app.store.variant(id).await?.ok_or("no such variant")?;
    let variant: &mut Variant = &mut read.value;
    let minor = world.chance.between(1, 5_000);
    variant.price = sutler_domain::money::Money::try_new(minor, variant.price.currency())?;
    let key = variant_key(id);
    let item = encode(&key, "variant", read.version.next(), &read.value)?;
    let mut transaction = Transaction::new();
    transaction.replace(key, item, read.version);
    Ok(world.app.store.transact(transaction).await?)
}
