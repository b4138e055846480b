//! The people of a history and what they do, each deed a future of its own.

use std::{pin::Pin, sync::Arc, time::Duration};

use sutler_domain::{
    cart::Quantity,
    idempotency::Answer,
    ids::{OrderId, UserId, VariantId},
    order::{Order, OrderState, Part, PartState},
    shipping::Choices,
};
use sutler_gateways::payment::PaymentStatus;
use sutler_services::{
    Error,
    carts::{CartAccess, CartPage, put_line},
    guests,
    orders::{self, PlaceOrder, PlacedOrder},
    payments,
    quotes::quote_cart,
    shipping,
};
use sutler_store::orders::OrderAggregate;

use crate::{
    alerts, back, coupons,
    deeds::Deeds,
    delivery::{Line, deliver_batch, deliver_messages, rebalance, resolve, sweep},
    imports, labels, lock,
    provider::Deed,
    sellers::{change_price, correct, correct_again, recount, set_flash_sale, ship, ship_as},
    tracking,
    world::{Buyer, Try, World},
};

/// What somebody is doing.
pub type Doing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Somebody begins to do something.
pub fn next(world: &Arc<World>, weights: &[(u64, Deeds)]) -> Option<(Deeds, Doing)> {
    let deed = *world.chance.weighted(weights)?;
    let w = Arc::clone(world);
    let buyer = world.chance.place(world.buyers.len());
    let doing: Doing = match deed {
        Deeds::Shop => Box::pin(shop(w, buyer)),
        Deeds::FillCart => Box::pin(async move { fill_cart(&w, buyer).await }),
        Deeds::Quote => Box::pin(async move { quote(&w, buyer).await }),
        Deeds::PlaceAsQuoted => Box::pin(async move { drop(place_as_quoted(&w, buyer).await) }),
        Deeds::PlaceAgain => Box::pin(place_again(w)),
        Deeds::StartPayment => Box::pin(start_payment(w)),
        Deeds::ActAtProvider => Box::pin(async move { act_at_provider(&w) }),
        Deeds::Cancel => Box::pin(cancel(w)),
        Deeds::ConfirmDelivery => Box::pin(confirm_delivery(w)),
        Deeds::CancelUnits => Box::pin(back::cancel_units(w)),
        Deeds::Refund => Box::pin(back::refund(w)),
        Deeds::AskReturn => Box::pin(back::ask(w)),
        Deeds::DecideReturn => Box::pin(back::decide(w)),
        Deeds::ReceiveReturn => Box::pin(back::receive(w)),
        Deeds::Resolve => Box::pin(resolve(w)),
        Deeds::Ship => Box::pin(ship(w)),
        Deeds::Correct => Box::pin(correct(w)),
        Deeds::CorrectAgain => Box::pin(correct_again(w)),
        Deeds::Recount => Box::pin(recount(w)),
        Deeds::ChangePrice => Box::pin(change_price(w)),
        Deeds::SetFlashSale => Box::pin(set_flash_sale(w)),
        Deeds::Rebalance => Box::pin(rebalance(w)),
        Deeds::PutCoupon => Box::pin(async move { coupons::put(&w, buyer).await }),
        Deeds::ReviseCoupon => Box::pin(coupons::revise(w)),
        Deeds::ClaimOrders => Box::pin(claim_orders(w)),
        Deeds::SendByLabel => Box::pin(labels::send(w)),
        Deeds::BuyLabel => Box::pin(labels::buy(w)),
        Deeds::ShipByLabel => Box::pin(labels::ship(w)),
        Deeds::VoidLabel => Box::pin(labels::void(w)),
        Deeds::ResolveLabels => Box::pin(labels::resolve(w)),
        Deeds::CarrierTells => Box::pin(async move { tracking::tell(&w) }),
        Deeds::TrackingEvents => Box::pin(deliver_messages(w, Line::TrackingEvents)),
        Deeds::SendCounts => Box::pin(imports::send(w)),
        Deeds::CarryOutCounts => Box::pin(imports::work(w)),
        Deeds::JoinLine => Box::pin(alerts::join(w, buyer)),
        Deeds::LeaveLine => Box::pin(alerts::leave(w, buyer)),
        Deeds::OrderHeld => Box::pin(alerts::order(w)),
        Deeds::BackInStock => Box::pin(deliver_messages(w, Line::BackInStock)),
        Deeds::Stream => {
            let ready = lock(&world.traffic).ready();
            let at = *world.chance.pick(&ready)?;
            Box::pin(deliver_batch(w, at))
        }
        Deeds::PaymentEvents => Box::pin(deliver_messages(w, Line::PaymentEvents)),
        Deeds::PaymentCommands => Box::pin(deliver_messages(w, Line::PaymentCommands)),
        Deeds::Sweep => Box::pin(sweep(w)),
        Deeds::ClockJump => {
            let seconds = world.chance.between(1, if world.chance.happens(250) { 900 } else { 30 });
            world.db.clock().advance(Duration::from_secs(seconds));
            Box::pin(async move { w.notes.say(&format!("{seconds} s have passed")) })
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
    for _ in 0..world.chance.between(1, 3) {
        fill_cart(&world, at).await;
    }
    if world.chance.happens(500) {
        coupons::put(&world, at).await;
    }
    quote(&world, at).await;
    let placed = place_as_quoted(&world, at).await;
    let (Some(buyer), Some(id)) = (world.buyers.get(at), placed) else { return };
    if world.chance.happens(600) {
        let started = payments::start(&world.app, &world.provider, &id, &buyer.user).await;
        world.ended(&format!("{} starts to pay {id}", buyer.user), &started);
        if let Ok(started) = started
            && world.chance.happens(800)
        {
            world.provider.act(&started.payment.provider_id, Deed::Pay);
        }
    }
}

/// Somebody orders one thing, and whatever is in their cart.
pub async fn order_one(world: &World, at: usize, variant: &VariantId) {
    put(world, at, variant).await;
    quote(world, at).await;
    drop(place_as_quoted(world, at).await);
}

async fn fill_cart(world: &World, at: usize) {
    if let Some(good) = world.chance.pick(&world.goods) {
        put(world, at, &good.variant).await;
    }
}

async fn put(world: &World, at: usize, variant: &VariantId) {
    let Some(buyer) = world.buyers.get(at) else { return };
    let Ok(quantity) = Quantity::try_new(world.chance.up_to(2)) else { return };
    let key = world.chance.happens(500).then(|| format!("k{}", world.number()));
    let body = format!("{variant} {}", quantity.get());
    let once = world.once::<CartPage>(buyer.user.as_str(), "put_cart_line", key.as_deref(), &body, ok);
    let put = put_line(&world.app, &buyer.cart, &access(buyer), variant, quantity, &once).await;
    world.ended(&format!("buyer{at} puts {body} into the cart"), &put);
}

async fn quote(world: &World, at: usize) {
    let Some(buyer) = world.buyers.get(at) else { return };
    let address = Some(buyer.address.clone());
    let quoted = quote_cart(&world.app, &buyer.cart, &access(buyer), address, &Choices::new()).await;
    world.ended(&format!("buyer{at} asks for a quote"), &quoted);
    if let Ok(quoted) = quoted
        && let Some(seen) = lock(&world.memory).quotes.get_mut(at)
    {
        *seen = Some(quoted.hash);
    }
}

/// Orders under the last quote that was seen, which may be stale, with a key of its own or none.
async fn place_as_quoted(world: &World, at: usize) -> Option<OrderId> {
    let buyer = world.buyers.get(at)?;
    let quote_hash = lock(&world.memory).quotes.get(at).cloned().flatten()?;
    let command = PlaceOrder {
        buyer: buyer.user.clone(),
        cart: buyer.cart.clone(),
        address: buyer.address.clone(),
        shipping: Choices::new(),
        quote_hash,
        render_quote: |_| "{}".to_owned(),
    };
    let key = (!world.chance.happens(100)).then(|| format!("k{}", world.number()));
    let number = {
        let mut memory = lock(&world.memory);
        memory.tries.push(Try { key, command, answered: std::collections::BTreeSet::new() });
        memory.tries.len().saturating_sub(1)
    };
    place(world, number).await
}

async fn place_again(world: Arc<World>) {
    // Without a key a second call is a second order.
    let keyed: Vec<usize> = {
        let memory = lock(&world.memory);
        let keyed = memory.tries.iter().enumerate().filter(|(_, tried)| tried.key.is_some());
        keyed.map(|(number, _)| number).rev().take(6).collect()
    };
    if let Some(number) = world.chance.pick(&keyed) {
        drop(place(&world, *number).await);
    }
}

async fn place(world: &World, number: usize) -> Option<OrderId> {
    let Try { key, command, .. } = lock(&world.memory).tries.get(number).cloned()?;
    let body = format!("{} {}", command.cart, command.quote_hash);
    let once = world.once(command.buyer.as_str(), "place_order", key.as_deref(), &body, id_of);
    let placed = orders::place(&world.app, &command, &once).await;
    let told = placed.as_ref().map_or("nothing", |answer| answer.body.as_str()).to_owned();
    world.ended(&format!("{} orders under {key:?} and gets {told}", command.buyer), &placed);
    let id = OrderId::parse(&told).ok()?;
    lock(&world.memory).tries.get_mut(number)?.answered.insert(id.clone());
    Some(id)
}

/// Whatever is newest is what several people are busy with at once.
fn rather_the_last<'a, T>(world: &World, of: &'a [T]) -> Option<&'a T> {
    if world.chance.happens(500) { of.last() } else { world.chance.pick(of) }
}

/// One of the orders, rather one that the deed makes sense for.
fn order(world: &World, fits: impl Fn(&Order) -> bool) -> Option<Order> {
    let books = lock(&world.books);
    let any = world.chance.happens(150);
    let fitting: Vec<&Order> = books.orders.values().filter(|order| any || fits(order)).collect();
    rather_the_last(world, &fitting).map(|order| (*order).clone())
}

fn waits(order: &Order) -> bool {
    matches!(order.state, OrderState::AwaitingPayment { .. })
}

/// The account gets what was bought with its address before.
async fn claim_orders(world: Arc<World>) {
    let Some(account) = &world.account else { return };
    let claimed = guests::claim_orders(&world.app, account).await;
    world.ended(&format!("{account} claims what a guest bought"), &claimed);
    lock(&world.memory).claimed |= claimed.is_ok();
}

/// Mostly the buyer, sometimes somebody else, who must be refused.
pub fn caller(world: &World, order: &Order) -> UserId {
    let stranger = world.chance.happens(60).then(|| world.chance.pick(&world.buyers)).flatten();
    stranger.map_or_else(|| order.buyer.clone(), |stranger| stranger.user.clone())
}

pub fn judge<T>(world: &World, caller: &UserId, order: &Order, what: &str, outcome: &Result<T, Error>) {
    let what = format!("{caller} {what} {}", order.id);
    world.ended(&what, outcome);
    if outcome.is_ok() && *caller != order.buyer {
        world.notes.accuse(format!("{what}, which is not theirs"));
    }
}

async fn start_payment(world: Arc<World>) {
    if let Some(order) = order(&world, waits) {
        start(&world, &order).await;
    }
}

async fn start(world: &World, order: &Order) {
    let caller = caller(world, order);
    let started = payments::start(&world.app, &world.provider, &order.id, &caller).await;
    judge(world, &caller, order, "starts to pay", &started);
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
    if let Some(order) = order(&world, cancellable) {
        give_up(&world, &order).await;
    }
}

async fn give_up(world: &World, order: &Order) {
    let caller = caller(world, order);
    // What somebody was answered while the order was theirs they may be answered again, after it was claimed.
    let key = world.chance.happens(500).then(|| format!("cancel {} of {}", order.id, order.buyer));
    let once = world.once::<OrderAggregate>(caller.as_str(), "cancel_order", key.as_deref(), "", ok);
    let cancelled = orders::cancel(&world.app, &order.id, &caller, None, &once).await;
    judge(world, &caller, order, "cancels", &cancelled);
}

/// Everybody who has to do with one order does it now, each without knowing of the others.
pub fn rush(world: &Arc<World>) -> Vec<Doing> {
    let mut all: Vec<Doing> = Vec::new();
    let Some(order) = order(world, |order| waits(order) || matches!(order.state, OrderState::Paid { .. }))
    else {
        return all;
    };
    let parts: Vec<Part> = lock(&world.books).parts.values().cloned().collect();
    for part in parts.into_iter().filter(|part| part.order == order.id) {
        let (w, order) = (Arc::clone(world), order.clone());
        all.push(Box::pin(async move {
            if matches!(part.state, PartState::InTransit) {
                confirm(&w, &part, &order, &order.buyer).await;
            } else {
                ship_as(&w, &order.id, &part.seller).await;
            }
        }));
    }
    if let OrderState::AwaitingPayment { expires_at } = &order.state {
        if world.chance.happens(200) && *expires_at > world.app.now() {
            world.db.clock().set(*expires_at);
            let (w, order) = (Arc::clone(world), order.clone());
            all.push(Box::pin(async move { start(&w, &order).await }));
        }
        let own = |id: &Option<String>| id.as_deref() == Some(order.id.as_str());
        let intents = world.provider.intents();
        let deed = world.chance.weighted(&[(2, Deed::Pay), (2, Deed::Abandon), (1, Deed::Declined)]);
        for intent in intents.iter().filter(|intent| own(&intent.payment.order_id)) {
            if let Some(deed) = deed {
                world.provider.act(&intent.payment.provider_id, *deed);
            }
        }
        let lines = [Line::PaymentEvents, Line::PaymentEvents];
        all.extend(lines.map(|line| -> Doing { Box::pin(deliver_messages(Arc::clone(world), line)) }));
        all.push(Box::pin(sweep(Arc::clone(world))));
    }
    if world.chance.happens(500) {
        let (w, order) = (Arc::clone(world), order.clone());
        all.push(Box::pin(async move { give_up(&w, &order).await }));
    }
    all.extend(back::rush(world, &order));
    all.extend(labels::rush(world, &order));
    all
}

/// One of the parts, rather one that the deed makes sense for.
pub fn part(world: &World, fits: impl Fn(&PartState) -> bool) -> Option<(Part, Order)> {
    let books = lock(&world.books);
    let any = world.chance.happens(150);
    let fitting: Vec<&Part> = books.parts.values().filter(|part| any || fits(&part.state)).collect();
    let last = fitting.last().map(|part| &part.order);
    let newest: Vec<&Part> = fitting.iter().filter(|part| Some(&part.order) == last).copied().collect();
    let among = if world.chance.happens(500) { &newest } else { &fitting };
    let part = (*world.chance.pick(among)?).clone();
    let order = books.orders.get(&part.order)?.clone();
    Some((part, order))
}

async fn confirm_delivery(world: Arc<World>) {
    let travels = |state: &PartState| matches!(state, PartState::InTransit | PartState::PartlyShipped);
    let Some((part, order)) = part(&world, travels) else { return };
    let caller = caller(&world, &order);
    confirm(&world, &part, &order, &caller).await;
}

/// The caller says that a part arrived.
pub async fn confirm(world: &World, part: &Part, order: &Order, caller: &UserId) {
    // What was confirmed before this shipment, or by a guest before the claim, is another call.
    let key = format!("confirm {} {} {} {}", order.buyer, part.order, part.seller, part.shipments.len());
    let key = world.chance.happens(500).then_some(key);
    let once = world.once::<Part>(caller.as_str(), "confirm_delivery", key.as_deref(), "", ok);
    let done = shipping::confirm_delivery(&world.app, &part.order, (&part.seller, None), caller, &once).await;
    judge(world, caller, order, "confirms a delivery of", &done);
}
