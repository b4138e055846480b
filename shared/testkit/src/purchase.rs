//! Orders at every point of their lives, brought there by the use cases themselves.

#![expect(clippy::missing_panics_doc, reason = "a test kit reports its own failures by failing the test")]

use sutler_domain::{
    idempotency::{Answer, Once},
    ids::{AddressId, CartId, OrderId, VariantId},
    order::Change,
    shipment::Tracking,
    shipping::Choices,
};
use sutler_services::{
    Error,
    carts::CartAccess,
    gateways::Gateways,
    invariants,
    orders::{self, PlaceOrder, PlacedOrder},
    payments::{self, News, Report},
    quotes::quote_cart,
    shipping::{self, NewShipment, SentBy},
};
use sutler_store::orders::OrderAggregate;

use crate::{FakeGateway, TestApp, TestUser};

/// How far an order of one seller has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Placed, and waiting for payment.
    AwaitingPayment,
    /// Given up before payment.
    Cancelled,
    /// Paid, and waiting to be shipped.
    Paid,
    /// Given up after payment.
    Refunded,
    /// With the carrier.
    InTransit,
    /// Delivered, and so complete.
    Completed,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::AwaitingPayment,
        Self::Cancelled,
        Self::Paid,
        Self::Refunded,
        Self::InTransit,
        Self::Completed,
    ];
}

/// The answer of a call when nobody reads it.
#[must_use]
pub fn nothing<T>(_: &T) -> Answer {
    Answer { status: 200, body: String::new() }
}

/// The answer of placing an order that [`TestApp::place`] reads.
#[must_use]
pub fn id_of(placed: &PlacedOrder) -> Answer {
    Answer { status: 201, body: placed.order.id.to_string() }
}

impl TestApp {
    /// A call without a key.
    #[must_use]
    pub fn once<T>(&self, render: fn(&T) -> Answer) -> Once<T> {
        Once { key: None, render, at: self.app.now() }
    }

    /// The hash of what the user's cart costs, which an order has to repeat.
    pub async fn quote_hash(&self, user: &TestUser, cart: &CartId, address: &AddressId) -> String {
        self.quoted(user, cart, address, &Choices::new()).await
    }

    async fn quoted(
        &self,
        user: &TestUser,
        cart: &CartId,
        address: &AddressId,
        shipping: &Choices,
    ) -> String {
        let access = CartAccess { user: Some(user.id().clone()), token_hash: None };
        quote_cart(&self.app, cart, &access, Some(address.clone()), shipping).await.expect("a quote").hash
    }

    /// What a buyer agrees to who puts exactly these lines into their cart.
    pub async fn agreed(&self, buyer: &TestUser, lines: &[(&VariantId, u32)]) -> PlaceOrder {
        self.fill_cart(buyer, lines).await;
        self.agreed_as_is(buyer, Choices::new()).await
    }

    /// What a buyer agrees to whose cart is filled already.
    pub async fn agreed_as_is(&self, buyer: &TestUser, shipping: Choices) -> PlaceOrder {
        let (cart, address) = (CartId::of_user(buyer.id()), self.address(buyer).await);
        let quote_hash = self.quoted(buyer, &cart, &address, &shipping).await;
        let buyer = buyer.id().clone();
        PlaceOrder { buyer, cart, address, shipping, quote_hash, render_quote: |_| String::new() }
    }

    /// Places an order of what was agreed to.
    ///
    /// # Errors
    /// What placing orders refuses.
    pub async fn place(&self, command: &PlaceOrder) -> Result<OrderId, Error> {
        let answer = orders::place(&self.app, command, &self.once(id_of)).await?;
        Ok(OrderId::parse(&answer.body).expect("an order id"))
    }

    /// An order of exactly these lines that waits for payment.
    pub async fn order(&self, buyer: &TestUser, lines: &[(&VariantId, u32)]) -> OrderId {
        self.place(&self.agreed(buyer, lines).await).await.expect("an order")
    }

    /// The buyer gives a whole order up.
    ///
    /// # Errors
    /// What cancelling refuses.
    pub async fn cancel(&self, buyer: &TestUser, order: &OrderId) -> Result<Answer, Error> {
        orders::cancel(&self.app, order, buyer.id(), None, &self.once(nothing)).await
    }

    /// Carries out every event of an order that asks something of the provider.
    pub async fn obey_all(&self, gateway: &FakeGateway, order: &OrderId) {
        let gateways = Gateways::default().with(gateway.clone());
        for event in self.app.store.events(order, 0, 200).await.expect("events") {
            payments::obey(&self.app, &gateways, order, &event.event).await.map(drop).expect("obeyed");
        }
    }

    /// An order of `seller`'s goods that has come as far as `stage`.
    pub async fn order_at(
        &self,
        stage: Stage,
        buyer: &TestUser,
        seller: &TestUser,
        lines: &[(&VariantId, u32)],
    ) -> OrderId {
        let id = self.order(buyer, lines).await;
        if matches!(stage, Stage::Paid | Stage::Refunded | Stage::InTransit | Stage::Completed) {
            self.pay(buyer, &id).await;
        }
        if matches!(stage, Stage::Cancelled | Stage::Refunded) {
            self.cancel(buyer, &id).await.expect("cancelled");
        }
        if matches!(stage, Stage::InTransit | Stage::Completed) {
            self.ship(seller, &id).await;
        }
        if stage == Stage::Completed {
            self.deliver(buyer, seller, &id).await;
        }
        id
    }

    /// The buyer pays an order, and the provider's word of it arrives.
    pub async fn pay(&self, buyer: &TestUser, order: &OrderId) {
        self.pay_through(&FakeGateway::default(), buyer, order).await;
    }

    /// The buyer pays an order at this provider, and its word of it arrives.
    pub async fn pay_through(&self, gateway: &FakeGateway, buyer: &TestUser, order: &OrderId) {
        let started = payments::start(&self.app, gateway, order, buyer.id()).await.expect("a payment");
        drop(gateway.pay(&started.payment.provider_id));
        let report = Report {
            gateway: "stripe",
            message: Some(format!("evt_{order}")),
            order: order.clone(),
            attempt: started.attempt,
            provider_id: started.payment.provider_id,
            news: News::Succeeded(started.amount),
        };
        assert_eq!(payments::finalise(&self.app, &report).await.expect("finalised"), Change::Applied);
    }

    /// The seller hands their part to a carrier called `dhl`, under the number `1`.
    pub async fn ship(&self, seller: &TestUser, order: &OrderId) {
        let tracking = Tracking::parse("dhl", "1").expect("tracking");
        let (parcel, once) = (NewShipment { by: SentBy::Own(tracking), lines: None }, self.once(nothing));
        shipping::ship(&self.app, order, &seller.seller(), &parcel, &once).await.expect("shipped");
    }

    /// The buyer says that the seller's part arrived.
    pub async fn deliver(&self, buyer: &TestUser, seller: &TestUser, order: &OrderId) {
        let (part, once) = (seller.seller(), self.once(nothing));
        let all = (&part, None);
        shipping::confirm_delivery(&self.app, order, all, buyer.id(), &once).await.expect("delivered");
    }

    /// An order with everything that belongs to it.
    pub async fn read_order(&self, id: &OrderId) -> OrderAggregate {
        self.app.store.order(id).await.expect("an answer").expect("an order")
    }

    /// Stock, orders, payments and ledger agree with each other.
    pub async fn assert_clean(&self) {
        let found = invariants::check(&self.app).await.expect("a check");
        assert!(found.complete);
        assert_eq!(found.problems, Vec::<String>::new());
    }
}
