//! Orders as their buyers, their sellers and staff see them.

mod cancelling;
mod placing;
mod pricing;
mod reading;
mod refunding;
mod returning;

use serde_json::{Value, json};
use sutler_domain::ids::{AddressId, CartId, OrderId, VariantId};
use sutler_testkit::{TestAnswer, TestApp, TestCall, TestUser};

use crate::place_order;

/// A marketplace with a seller, a buyer with an address, and ten pieces of one thing.
struct Market {
    test: TestApp,
    seller: TestUser,
    buyer: TestUser,
    address: AddressId,
    thing: VariantId,
}

impl Market {
    async fn open() -> Self {
        let test = TestApp::new().await;
        let (seller, buyer) = (test.seller("ada").await, test.user("bob").await);
        let (address, thing) = (test.address(&buyer).await, test.goods(&seller, 1_999, 10).await);
        Self { test, seller, buyer, address, thing }
    }

    /// What the buyer agrees to, after filling the cart with these lines.
    async fn agreed(&self, lines: &[(&VariantId, u32)]) -> Value {
        let cart = self.test.fill_cart(&self.buyer, lines).await;
        let quote = self.test.quote_hash(&self.buyer, &cart, &self.address).await;
        json!({"cart": cart, "address": self.address, "quote": quote})
    }

    fn placing(&self, body: &Value) -> TestCall {
        TestCall::post("/v1/orders", body).by(&self.buyer)
    }

    async fn place(&self, body: &Value) -> TestAnswer {
        self.test.call(place_order::handle, self.placing(body)).await
    }

    async fn refuses(&self, call: TestCall) -> TestAnswer {
        self.test.refused(place_order::handle, call).await
    }

    /// How many lines the buyer's cart has.
    async fn lines_in_cart(&self) -> usize {
        let key = sutler_store::carts::cart_key(&CartId::of_user(self.buyer.id()));
        let item = self.test.app.store.get(&key).await.unwrap().unwrap();
        sutler_store::codec::decode::<sutler_domain::cart::Cart>(&item).unwrap().value.lines.len()
    }
}

fn text(answer: &TestAnswer, pointer: &str) -> String {
    answer.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn is(answer: &TestAnswer, status: u16, problem: &str) {
    assert_eq!((answer.status, answer.problem()), (status, problem), "{}", answer.text);
}

fn on(method: &'static str, order: &OrderId, what: &str) -> TestCall {
    TestCall::new(method, &format!("/v1/orders/{order}{what}")).parameter("order", order.as_str())
}
