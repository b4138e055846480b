//! Goods to buy and carts to buy them with.

#![expect(clippy::missing_panics_doc, reason = "a test kit reports its own failures by failing the test")]

use sutler_domain::{
    address::{Address, AddressDraft},
    cart::{Cart, Owner, Quantity},
    idempotency::{Answer, Once},
    ids::{AddressId, CartId, CategoryId, ProductId, VariantId},
    money::{Currency, Money},
    product::{ListingState, Variant},
    stock::Stock,
};
use sutler_services::flash_sales::{self, Terms};
use sutler_store::{
    Transaction, carts,
    catalog::{claim_number, variant_key},
    codec::encode,
    stock,
    users::{AddressEntry, address_key},
};

use crate::{TestApp, TestUser};

impl TestApp {
    /// Something `seller` sells: `available` units at `minor` US cents each.
    pub async fn goods(&self, seller: &TestUser, minor: u64, available: u32) -> VariantId {
        let (ids, now) = (self.app.ids.as_ref(), self.app.now());
        let product = ProductId::generate(ids, now);
        let id = VariantId::of(&product, 0).expect("a variant id");
        let variant = Variant {
            id: id.clone(),
            product,
            seller: seller.seller(),
            seller_name: "A shop".to_owned(),
            title: "A thing".to_owned(),
            options: Vec::new(),
            sku: id.to_string(),
            price: Money::try_new(minor, Currency::Usd).expect("a price"),
            own_price: false,
            category: CategoryId::generate(ids, now),
            tax_class: None,
            image: None,
            own_image: false,
            state: ListingState::Active,
            weight_g: 100,
            flash_sale: None,
        };
        self.put(variant_key(&id), "variant", &variant).await;
        let mut transaction = Transaction::new();
        stock::create(&mut transaction, &Stock::new(id.clone(), seller.seller(), available))
            .expect("a stock item");
        self.app.store.transact(transaction).await.expect("the stock is written");
        id
    }

    /// The same with an article number of the seller's.
    pub async fn article(&self, seller: &TestUser, sku: &str, available: u32) -> VariantId {
        let id = self.goods(seller, 1_000, available).await;
        self.change_goods(&id, |variant| sku.clone_into(&mut variant.sku)).await;
        let mut transaction = Transaction::new();
        claim_number(&mut transaction, &seller.seller(), sku, &id).expect("an item");
        self.app.store.transact(transaction).await.expect("a free article number");
        id
    }

    /// Changes something that is sold, as its seller would: the price, or whether it still is.
    pub async fn change_goods(&self, id: &VariantId, change: impl FnOnce(&mut Variant)) {
        let mut read = self.app.store.variant(id).await.expect("an answer").expect("a variant");
        change(&mut read.value);
        let key = variant_key(id);
        let item = encode(&key, "variant", read.version.next(), &read.value).expect("an item");
        let mut transaction = Transaction::new();
        transaction.replace(key, item, read.version);
        self.app.store.transact(transaction).await.expect("the variant is written");
    }

    /// Sells a variant as its seller would in great demand.
    pub async fn flash_sale(
        &self,
        seller: &TestUser,
        variant: &VariantId,
        shards: u8,
        per_buyer_limit: Option<u32>,
    ) {
        let terms = Terms { shards, per_buyer_limit };
        let render = |_: &_| Answer { status: 200, body: String::new() };
        let once = Once { key: None, render, at: self.app.now() };
        flash_sales::set(&self.app, &seller.seller(), variant, terms, &once).await.expect("terms");
    }

    /// How many of a variant are free in each of its shards.
    pub async fn shards(&self, variant: &VariantId) -> Vec<u32> {
        self.app.store.shards_of(variant).await.expect("an answer").expect("some stock").available()
    }

    /// The stock of a variant: available, reserved, committed.
    pub async fn stock(&self, variant: &VariantId) -> (u32, u32, u32) {
        let read = self.app.store.stock(variant).await.expect("an answer").expect("some stock").value;
        (read.available, read.reserved, read.committed)
    }

    /// Fills the user's cart with exactly these lines.
    pub async fn fill_cart(&self, user: &TestUser, lines: &[(&VariantId, u32)]) -> CartId {
        let id = CartId::of_user(user.id());
        let now = self.app.now();
        let mut cart = Cart::new(id.clone(), Owner::User { user: user.id().clone() }, now);
        for (variant, quantity) in lines {
            cart.put(variant, Quantity::try_new(*quantity).expect("a quantity"), now).expect("room");
            if let Some(found) = self.app.store.variant(variant).await.expect("an answer") {
                cart.note_seller(variant, &found.value.seller);
            }
        }
        let found = self.app.store.get(&carts::cart_key(&id)).await.expect("an answer");
        let found = found.map(|item| sutler_store::codec::decode::<Cart>(&item).expect("a cart"));
        let version = found.as_ref().map(|read| read.version);
        cart.coupon = found.and_then(|read| read.value.coupon);
        let mut transaction = Transaction::new();
        carts::save(&mut transaction, &cart, version).expect("a cart item");
        self.app.store.transact(transaction).await.expect("the cart is written");
        id
    }

    /// An entry in the user's address book.
    pub async fn address(&self, user: &TestUser) -> AddressId {
        let id = AddressId::generate(self.app.ids.as_ref(), self.app.now());
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
        let address = Address::parse(&draft).expect("an address");
        let entry = AddressEntry { id: id.clone(), address, check: None, created_at: self.app.now() };
        self.put(address_key(user.id(), &id), "address", &entry).await;
        id
    }
}
