//! One marketplace of its own: a fresh database, a provider, a bus, and the people of a history.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use sutler_domain::{
    coupon::{CouponCode, Funder},
    idempotency::{Answer, Once, OnceKey},
    ids::{AddressId, CartId, ImportId, OrderId, SellerId, UserId, VariantId},
    money::{BasisPoints, Currency},
};
use sutler_gateways::bus::Bus;
use sutler_runtime::queue::Sender;
use sutler_services::{
    App, Error, Settings, flash_sales::Terms, gateways::Gateways, labels::Forwarder, orders::PlaceOrder,
};
use sutler_store::{Store, StoreError, TableNames};
use sutler_testkit::{CATALOG, COMMERCE, FakeClock, IDENTITY, LEDGER, SeqIds, TestCloud, TestDb};
use workers::run_payment_commands::PaymentCommands;

use crate::{
    books::Books,
    chance::Chance,
    delivery::Traffic,
    depot::Depot,
    imports::Files,
    labels::Seen,
    lock,
    mutations::Mutation,
    notes::Notes,
    provider::Provider,
    wire::{Weather, Wire},
};

/// Anything that keeps a history from being played at all.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Somebody who buys.
#[derive(Debug, Clone)]
pub struct Buyer {
    /// Who.
    pub user: UserId,
    /// Their cart.
    pub cart: CartId,
    /// Where they live.
    pub address: AddressId,
}

/// Something that is sold.
#[derive(Debug, Clone)]
pub struct Good {
    /// What.
    pub variant: VariantId,
    /// Whose.
    pub seller: SellerId,
    /// How many there were at first.
    pub units: u32,
}

/// An order that somebody tried to place, to be tried again under its key.
#[derive(Debug, Clone)]
pub struct Try {
    /// The key it goes under, if any.
    pub key: Option<String>,
    /// What was asked.
    pub command: PlaceOrder,
    /// The orders that were answered.
    pub answered: BTreeSet<OrderId>,
}

/// A correction of stock that a seller tried to make.
#[derive(Debug, Clone)]
pub struct Correction {
    /// Who asked.
    pub seller: SellerId,
    /// Of what.
    pub variant: VariantId,
    /// By how many.
    pub delta: i64,
    /// Why; no two corrections have the same reason.
    pub reason: String,
    /// The key it goes under, if any.
    pub key: Option<String>,
}

/// What people remember.
#[derive(Debug, Default)]
pub struct Memory {
    /// The last quote that each buyer saw.
    pub quotes: Vec<Option<String>>,
    /// All orders that were tried.
    pub tries: Vec<Try>,
    /// All corrections that were tried.
    pub corrections: Vec<Correction>,
    /// What carriers asked, as far as sellers saw it.
    pub offers: Vec<Seen>,
    /// What carriers told.
    pub told: Vec<String>,
    /// The imports that were answered.
    pub imports: Vec<ImportId>,
    /// Those whose file was uploaded, and whether a worker came to their end.
    pub uploads: BTreeMap<ImportId, bool>,
    /// Whether the account has what the guest bought.
    pub claimed: bool,
    /// A number for everything that needs one of its own.
    pub numbers: u64,
}

/// Everything in one history.
pub struct World {
    /// The application, as a function has it.
    pub app: App,
    /// Its database.
    pub db: TestDb,
    /// The bus behind `bus`.
    pub cloud: TestCloud,
    /// The adapter of the bus.
    pub bus: Bus,
    /// The queue of what is back in stock. What is on it is taken from the cloud, and delivered like everything else.
    pub queue: Sender,
    /// The payment provider.
    pub provider: Provider,
    /// The provider of labels.
    pub depot: Depot,
    /// The store of files.
    pub files: Files,
    /// What the worker of payment commands has.
    pub commands: PaymentCommands,
    /// All decisions.
    pub chance: Chance,
    /// What happened.
    pub notes: Notes,
    /// How much fails.
    pub weather: Weather,
    /// What is planted.
    pub mutation: Option<&'static Mutation>,
    /// The line to the database.
    pub wire: Arc<Wire>,
    /// Who buys; the last one may be a guest.
    pub buyers: Vec<Buyer>,
    /// The account that has proven the address the guest gave.
    pub account: Option<UserId>,
    /// What is sold.
    pub goods: Vec<Good>,
    /// Where each seller sends from.
    pub senders: BTreeMap<SellerId, AddressId>,
    /// The coupons there are, and who made them.
    pub coupons: Vec<(CouponCode, Funder)>,
    /// What people remember.
    pub memory: Mutex<Memory>,
    /// What the streams told so far.
    pub books: Mutex<Books>,
    /// What is under way between the parts.
    pub traffic: Mutex<Traffic>,
}

impl World {
    /// Opens the marketplace of this seed.
    ///
    /// # Errors
    /// When the first items cannot be written.
    pub async fn open(seed: u64, mutation: Option<&'static Mutation>) -> Result<Self, Failure> {
        let chance = Chance::new(seed);
        let clock = FakeClock::default();
        let db = TestDb::with_clock(clock.clone());
        let (notes, weather) = (Notes::new(clock.clone()), Weather::default());
        let wire = Wire::new(chance.clone(), notes.clone(), weather.clone(), mutation);
        let wire = Arc::new(wire);
        let names = TableNames {
            identity: IDENTITY.to_owned(),
            catalog: CATALOG.to_owned(),
            commerce: COMMERCE.to_owned(),
            ledger: LEDGER.to_owned(),
        };
        let ids = Arc::new(SeqIds::default());
        let store = Store::new(db.client_without_waiting(), names, ids.clone());
        let depot = Depot::new((chance.clone(), notes.clone(), weather.clone()), clock.clone(), mutation);
        let files = Files::new(chance.clone(), notes.clone(), weather.clone());
        let mut app = App::new(store, Arc::new(clock), ids, settings()?);
        app.forwarder = Forwarder::new(Some(Arc::new(depot.clone())));
        let provider = Provider::new(chance.clone(), notes.clone(), weather.clone(), mutation);
        let commands =
            PaymentCommands { app: app.clone(), gateways: Gateways::default().with(provider.clone()) };
        let cloud = TestCloud::default();
        let mut world = Self {
            bus: cloud.bus(),
            queue: Sender::new(cloud.queue(), "back-in-stock"),
            app,
            db,
            cloud,
            provider,
            depot,
            files,
            commands,
            chance,
            notes,
            weather,
            mutation,
            wire: Arc::clone(&wire),
            buyers: Vec::new(),
            account: None,
            goods: Vec::new(),
            senders: BTreeMap::new(),
            coupons: Vec::new(),
            memory: Mutex::default(),
            books: Mutex::default(),
            traffic: Mutex::default(),
        };
        world.populate().await?;
        world.spread().await?;
        world.db.tap(wire);
        Ok(world)
    }

    /// A number that nobody else got.
    pub fn number(&self) -> u64 {
        let mut memory = lock(&self.memory);
        memory.numbers = memory.numbers.saturating_add(1);
        memory.numbers
    }

    /// One call that comes in now, under a key or without.
    pub fn once<T>(
        &self,
        caller: &str,
        operation: &'static str,
        key: Option<&str>,
        body: &str,
        render: fn(&T) -> Answer,
    ) -> Once<T> {
        let key = key.map(|key| OnceKey {
            caller: caller.to_owned(),
            operation,
            key: key.to_owned(),
            body_hash: body.to_owned(),
        });
        Once { key, render, at: self.app.now() }
    }

    /// Writes down how something ended; what can only be a bug is an accusation.
    pub fn ended<T>(&self, what: &str, outcome: &Result<T, Error>) {
        match outcome {
            Ok(_) => self.notes.say(&format!("{what}: done")),
            Err(error) => {
                let bug = match error {
                    Error::Internal(_)
                    | Error::Store(StoreError::Rejected(_) | StoreError::Corrupt { .. }) => true,
                    Error::Store(
                        StoreError::Refused(_) | StoreError::KeyReused | StoreError::Unavailable(_),
                    )
                    | Error::Problem(_)
                    | Error::Unavailable(_) => false,
                };
                let text = format!("{what}: {}", chain(error));
                if bug { self.notes.accuse(text) } else { self.notes.say(&text) }
            }
        }
    }
}

/// Few shards, and often few units per buyer.
pub fn terms(chance: &Chance) -> Terms {
    let shards = u8::try_from(chance.between(1, 4)).unwrap_or(1);
    Terms { shards, per_buyer_limit: chance.happens(500).then(|| chance.up_to(3)) }
}

/// An error with its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

fn settings() -> Result<Settings, Failure> {
    let rate = |points| BasisPoints::new(points).ok_or("a rate");
    Ok(Settings {
        currency: Currency::Usd,
        tax: rate(2_000)?,
        shipping_flat_minor: 500,
        commission: rate(1_000)?,
        order_expiry_s: 900,
        guest_checkout: true,
        refresh_expiry_s: 86_400,
        frontend_url: "https://shop.example.com".to_owned(),
        api_url: "https://api.example.com".to_owned(),
    })
}
