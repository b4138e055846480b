//! One history: who is there, whose turn it is, who dies, and how it all comes to rest.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use sutler_domain::order::{Part, PartState};

use crate::{
    back,
    cast::{self, Doing, confirm},
    chance::Chance,
    deeds::{self, Deeds},
    delivery::{Line, deliver_batch, deliver_messages, forward, rebalance, resolve, sweep},
    labels, lock,
    mutations::Mutation,
    notes::{Book, Counts, add},
    sellers::ship_as,
    tracking, verdict,
    wire::Weather,
    world::{Failure, World},
};

/// How often something may be polled before it counts as stuck.
const POLLS_MAX: u32 = 100_000;
/// How many times everything that repeats is run before it counts as never coming to rest.
const ROUNDS_MAX: u32 = 60;
/// How many of these rounds still have the weather of the history.
const ROUGH_ROUNDS: u32 = 4;
/// What part of a history's deeds is left for those who send what was sold.
const SENDERS_SHARE: u32 = 3;
/// How often money that comes back from a card is sent there again.
const SEEN_TO_MAX: u32 = 8;

/// A history that was played.
#[derive(Debug, Clone)]
pub struct History {
    /// Its seed.
    pub seed: u64,
    /// What happened in it.
    pub book: Book,
    /// How many times somebody had a turn.
    pub steps: u64,
    /// Its orders at the end, by state.
    pub orders: Counts,
    /// Its labels, by state.
    pub labels: Counts,
    /// Its shipments, by state.
    pub shipments: Counts,
    /// Its imports of counts, by state.
    pub imports: Counts,
    /// Payments that went back.
    pub refunds: u64,
}

impl History {
    /// The first thing that must not happen and did.
    #[must_use]
    pub fn wrong(&self) -> Option<&str> {
        self.book.wrong.first().map(String::as_str)
    }
}

/// Plays the history of `seed`: `deeds` things are begun, with `mutation` planted.
pub fn play(seed: u64, deeds: u32, mutation: Option<&'static Mutation>) -> Result<History, Failure> {
    // The SDK makes timers before it looks whether it needs them. Nobody drives this runtime, so none ever rings.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let _entered = runtime.enter();
    let world = Arc::new(finish(World::open(seed, mutation))??);
    forward(&world);
    let mut steps = act(&world, deeds, deeds::EVERYBODY);
    if !world.notes.is_wrong() {
        finish(come_to_rest(Arc::clone(&world)))??;
    }
    if !world.notes.is_wrong() {
        let senders = deeds.checked_div(SENDERS_SHARE).unwrap_or(0);
        steps = steps.saturating_add(act(&world, senders, deeds::SENDERS));
    }
    if !world.notes.is_wrong() {
        finish(come_to_an_end(Arc::clone(&world)))??;
    }
    let refunds = world.provider.intents().iter().filter(|intent| intent.refunded_minor() > 0).count();
    let refunds = u64::try_from(refunds).unwrap_or(u64::MAX);
    let (book, books) = (world.notes.book(), lock(&world.books));
    let parts = || books.parts.values();
    Ok(History {
        seed,
        book,
        steps,
        orders: count(books.orders.values().map(|order| order.state.name())),
        labels: count(parts().flat_map(|part| &part.labels).map(|label| label.state.name())),
        shipments: count(parts().flat_map(|part| &part.shipments).map(|one| one.state.name())),
        imports: count(books.imports.values().map(|import| import.state.name())),
        refunds,
    })
}

fn count(states: impl Iterator<Item = &'static str>) -> Counts {
    let mut counts = Counts::new();
    states.for_each(|state| add(&mut counts, state));
    counts
}

/// Somebody who is doing something.
struct Actor {
    name: String,
    doing: Doing,
}

/// The random part. Answers how many turns there were.
fn act(world: &Arc<World>, deeds: u32, weights: &[(u64, Deeds)]) -> u64 {
    let chance: &Chance = &world.chance;
    world.weather.set(chance.weighted(&[(2, 0), (3, 1), (3, 2), (2, 4)]).copied().unwrap_or(1));
    let crowd = chance.place(8).saturating_add(1);
    let deadly = if world.weather.level() == 0 { 0 } else { chance.below(12) };
    let (mut begun, mut turns) = (0_u32, 0_u64);
    let mut actors: Vec<Actor> = Vec::new();
    while (begun < deeds || !actors.is_empty()) && !world.notes.is_wrong() {
        turns = turns.saturating_add(1);
        if begun < deeds && actors.len() < crowd && (actors.is_empty() || chance.happens(300)) {
            begun = begun.saturating_add(1);
            let (kind, doings) = if chance.happens(50) {
                ("Rush".to_owned(), cast::rush(world))
            } else {
                let Some((deed, doing)) = cast::next(world, weights) else { continue };
                (format!("{deed:?}"), vec![doing])
            };
            world.notes.begin(&kind);
            for (doing, letter) in doings.into_iter().zip('a'..) {
                actors.push(Actor { name: format!("#{begun}{letter} {kind}"), doing });
            }
            continue;
        }
        let at = chance.place(actors.len());
        let Some(actor) = actors.get_mut(at) else { continue };
        world.notes.turn_of(&actor.name);
        if chance.happens(deadly) {
            world.notes.fault("crash");
            drop(actors.swap_remove(at));
        } else if poll(&mut actor.doing).is_ready() {
            drop(actors.swap_remove(at));
        }
        world.db.clock().advance(Duration::from_millis(chance.below(40)));
        forward(world);
    }
    turns
}

fn poll<T>(doing: &mut std::pin::Pin<Box<dyn Future<Output = T> + Send>>) -> Poll<T> {
    doing.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs something to its end, alone.
fn finish<T>(doing: impl Future<Output = T> + Send) -> Result<T, Failure> {
    let mut doing = std::pin::pin!(doing);
    for _ in 0..POLLS_MAX {
        if let Poll::Ready(outcome) = doing.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Ok(outcome);
        }
    }
    Err("something waits for ever".into())
}

/// Nothing fails any more; whatever repeats is repeated until nothing is left, and then everything must be in order.
async fn come_to_rest(world: Arc<World>) -> Result<(), Failure> {
    calm_down(&world).await;
    wait_out(&world).await;
    verdict::check(&world).await
}

/// Everything on its way takes a few steps more as things are, and then nothing fails any more.
async fn calm_down(world: &Arc<World>) {
    let weather: &Weather = &world.weather;
    world.notes.turn_of("at rest");
    for _ in 0..ROUGH_ROUNDS {
        round(world).await;
    }
    weather.set(0);
    world.notes.say("nothing fails any more");
}

/// Everything that was begun is finished, and then everything must be in order once more.
async fn come_to_an_end(world: Arc<World>) -> Result<(), Failure> {
    calm_down(&world).await;
    settle(&world).await;
    world.notes.say("everything is shipped and delivered");
    for part in parts(&world) {
        if matches!(part.state, PartState::AwaitingShipment | PartState::PartlyShipped) {
            ship_as(&world, &part.order, &part.seller).await;
        }
    }
    settle(&world).await;
    tracking::bring(&world);
    settle(&world).await;
    // What is not heard now, buyers say themselves.
    tracking::check(&world);
    for part in parts(&world) {
        let order = lock(&world.books).orders.get(&part.order).cloned();
        let travels =
            matches!(part.state, PartState::PartlyShipped | PartState::InTransit | PartState::OutForDelivery);
        if let Some(order) = order.filter(|_| travels) {
            confirm(&world, &part, &order, &order.buyer).await;
        }
    }
    settle(&world).await;
    world.notes.say("some of it goes back");
    back::ask(Arc::clone(&world)).await;
    settle(&world).await;
    back::decide(Arc::clone(&world)).await;
    settle(&world).await;
    back::receive(Arc::clone(&world)).await;
    wait_out(&world).await;
    for _ in 0..SEEN_TO_MAX {
        let is_done = back::see_to_the_rest(&world).await;
        wait_out(&world).await;
        if is_done {
            break;
        }
    }
    verdict::check_ended(&world);
    verdict::check(&world).await
}

/// Long enough for everything that waits: for payment, twice for the provider's word, and for what carriers take back.
async fn wait_out(world: &Arc<World>) {
    for _ in 0..3 {
        settle(world).await;
        world.db.clock().advance(Duration::from_secs(1_000));
    }
    settle(world).await;
    labels::wait(world);
    settle(world).await;
}

fn parts(world: &World) -> Vec<Part> {
    lock(&world.books).parts.values().cloned().collect()
}

/// Each stream and queue delivers once.
async fn round(world: &Arc<World>) {
    let ready = lock(&world.traffic).ready();
    for at in ready {
        deliver_batch(Arc::clone(world), at).await;
        forward(world);
    }
    for line in Line::ALL {
        deliver_messages(Arc::clone(world), line).await;
        forward(world);
    }
}

/// Runs the sweep, and streams and queues until nothing is under way.
async fn settle(world: &Arc<World>) {
    sweep(Arc::clone(world)).await;
    resolve(Arc::clone(world)).await;
    rebalance(Arc::clone(world)).await;
    labels::resolve(Arc::clone(world)).await;
    for _ in 0..ROUNDS_MAX {
        forward(world);
        if lock(&world.traffic).pending() == 0 {
            return;
        }
        round(world).await;
    }
    let left = lock(&world.traffic).pending();
    world.notes.accuse(format!("{left} records and messages never come to an end"));
}
