//! What carries news between the parts: streams in shards, the bus with its rules, queues that repeat.

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Value, json};
use sutler_runtime::{
    Handled,
    worker::{self, QueueMessage},
};
use sutler_store::stream::StreamRecord;
use sutler_testkit::{Change, lambda_event};
use workers::{
    expire_orders, process_payment_events, process_tracking_events, publish_events, rebalance_stock,
    record_stock_movements::{self, Bookkeeper},
    resolve_payments, run_payment_commands,
};

use crate::{
    alerts, imports, lock,
    mutations::{DeliveryBug, Mutation},
    world::{World, chain},
};

/// How many shards the stream has.
const SHARDS: u8 = 2;
/// The events that the rule hands to the queue of payment commands (see infra/messaging.yaml).
const COMMANDS: [&str; 2] = ["payment.refund_requested", "order.cancelled"];
/// The event that a rule hands to the queue of what is new about parcels.
const SHIPPED: &str = "part.shipped";

/// Who reads a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// `publish_events`.
    Publisher,
    /// `record_stock_movements`.
    Bookkeeper,
}

/// One shard of a stream as one reader sees it.
#[derive(Debug)]
pub struct Feed {
    reader: Reader,
    records: VecDeque<Change>,
    busy: bool,
}

/// A message of a queue, until it is deleted.
#[derive(Debug, Clone)]
struct Letter {
    id: u64,
    body: String,
    out: bool,
}

/// Which queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// What the provider told.
    PaymentEvents,
    /// What the provider is to be asked.
    PaymentCommands,
    /// What carriers told, and which parcels are to be followed.
    TrackingEvents,
    /// Which counts are to be carried out.
    Imports,
    /// What is back in stock.
    BackInStock,
}

impl Line {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::PaymentEvents, Self::PaymentCommands, Self::TrackingEvents, Self::Imports, Self::BackInStock];
}

/// Everything that is under way.
#[derive(Debug)]
pub struct Traffic {
    feeds: Vec<Feed>,
    events: Vec<Letter>,
    commands: Vec<Letter>,
    parcels: Vec<Letter>,
    imports: Vec<Letter>,
    back: Vec<Letter>,
    /// How many messages about what is back in stock were taken.
    queued: usize,
    /// How many events of the bus the rules have seen, after how many calls.
    routed: (usize, usize),
    letters: u64,
}

impl Default for Traffic {
    fn default() -> Self {
        let feed = |reader| Feed { reader, records: VecDeque::new(), busy: false };
        let feeds = (0..SHARDS).flat_map(|_| [feed(Reader::Publisher), feed(Reader::Bookkeeper)]).collect();
        Self {
            feeds,
            events: Vec::new(),
            commands: Vec::new(),
            parcels: Vec::new(),
            imports: Vec::new(),
            back: Vec::new(),
            queued: 0,
            routed: (0, 0),
            letters: 0,
        }
    }
}

impl Traffic {
    fn line(&mut self, line: Line) -> &mut Vec<Letter> {
        match line {
            Line::PaymentEvents => &mut self.events,
            Line::PaymentCommands => &mut self.commands,
            Line::TrackingEvents => &mut self.parcels,
            Line::Imports => &mut self.imports,
            Line::BackInStock => &mut self.back,
        }
    }

    fn post(&mut self, line: Line, body: &str) {
        self.letters = self.letters.saturating_add(1);
        let letter = Letter { id: self.letters, body: body.to_owned(), out: false };
        self.line(line).push(letter);
    }

    /// The shards that have something to deliver.
    #[must_use]
    pub fn ready(&self) -> Vec<usize> {
        let ready = |(_, feed): &(usize, &Feed)| !feed.busy && !feed.records.is_empty();
        self.feeds.iter().enumerate().filter(ready).map(|(at, _)| at).collect()
    }

    /// How much is under way.
    #[must_use]
    pub fn pending(&self) -> usize {
        let records: usize = self.feeds.iter().map(|feed| feed.records.len()).sum();
        let letters = [&self.events, &self.commands, &self.parcels, &self.imports, &self.back];
        letters.iter().fold(records, |sum, line| sum.saturating_add(line.len()))
    }

    /// A record goes to the readers whose filter lets it pass (see template.yaml).
    fn stream(&mut self, change: &Change) {
        let reader = if change.sk.starts_with("EVENT#") && change.event_name == "INSERT" {
            Reader::Publisher
        } else if change.sk.starts_with("STOCK#") {
            Reader::Bookkeeper
        } else {
            return;
        };
        let shard = change.pk.bytes().fold(0_u8, u8::wrapping_add).checked_rem(SHARDS).unwrap_or(0);
        let mut own = self.feeds.iter_mut().filter(|feed| feed.reader == reader);
        if let Some(feed) = own.nth(usize::from(shard)) {
            feed.records.push_back(change.clone());
        }
    }
}

/// Puts a message into a queue.
pub fn post(world: &World, line: Line, body: &str) {
    lock(&world.traffic).post(line, body);
}

/// Takes note of what was committed, told and published since the last look, and sends it on its way.
pub fn forward(world: &World) {
    if world.wire.was_written() {
        for change in world.db.drain_stream() {
            let wrong = lock(&world.books).enter(&change, world.app.now());
            for text in wrong {
                world.notes.accuse(text);
            }
            lock(&world.traffic).stream(&change);
        }
    }
    for webhook in world.provider.take_webhooks() {
        let copies = if world.weather.level() == 0 { 1 } else { world.chance.between(1, 3) };
        for _ in 0..copies {
            post(world, Line::PaymentEvents, &webhook);
        }
    }
    let mut traffic = lock(&world.traffic);
    let calls = world.cloud.calls();
    if calls != traffic.routed.1 {
        let published = world.cloud.published();
        for event in published.iter().skip(traffic.routed.0) {
            let rule = match event.detail_type.as_str() {
                kind if COMMANDS.contains(&kind) => Some(Line::PaymentCommands),
                SHIPPED => Some(Line::TrackingEvents),
                _ => None,
            };
            if let Some(line) = rule {
                let detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
                let body = json!({ "detail-type": event.detail_type, "detail": detail }).to_string();
                let copies = if world.chance.happens(50) { 2 } else { 1 };
                (0..copies).for_each(|_| traffic.post(line, &body));
            }
        }
        let queued = world.cloud.queued();
        for message in queued.iter().skip(traffic.queued) {
            let copies = if world.chance.happens(50) { 2 } else { 1 };
            (0..copies).for_each(|_| traffic.post(Line::BackInStock, &message.body));
        }
        traffic.queued = queued.len();
        traffic.routed = (published.len(), calls);
    }
}

/// A shard that is being read; nobody else reads it meanwhile, even if the reader dies.
struct Lease<'a> {
    world: &'a World,
    at: usize,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(feed) = lock(&self.world.traffic).feeds.get_mut(self.at) {
            feed.busy = false;
        }
    }
}

impl World {
    fn lease(&self, at: usize) -> Option<(Lease<'_>, Reader, Vec<Change>)> {
        let mut traffic = lock(&self.traffic);
        let feed = traffic.feeds.get_mut(at).filter(|feed| !feed.busy && !feed.records.is_empty())?;
        feed.busy = true;
        let some = self.chance.place(feed.records.len()).saturating_add(1).min(12);
        let batch = feed.records.iter().take(some).cloned().collect();
        Some((Lease { world: self, at }, feed.reader, batch))
    }

    fn has(&self, bug: DeliveryBug) -> bool {
        self.mutation.and_then(Mutation::delivery_bug) == Some(bug)
    }
}

/// A reader gets the next records of a shard, the same again until it succeeds, and sometimes once more.
pub async fn deliver_batch(world: Arc<World>, at: usize) {
    let Some((_lease, reader, batch)) = world.lease(at) else { return };
    world.notes.say(&format!("{} records for the {reader:?}", batch.len()));
    let Ok(records) = serde_json::from_value(lambda_event(&batch)) else {
        world.notes.accuse("a batch of the stream does not read");
        return;
    };
    let handled = match reader {
        Reader::Publisher => publish(&world, &batch, records).await,
        Reader::Bookkeeper => {
            let bookkeeper = Bookkeeper { app: world.app.clone(), queue: world.queue.clone() };
            let handle = |bookkeeper, records: Vec<StreamRecord>| {
                let world = Arc::clone(&world);
                async move {
                    let handled = record_stock_movements::handle(bookkeeper, records).await;
                    world.ended("movements", &handled);
                    handled
                }
            };
            worker::stream_batch(&bookkeeper, &handle, records).await.is_ok()
        }
    };
    let unnoted = world.weather.level() > 0 && world.chance.happens(80);
    if (handled && !unnoted) || world.has(DeliveryBug::BatchesAreNotRepeated) {
        let mut traffic = lock(&world.traffic);
        if let Some(feed) = traffic.feeds.get_mut(at) {
            feed.records.drain(..batch.len());
        }
    }
}

async fn publish(world: &World, batch: &[Change], records: worker::StreamBatch<StreamRecord>) -> bool {
    let fails = world.chance.happens(world.weather.level().saturating_mul(50));
    match world.chance.below(3) {
        _ if !fails => {}
        0 => {
            world.notes.fault("bus: request lost");
            world.cloud.fail(503);
        }
        1 => {
            world.notes.fault("bus: answer lost");
            world.cloud.lose_answer();
        }
        _ => {
            if let Some(kind) = world.chance.pick(batch).and_then(kind_of) {
                world.notes.fault("bus: event refused");
                world.cloud.refuse_event(&kind);
            }
        }
    }
    let handle = |bus, records: Vec<StreamRecord>| publish_events::handle(bus, records);
    let outcome = worker::stream_batch(&world.bus, &handle, records).await;
    world.notes.say(if outcome.is_ok() { "published" } else { "not all published" });
    outcome.is_ok()
}

fn kind_of(change: &Change) -> Option<String> {
    let event = change.new.as_ref()?.get("event")?.as_m().ok()?;
    event.get("type")?.as_s().ok().cloned()
}

/// A worker gets one to three messages in any order, sometimes ones that another worker has right now.
pub async fn deliver_messages(world: Arc<World>, line: Line) {
    let letters = take(&world, line);
    if letters.is_empty() {
        return;
    }
    let ids: Vec<String> = letters.iter().map(|letter| letter.id.to_string()).collect();
    world.notes.say(&format!("messages {} of {line:?}", ids.join(", ")));
    let record = |letter: &Letter| json!({ "messageId": letter.id.to_string(), "body": letter.body });
    let records: Vec<Value> = letters.iter().map(record).collect();
    let Ok(batch) = serde_json::from_value(json!({ "Records": records })) else {
        world.notes.accuse("a batch of a queue does not read");
        return;
    };
    let state: &World = &world;
    let handle = |world, message| handle_message(world, line, message);
    let answer = worker::queue_batch(state, &handle, batch).await;
    let kept = serde_json::to_value(answer).unwrap_or_default().to_string();
    for letter in letters {
        let again = world.weather.level() > 0 && world.chance.happens(80);
        let failed =
            kept.contains(&format!("\"{}\"", letter.id)) && !world.has(DeliveryBug::MessagesAreNotRepeated);
        let mut traffic = lock(&world.traffic);
        if failed || again {
            let found = traffic.line(line).iter_mut().find(|other| other.id == letter.id);
            if let Some(other) = found {
                other.out = false;
            }
        } else {
            traffic.line(line).retain(|other| other.id != letter.id);
        }
    }
}

async fn handle_message(world: &World, line: Line, message: QueueMessage) -> Handled {
    let id = message.message_id.clone();
    let handled = match line {
        Line::PaymentEvents => process_payment_events::handle(&world.commands, message).await,
        Line::PaymentCommands => run_payment_commands::handle(&world.commands, message).await,
        Line::TrackingEvents => process_tracking_events::handle(&world.app, message).await,
        Line::Imports => imports::go_on(world, &message).await,
        Line::BackInStock => alerts::hear(world, message).await,
    };
    world.ended(&format!("message {id}"), &handled);
    handled
}

fn take(world: &World, line: Line) -> Vec<Letter> {
    let mut traffic = lock(&world.traffic);
    let letters = traffic.line(line);
    let mut taken: Vec<Letter> = Vec::new();
    for _ in 0..world.chance.between(1, 3) {
        let place = world.chance.place(letters.len());
        let Some(letter) = letters.get_mut(place) else { continue };
        // A message that was taken comes back when its worker is too slow.
        let visible = !letter.out || world.weather.level() == 0 || world.chance.happens(250);
        if visible && taken.iter().all(|other| other.id != letter.id) {
            letter.out = true;
            taken.push(letter.clone());
        }
    }
    taken
}

/// The schedule starts the sweep.
pub async fn sweep(world: Arc<World>) {
    match expire_orders::handle(&world.app).await {
        Ok(swept) => world.notes.say(&serde_json::to_string(&swept).unwrap_or_default()),
        Err(error) => world.notes.say(&chain(&error)),
    }
}

/// The schedule asks the provider what it should have told.
pub async fn resolve(world: Arc<World>) {
    match resolve_payments::handle(&world.commands).await {
        Ok(resolved) => world.notes.say(&serde_json::to_string(&resolved).unwrap_or_default()),
        Err(error) => world.notes.say(&chain(&error)),
    }
}

/// The schedule starts the rebalancer.
pub async fn rebalance(world: Arc<World>) {
    match rebalance_stock::handle(&world.app).await {
        Ok(moved) => world.notes.say(&serde_json::to_string(&moved).unwrap_or_default()),
        Err(error) => world.notes.say(&chain(&error)),
    }
}
