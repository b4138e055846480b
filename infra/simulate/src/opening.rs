//! How the marketplace of a history opens: who is there, and what they have.

use sutler_domain::{
    account::{Email, Username},
    address::{Address, AddressDraft},
    idempotency::{Answer, Once},
    ids::{AddressId, CartId, CategoryId, ProductId, SellerId, UserId, VariantId},
    money::{Currency, Money},
    product::{ListingState, Variant},
    stock::Stock,
    time::Timestamp,
};
use sutler_services::flash_sales::{self, TermsSet};
use sutler_store::{
    Key, StoreError, Transaction, Version,
    catalog::{claim_sku, variant_key},
    codec::encode,
    stock, users,
    users::{AddressEntry, Guest, User, address_key, user_key},
};

use crate::{
    coupons, lock,
    world::{Buyer, Failure, Good, World, chain, terms},
};

impl World {
    /// One to three sellers with a few things of which there are few, and two to four buyers. Sellers may buy too.
    pub(crate) async fn populate(&mut self) -> Result<(), Failure> {
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
    pub(crate) async fn spread(&self) -> Result<(), Failure> {
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
