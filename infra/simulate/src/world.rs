//! One marketplace of its own: a fresh database, a provider, a bus, and the people of a history.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use sutler_domain::{
    account::{Email, Username},
    address::{Address, AddressDraft},
    coupon::{CouponCode, Funder},
    idempotency::{Answer, Once, OnceKey},
    ids::{AddressId, CartId, CategoryId, ImportId, OrderId, ProductId, SellerId, UserId, VariantId},
    money::{BasisPoints, Currency, Money},
    product::{ListingState, Variant},
    stock::Stock,
    time::Timestamp,
};
use sutler_gateways::bus::Bus;
use sutler_services::{
    App, Error, Settings,
    flash_sales::{self, Terms, TermsSet},
    gateways::Gateways,
    labels::Forwarder,
    orders::PlaceOrder,
};
use sutler_store::{
    Key, Store, StoreError, TableNames, Transaction, Version,
    catalog::{claim_sku, variant_key},
    codec::encode,
    stock, users,
    users::{AddressEntry, Guest, User, address_key, user_key},
};
use sutler_testkit::{CATALOG, COMMERCE, FakeClock, IDENTITY, LEDGER, SeqIds, TestCloud, TestDb};
use workers::run_payment_commands::PaymentCommands;

use crate::{
    books::Books,
    chance::Chance,
    coupons,
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

    /// One to three sellers with a few things of which there are few, and two to four buyers. Sellers may buy too.
    async fn populate(&mut self) -> Result<(), Failure> {
        let now = self.app.now();
        let mut transaction = Transaction::new();
        for number in 0..self.chance.between(2, 4) {
            let user = user(&format!("buyer{number}"), UserId::generate(&*self.app.ids, now), now)?;
            create(&mut transaction, user_key(&user.id), "user", &user)?;
            self.move_in(&mut transaction, user.id)?;
        }
        if self.chance.happens(300) {
            self.let_guest_in(&mut transaction)?;
        }
        for number in 0..self.chance.between(1, 3) {
            let owner = match self.buyers.first() {
                Some(buyer) if number == 0 && self.chance.happens(100) => buyer.user.clone(),
                _ => UserId::generate(&*self.app.ids, now),
            };
            self.settle_in(&mut transaction, number, &owner)?;
            for _ in 0..self.chance.between(1, 2) {
                self.list(&mut transaction, SellerId::of_user(&owner))?;
            }
        }
        let seller = self.goods.first().ok_or("something for sale")?.seller.clone();
        self.coupons = coupons::print(self, &mut transaction, &seller)?;
        lock(&self.memory).quotes = vec![None; self.buyers.len()];
        Ok(self.app.store.transact(transaction).await?)
    }

    /// Somebody buys from now on, and lives somewhere.
    fn move_in(&mut self, transaction: &mut Transaction, user: UserId) -> Result<(), Failure> {
        let address = self.register(transaction, &user)?;
        self.buyers.push(Buyer { cart: CartId::of_user(&user), user, address });
        Ok(())
    }

    /// Somebody sells from now on, and sends from where they live.
    fn settle_in(
        &mut self,
        transaction: &mut Transaction,
        number: u64,
        owner: &UserId,
    ) -> Result<(), Failure> {
        let now = self.app.now();
        let home = self.buyers.iter().find(|buyer| buyer.user == *owner).map(|buyer| buyer.address.clone());
        let address = if let Some(home) = home {
            home
        } else {
            let user = user(&format!("seller{number}"), owner.clone(), now)?;
            create(transaction, user_key(owner), "user", &user)?;
            self.register(transaction, owner)?
        };
        self.senders.insert(SellerId::of_user(owner), address);
        Ok(())
    }

    fn register(&self, transaction: &mut Transaction, user: &UserId) -> Result<AddressId, Failure> {
        let now = self.app.now();
        let address = AddressId::generate(&*self.app.ids, now);
        let entry = AddressEntry { id: address.clone(), address: home()?, check: None, created_at: now };
        create(transaction, address_key(user, &address), "address", &entry)?;
        Ok(address)
    }

    /// One more buyer, who has no account, and an account with the same address, which does not know of it yet.
    fn let_guest_in(&mut self, transaction: &mut Transaction) -> Result<(), Failure> {
        let now = self.app.now();
        let account = user("tourist", UserId::generate(&*self.app.ids, now), now)?;
        create(transaction, user_key(&account.id), "user", &account)?;
        let guest = User {
            id: UserId::generate(&*self.app.ids, now),
            username: Username::guest(),
            verified: false,
            guest: Some(Guest::default()),
            ..account.clone()
        };
        users::let_in(transaction, &guest)?;
        self.account = Some(account.id);
        self.move_in(transaction, guest.id)
    }

    /// Some things are in great demand from the start.
    async fn spread(&self) -> Result<(), Failure> {
        for good in self.goods.iter().filter(|_| self.chance.happens(350)) {
            let render = |_: &TermsSet| Answer { status: 200, body: String::new() };
            let once = Once { key: None, render, at: self.app.now() };
            let terms = terms(&self.chance);
            flash_sales::set(&self.app, &good.seller, &good.variant, terms, &once)
                .await
                .map_err(|error| chain(&error))?;
        }
        Ok(())
    }

    fn list(&mut self, transaction: &mut Transaction, seller: SellerId) -> Result<(), Failure> {
        let now = self.app.now();
        let product = ProductId::generate(&*self.app.ids, now);
        let id = VariantId::of(&product, 0).ok_or("a variant")?;
        let units = u32::try_from(self.chance.between(1, 8))?;
        let variant = Variant {
            id: id.clone(),
            product,
            seller: seller.clone(),
            seller_name: "A shop".to_owned(),
            title: "A thing".to_owned(),
            options: Vec::new(),
            sku: id.to_string(),
            price: Money::try_new(self.chance.between(1, 5_000), Currency::Usd)?,
            own_price: false,
            category: CategoryId::generate(&*self.app.ids, now),
            tax_class: None,
            image: None,
            own_image: false,
            state: ListingState::Active,
            weight_g: 100,
            flash_sale: None,
        };
        create(transaction, variant_key(&id), "variant", &variant)?;
        claim_sku(transaction, &variant)?;
        stock::create(transaction, &Stock::new(id.clone(), seller.clone(), units))?;
        self.goods.push(Good { variant: id, seller, units });
        Ok(())
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

fn create<T: serde::Serialize>(
    transaction: &mut Transaction,
    key: Key,
    kind: &'static str,
    record: &T,
) -> Result<(), StoreError> {
    let item = encode(&key, kind, Version::FIRST, record)?;
    transaction.create(key, item);
    Ok(())
}

fn user(name: &str, id: UserId, now: Timestamp) -> Result<User, Failure> {
    Ok(User {
        id,
        email: Email::parse(&format!("{name}@example.com")).map_err(|_| "an address")?,
        username: Username::parse(name).map_err(|_| "a name")?,
        verified: true,
        guest: None,
        roles: Vec::new(),
        addresses: 1,
        default_address: None,
        verification_requested_at: now,
        created_at: now,
    })
}

fn home() -> Result<Address, Failure> {
    let draft = AddressDraft {
        name: "Ada Lovelace".to_owned(),
        line1: "12 Square".to_owned(),
        line2: None,
        city: "Berlin".to_owned(),
        region: None,
        postal_code: Some("10115".to_owned()),
        country: "DE".to_owned(),
        phone: None,
    };
    Ok(Address::parse(&draft).map_err(|_| "an address")?)
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
