//! Parts of orders on their way, as sellers and buyers move them.

mod following;
mod labels;
mod webhook;

use serde_json::{Value, json};
use sutler_domain::{
    account::Role,
    ids::{OrderId, VariantId},
};
use sutler_testkit::{RandomFaults, Stage, TestAnswer, TestApp, TestCall, TestUser};

use crate::{confirm_delivery, ship_part};

/// A marketplace with a seller, a buyer and ten pieces of one thing.
struct Market {
    test: TestApp,
    seller: TestUser,
    buyer: TestUser,
    thing: VariantId,
}

fn is(answer: &TestAnswer, status: u16, problem: &str) {
    assert_eq!((answer.status, answer.problem()), (status, problem), "{}", answer.text);
}

fn on(order: &OrderId, seller: &TestUser, what: &str) -> TestCall {
    let part = seller.seller();
    TestCall::new("POST", &format!("/v1/orders/{order}/parts/{part}/{what}"))
        .parameter("order", order.as_str())
        .parameter("part", part.as_str())
}

fn shipping(order: &OrderId, seller: &TestUser) -> TestCall {
    let body = json!({"carrier": "dhl", "tracking_number": "1"});
    on(order, seller, "shipments").json(&body).by(seller)
}

fn confirming(order: &OrderId, seller: &TestUser) -> TestCall {
    on(order, seller, "confirm-delivery")
}

impl Market {
    async fn open() -> Self {
        let test = TestApp::new().await;
        let (seller, buyer) = (test.seller("ada").await, test.user("bob").await);
        let thing = test.goods(&seller, 1_999, 10).await;
        Self { test, seller, buyer, thing }
    }

    /// Two pieces of the thing, as far as `stage`.
    async fn order_at(&self, stage: Stage) -> OrderId {
        self.test.order_at(stage, &self.buyer, &self.seller, &[(&self.thing, 2)]).await
    }

    async fn ship(&self, call: TestCall) -> TestAnswer {
        self.test.call(ship_part::handle, call).await
    }

    async fn confirm(&self, order: &OrderId, seller: &TestUser) -> TestAnswer {
        self.test.call(confirm_delivery::handle, confirming(order, seller).by(&self.buyer)).await
    }

    async fn order_state(&self, order: &OrderId) -> &'static str {
        self.test.read_order(order).await.order.value.state.name()
    }
}

#[tokio::test]
async fn each_seller_ships_their_own_part_and_the_last_delivery_completes_the_order() {
    let market = Market::open().await;
    let test = &market.test;
    let rival = test.seller("eve").await;
    let other = test.goods(&rival, 333, 9).await;
    let id = test.order(&market.buyer, &[(&market.thing, 2), (&other, 3)]).await;
    test.pay(&market.buyer, &id).await;
    let shipped = market.ship(shipping(&id, &market.seller)).await;
    assert_eq!(shipped.status, 200, "{}", shipped.text);
    insta::assert_json_snapshot!("ship_part", shipped.body);
    assert_eq!((test.stock(&market.thing).await, test.stock(&other).await), ((8, 0, 0), (6, 0, 3)));
    let delivered = market.confirm(&id, &market.seller).await;
    assert_eq!(delivered.status, 200, "{}", delivered.text);
    insta::assert_json_snapshot!("confirm_delivery", delivered.body);
    assert_eq!(market.order_state(&id).await, "paid");
    is(&market.confirm(&id, &rival).await, 409, "order-state");
    assert_eq!(market.ship(shipping(&id, &rival)).await.status, 200);
    assert_eq!(market.confirm(&id, &rival).await.status, 200);
    assert_eq!(market.order_state(&id).await, "completed");
    test.assert_clean().await;
}

#[tokio::test]
async fn a_part_is_shipped_once_it_is_paid_and_confirmed_once_it_is_shipped() {
    for (stage, part, ships, confirms) in [
        (Stage::AwaitingPayment, "awaiting_payment", false, false),
        (Stage::Cancelled, "cancelled", false, false),
        (Stage::Paid, "awaiting_shipment", true, false),
        (Stage::Refunded, "cancelled", false, false),
        (Stage::InTransit, "in_transit", false, true),
        // What arrived has arrived: saying so again changes nothing.
        (Stage::Completed, "delivered", false, true),
    ] {
        let market = Market::open().await;
        let test = &market.test;
        let other = json!({"carrier": "ups", "tracking_number": "2"});
        let id = market.order_at(stage).await;
        let confirm = confirming(&id, &market.seller).by(&market.buyer);
        if confirms {
            let answer = test.call(confirm_delivery::handle, confirm).await;
            assert_eq!((answer.status, &answer.body["state"]), (200, &json!("delivered")), "{stage:?}");
        } else {
            let answer = test.refused(confirm_delivery::handle, confirm).await;
            is(&answer, 409, "order-state");
            assert_eq!(answer.body["state"], part, "{stage:?}");
        }
        let id = market.order_at(stage).await;
        let ship = shipping(&id, &market.seller).json(&other);
        if ships {
            let answer = market.ship(ship).await;
            assert_eq!((answer.status, &answer.body["state"]), (200, &json!("in_transit")), "{stage:?}");
        } else {
            let answer = test.refused(ship_part::handle, ship).await;
            is(&answer, 409, "order-state");
            assert_eq!(answer.body["state"], part, "{stage:?}");
        }
        test.assert_clean().await;
    }
}

#[tokio::test]
async fn nobody_ships_anothers_part() {
    let market = Market::open().await;
    let test = &market.test;
    let rival = test.seller("eve").await;
    let other = test.goods(&rival, 333, 9).await;
    let id = test.order(&market.buyer, &[(&market.thing, 2), (&other, 3)]).await;
    test.pay(&market.buyer, &id).await;
    let call = shipping(&id, &market.seller);
    let (stranger, admin) = (test.seller("sam").await, test.staff("root", Role::Admin).await);
    for who in [&rival, &market.buyer, &stranger, &admin] {
        is(&test.refused(ship_part::handle, call.clone().by(who)).await, 404, "not-found");
    }
    // Nor a part that the order does not have, or of an order that is not there.
    is(&test.refused(ship_part::handle, shipping(&id, &stranger)).await, 404, "not-found");
    for (name, value) in [
        ("order", "x"),
        ("order", "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH"),
        ("part", "x"),
        ("part", market.seller.id().as_str()),
        ("part", "sel_01J8ZQ5K3N0V7X2Y4T6B8D9FGH"),
    ] {
        let call = call.clone().parameter(name, value);
        is(&test.refused(ship_part::handle, call).await, 404, "not-found");
    }
    let unverified = test.unverified("tim").await;
    is(&test.refused(ship_part::handle, call.by(&unverified)).await, 403, "email-not-verified");
    let anonymous = on(&id, &market.seller, "shipments").json(&json!({}));
    test.needs_token(&market.seller, ship_part::handle, anonymous).await;
}

#[tokio::test]
async fn only_the_buyer_confirms_a_delivery() {
    let market = Market::open().await;
    let test = &market.test;
    let id = market.order_at(Stage::InTransit).await;
    let call = confirming(&id, &market.seller);
    let (stranger, admin) = (test.user("sam").await, test.staff("root", Role::Admin).await);
    for who in [&market.seller, &stranger, &admin] {
        is(&test.refused(confirm_delivery::handle, call.clone().by(who)).await, 404, "not-found");
    }
    for (name, value) in [
        ("order", "x"),
        ("order", "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH"),
        ("part", "x"),
        ("part", stranger.seller().as_str()),
    ] {
        let call = call.clone().parameter(name, value).by(&market.buyer);
        is(&test.refused(confirm_delivery::handle, call).await, 404, "not-found");
    }
    test.needs_token(&market.buyer, confirm_delivery::handle, call).await;
    assert_eq!(market.order_state(&id).await, "paid");
}

#[tokio::test]
async fn bad_shipments_name_their_fields() {
    let market = Market::open().await;
    let id = market.order_at(Stage::Paid).await;
    let with = |field: &str, value: Value| {
        let mut body = json!({"carrier": "dhl", "tracking_number": "1"});
        body[field] = value;
        body
    };
    for (body, named) in [
        (json!({}), &["/carrier: missing"][..]),
        (json!({"carrier": "dhl"}), &["/tracking_number: missing"]),
        (json!({"carrier": "", "tracking_number": " "}), &["/carrier: empty", "/tracking_number: empty"]),
        (with("carrier", json!("x".repeat(41))), &["/carrier: invalid"]),
        (with("carrier", json!("a\nb")), &["/carrier: invalid"]),
        (with("carrier", json!(7)), &["/carrier: wrong-type"]),
        (with("carrier", Value::Null), &["/carrier: wrong-type"]),
        (with("tracking_number", json!("1".repeat(81))), &["/tracking_number: invalid"]),
        (with("tracking_number", json!("1\u{0}")), &["/tracking_number: invalid"]),
        (with("tracking_number", json!(["1"])), &["/tracking_number: wrong-type"]),
        (with("lines", json!([])), &["/lines: empty"]),
        (with("lines", json!({})), &["/lines: wrong-type"]),
        (with("lines", json!([{"quantity": 1}])), &["/lines/0/variant: missing"]),
        (
            with("lines", json!([{"variant": market.thing, "quantity": 0}])),
            &["/lines/0/quantity: out-of-range"],
        ),
        (with("lines", json!([{"variant": market.thing, "quantity": -1}])), &["/lines/0/quantity: invalid"]),
        (
            with("lines", json!([{"variant": market.thing, "quantity": 1, "x": 1}])),
            &["/lines/0/x: unknown-field"],
        ),
        (with("seller", json!("sel_1")), &["/seller: unknown-field"]),
    ] {
        let call = shipping(&id, &market.seller).json(&body);
        let answer = market.test.refused(ship_part::handle, call).await;
        assert_eq!(
            (answer.status, answer.invalid_fields()),
            (422, named.iter().map(|n| (*n).to_owned()).collect()),
            "{body}"
        );
    }
    for (text, status, problem) in [
        (String::new(), 400, "malformed-request"),
        ("{".to_owned(), 400, "malformed-request"),
        (" ".repeat(64 * 1_024 + 1), 413, "too-large"),
    ] {
        let call = shipping(&id, &market.seller).text(&text);
        is(&market.test.refused(ship_part::handle, call).await, status, problem);
    }
    let longest = json!({"carrier": format!(" {} ", "é".repeat(40)), "tracking_number": "1".repeat(80)});
    let answer = market.ship(shipping(&id, &market.seller).json(&longest)).await;
    assert_eq!((answer.status, &answer.body["shipments"][0]["carrier"]), (200, &json!("é".repeat(40))));
}

fn some(variant: &VariantId, quantity: u32, number: &str) -> Value {
    let lines = [json!({"variant": variant, "quantity": quantity})];
    json!({"carrier": "dhl", "tracking_number": number, "lines": lines})
}

#[tokio::test]
async fn a_part_is_sent_in_several_shipments_and_each_arrives_by_itself() {
    let market = Market::open().await;
    let test = &market.test;
    let other = test.goods(&market.seller, 333, 9).await;
    let id = test.order(&market.buyer, &[(&market.thing, 3), (&other, 2)]).await;
    test.pay(&market.buyer, &id).await;
    let first = market.ship(shipping(&id, &market.seller).json(&some(&market.thing, 2, "1"))).await;
    assert_eq!((first.status, &first.body["state"]), (200, &json!("partly_shipped")), "{}", first.text);
    assert_eq!((test.stock(&market.thing).await, test.stock(&other).await), ((7, 0, 1), (7, 0, 2)));
    // The same again changes nothing; other goods under that number are refused.
    drop(test.db.drain_stream());
    assert_eq!(market.ship(shipping(&id, &market.seller).json(&some(&market.thing, 2, "1"))).await, first);
    assert_eq!(test.db.drain_stream(), []);
    let twice = shipping(&id, &market.seller).json(&some(&market.thing, 1, "1"));
    is(&test.refused(ship_part::handle, twice).await, 409, "taken");
    let too_many = shipping(&id, &market.seller).json(&some(&market.thing, 2, "2"));
    let refused = test.refused(ship_part::handle, too_many).await;
    is(&refused, 409, "too-many-units");
    assert_eq!((&refused.body["requested"], &refused.body["possible"]), (&json!(2), &json!(1)));

    let shipment = first.body["shipments"][0]["id"].as_str().unwrap().to_owned();
    let arrived = json!({ "shipment": shipment });
    let one = confirming(&id, &market.seller).json(&arrived).by(&market.buyer);
    let answer = test.call(confirm_delivery::handle, one).await;
    assert_eq!((answer.status, &answer.body["state"]), (200, &json!("partly_shipped")), "{}", answer.text);
    let rest = json!({"carrier": "ups", "tracking_number": "2"});
    let second = market.ship(shipping(&id, &market.seller).json(&rest)).await;
    assert_eq!((second.status, &second.body["state"]), (200, &json!("in_transit")), "{}", second.text);
    insta::assert_json_snapshot!("ship_part_twice", second.body);
    assert_eq!((test.stock(&market.thing).await, test.stock(&other).await), ((7, 0, 0), (7, 0, 0)));
    assert_eq!(market.order_state(&id).await, "paid");
    let last = market.confirm(&id, &market.seller).await;
    assert_eq!((last.status, &last.body["state"]), (200, &json!("delivered")), "{}", last.text);
    assert_eq!(market.order_state(&id).await, "completed");
    test.assert_clean().await;
}

#[tokio::test]
async fn nobody_ships_lines_that_are_not_theirs() {
    let market = Market::open().await;
    let test = &market.test;
    let rival = test.seller("eve").await;
    let other = test.goods(&rival, 333, 9).await;
    let id = test.order(&market.buyer, &[(&market.thing, 2), (&other, 3)]).await;
    test.pay(&market.buyer, &id).await;
    let foreign = shipping(&id, &market.seller).json(&some(&other, 1, "1"));
    let answer = test.refused(ship_part::handle, foreign).await;
    assert_eq!((answer.status, answer.invalid_fields()), (422, vec!["/lines/0/variant: unknown".to_owned()]));
    let shipped = market.ship(shipping(&id, &market.seller)).await;
    let shipment = json!({ "shipment": shipped.body["shipments"][0]["id"] });
    market.ship(shipping(&id, &rival)).await;
    let elsewhere = confirming(&id, &rival).json(&shipment).by(&market.buyer);
    is(&test.refused(confirm_delivery::handle, elsewhere).await, 404, "not-found");
    let unknown = confirming(&id, &rival).json(&json!({"shipment": "x"})).by(&market.buyer);
    let answer = test.refused(confirm_delivery::handle, unknown).await;
    assert_eq!((answer.status, answer.invalid_fields()), (422, vec!["/shipment: invalid".to_owned()]));
}

#[tokio::test]
async fn two_shipments_at_once_never_send_a_unit_twice() {
    for seed in 0..8 {
        let market = Market::open().await;
        let test = &market.test;
        let id = test.order(&market.buyer, &[(&market.thing, 3)]).await;
        test.pay(&market.buyer, &id).await;
        test.db.random_faults(RandomFaults::rough(seed));
        let send = |number| market.ship(shipping(&id, &market.seller).json(&some(&market.thing, 2, number)));
        let (one, two) = tokio::join!(send("1"), send("2"));
        test.db.calm();
        assert!(one.status != 200 || two.status != 200, "four of three were sent: {} {}", one.text, two.text);
        let (available, reserved, committed) = test.stock(&market.thing).await;
        assert!((available, reserved) == (7, 0) && (committed == 1 || committed == 3), "seed {seed}");
        test.assert_clean().await;
    }
}

#[tokio::test]
async fn a_repeated_shipment_answers_the_same_and_goods_leave_once() {
    let market = Market::open().await;
    let test = &market.test;
    let id = market.order_at(Stage::Paid).await;
    let call = || shipping(&id, &market.seller).key("k-1");
    let (one, two) = tokio::join!(market.ship(call()), market.ship(call()));
    assert_eq!((one.status, &one), (200, &two), "{}", two.text);
    drop(test.db.drain_stream());
    assert_eq!(market.ship(call()).await, one);
    // A client without keys is answered alike while it says the same.
    assert_eq!(market.ship(shipping(&id, &market.seller)).await, one);
    assert_eq!(test.db.drain_stream(), []);
    let other = json!({"carrier": "ups", "tracking_number": "2"});
    let reused = call().json(&other);
    is(&test.refused(ship_part::handle, reused).await, 422, "idempotency-key-reused");
    let second = market.order_at(Stage::Paid).await;
    let elsewhere = shipping(&second, &market.seller).key("k-1");
    is(&test.refused(ship_part::handle, elsewhere).await, 422, "idempotency-key-reused");
    assert_eq!(test.stock(&market.thing).await, (6, 0, 2));
    test.assert_clean().await;
}

#[tokio::test]
async fn a_repeated_confirmation_answers_the_same_and_counts_once() {
    let market = Market::open().await;
    let test = &market.test;
    let id = market.order_at(Stage::InTransit).await;
    let call = || confirming(&id, &market.seller).by(&market.buyer).key("k-1");
    let confirm = || test.call(confirm_delivery::handle, call());
    let (one, two) = tokio::join!(confirm(), confirm());
    assert_eq!((one.status, &one), (200, &two), "{}", two.text);
    drop(test.db.drain_stream());
    assert_eq!(confirm().await, one);
    assert_eq!(market.confirm(&id, &market.seller).await, one);
    assert_eq!(test.db.drain_stream(), []);
    assert_eq!(test.app.store.events(&id, 0, 100).await.unwrap().len(), 5);
    let second = market.order_at(Stage::InTransit).await;
    let elsewhere = confirming(&second, &market.seller).by(&market.buyer).key("k-1");
    is(&test.refused(confirm_delivery::handle, elsewhere).await, 422, "idempotency-key-reused");
}

#[tokio::test]
async fn the_same_key_of_another_seller_is_another_key() {
    let market = Market::open().await;
    let test = &market.test;
    let rival = test.seller("eve").await;
    let other = test.goods(&rival, 333, 9).await;
    let id = test.order(&market.buyer, &[(&market.thing, 2), (&other, 3)]).await;
    test.pay(&market.buyer, &id).await;
    for seller in [&market.seller, &rival] {
        let answer = market.ship(shipping(&id, seller).key("k-1")).await;
        assert_eq!((answer.status, &answer.body["part"]), (200, &json!(seller.seller())));
    }
    assert_eq!((test.stock(&market.thing).await, test.stock(&other).await), ((8, 0, 0), (6, 0, 0)));
}
