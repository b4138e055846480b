#![expect(clippy::arithmetic_side_effects, reason = "a test may stop")]

use serde_json::{Value, json};
use sutler_domain::{
    account::Role,
    idempotency::{Answer, Once},
    ids::{OrderId, VariantId},
    shipment::Tracking,
};
use sutler_services::{
    gateways::Gateways,
    payments,
    shipping::{self, NewShipment, SentBy},
};
use sutler_testkit::{
    FakeGateway, Fault, GatewayFault, Operation, RandomFaults, Rule, Stage, TestAnswer, TestCall, TestUser,
};

use super::{Market, is, on};
use crate::{cancel_order, get_order, refund_order};

fn refunding(order: &OrderId, who: &TestUser, body: &Value) -> TestCall {
    on("POST", order, "/refunds").json(body).by(who)
}

fn of(variant: &VariantId, quantity: u32) -> Value {
    json!({"lines": [{"variant": variant, "quantity": quantity}]})
}

fn usd(minor: u64) -> Value {
    json!({"amount": {"amount": minor, "currency": "USD"}})
}

fn with(mut body: Value, field: &str, value: impl Into<Value>) -> Value {
    body[field] = value.into();
    body
}

impl Market {
    async fn refund(&self, order: &OrderId, body: &Value) -> TestAnswer {
        self.test.call(refund_order::handle, refunding(order, &self.seller, body)).await
    }

    async fn paid(&self, quantity: u32) -> OrderId {
        self.test.order_at(Stage::Paid, &self.buyer, &self.seller, &[(&self.thing, quantity)]).await
    }

    /// What went back, or is to, and what can still: of the order, and of its payment.
    async fn money(&self, order: &OrderId) -> (u64, u64) {
        let read = self.test.read_order(order).await;
        let balance = *read.payments[0].value.state.balance().unwrap();
        let gone = balance.captured().minor() - balance.refundable().minor();
        assert_eq!(read.order.value.refunded.minor(), gone);
        (gone, balance.refundable().minor())
    }
}

#[tokio::test]
async fn a_seller_refunds_what_they_cannot_send() {
    let market = Market::open().await;
    let test = &market.test;
    let id = market.paid(3).await;
    let answer = market.refund(&id, &of(&market.thing, 2)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    insta::assert_json_snapshot!("refund_order", answer.body);
    assert_eq!(test.stock(&market.thing).await, (9, 0, 1), "what is not sent is on sale again");
    test.assert_clean().await;
    let seen = test.call(get_order::handle, on("GET", &id, "").by(&market.buyer)).await;
    insta::assert_json_snapshot!("get_order_with_refund", seen.body);
    // The last unit takes all that is left of the part with it.
    let answer = market.refund(&id, &of(&market.thing, 1)).await;
    assert_eq!((answer.status, &answer.body["part"]["state"]), (201, &json!("cancelled")));
    let total = test.read_order(&id).await.order.value.totals.total.minor();
    assert_eq!(market.money(&id).await, (total, 0));
    assert_eq!(test.read_order(&id).await.order.value.state.name(), "refunded");
    test.assert_clean().await;
}

#[tokio::test]
async fn refunding_all_units_one_by_one_gives_back_exactly_the_order() {
    let market = Market::open().await;
    let test = &market.test;
    let odd = test.goods(&market.seller, 333, 9).await;
    let id = test.order(&market.buyer, &[(&market.thing, 3), (&odd, 7)]).await;
    test.pay(&market.buyer, &id).await;
    for variant in [[&market.thing; 3].as_slice(), &[&odd; 7]].concat() {
        assert_eq!(market.refund(&id, &of(variant, 1)).await.status, 201);
        test.assert_clean().await;
    }
    let total = test.read_order(&id).await.order.value.totals.total.minor();
    assert_eq!(market.money(&id).await, (total, 0));
    assert_eq!((test.stock(&market.thing).await, test.stock(&odd).await), ((10, 0, 0), (9, 0, 0)));
}

#[tokio::test]
async fn a_refund_to_the_wallet_is_there_at_once() {
    let market = Market::open().await;
    let id = market.paid(1).await;
    let answer = market.refund(&id, &with(usd(500), "destination", "wallet")).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.body["refund"]["state"], "succeeded");
    assert_eq!(answer.body["refund"]["reason"], "goodwill");
    let read = market.test.read_order(&id).await;
    assert_eq!(read.order.value.state_name(), "partially_refunded");
    assert_eq!(read.payments[0].value.state.name(), "partially_refunded");
    market.test.assert_clean().await;
}

#[tokio::test]
async fn no_more_is_given_back_than_is_left_of_the_part() {
    let market = Market::open().await;
    let test = &market.test;
    let other = test.goods(&test.seller("eve").await, 90_000, 9).await;
    let id = test.order(&market.buyer, &[(&market.thing, 1), (&other, 1)]).await;
    test.pay(&market.buyer, &id).await;
    // 19.99 and 5.00 for shipping, with taxes of 4.00 and 1.00; the other part is larger, and out of reach.
    let all = 1_999 + 500 + 500;
    let refused = test.refused(refund_order::handle, refunding(&id, &market.seller, &usd(all + 1))).await;
    is(&refused, 409, "refund-too-large");
    assert_eq!(refused.body["refundable"]["amount"], all);
    assert_eq!(market.refund(&id, &usd(all - 5)).await.status, 201);
    is(
        &test.refused(refund_order::handle, refunding(&id, &market.seller, &usd(6))).await,
        409,
        "refund-too-large",
    );
    // Units can still be given up, for what is left.
    let last = market.refund(&id, &of(&market.thing, 1)).await;
    assert_eq!((last.status, &last.body["refund"]["amount"]["amount"]), (201, &json!(5)));
    assert_eq!(test.stock(&market.thing).await, (10, 0, 0));
    test.assert_clean().await;
}

#[tokio::test]
async fn units_that_were_paid_back_already_are_given_up_without_a_refund() {
    let market = Market::open().await;
    let id = market.paid(1).await;
    let total = market.test.read_order(&id).await.order.value.totals.total.minor();
    assert_eq!(market.refund(&id, &usd(total)).await.status, 201);
    let answer = market.refund(&id, &of(&market.thing, 1)).await;
    assert_eq!((answer.status, &answer.body["refund"]), (201, &Value::Null), "{}", answer.text);
    assert_eq!(market.test.stock(&market.thing).await, (10, 0, 0));
    market.test.assert_clean().await;
}

#[tokio::test]
async fn nobody_refunds_anothers_part() {
    let market = Market::open().await;
    let test = &market.test;
    let rival = test.seller("eve").await;
    let other = test.goods(&rival, 333, 9).await;
    let id = test.order(&market.buyer, &[(&market.thing, 2), (&other, 3)]).await;
    test.pay(&market.buyer, &id).await;
    let body = of(&market.thing, 1);
    let (stranger, unverified) = (test.seller("sam").await, test.unverified("tim").await);
    for who in [&market.buyer, &stranger] {
        is(&test.refused(refund_order::handle, refunding(&id, who, &body)).await, 404, "not-found");
        let named = with(body.clone(), "part", market.seller.seller().as_str());
        is(&test.refused(refund_order::handle, refunding(&id, who, &named)).await, 404, "not-found");
        let attempt = json!({"attempt": 1});
        is(&test.refused(refund_order::handle, refunding(&id, who, &attempt)).await, 404, "not-found");
    }
    is(
        &test.refused(refund_order::handle, refunding(&id, &unverified, &body)).await,
        403,
        "email-not-verified",
    );
    // A line of somebody else's is no line of mine, and their part is not mine to name.
    let foreign = test.refused(refund_order::handle, refunding(&id, &rival, &body)).await;
    assert_eq!(
        (foreign.status, foreign.invalid_fields()),
        (422, vec!["/lines/0/variant: unknown".to_owned()])
    );
    let named = with(body.clone(), "part", market.seller.seller().as_str());
    is(&test.refused(refund_order::handle, refunding(&id, &rival, &named)).await, 404, "not-found");
    let anonymous = on("POST", &id, "/refunds").json(&body);
    test.needs_token(&market.seller, refund_order::handle, anonymous).await;
    let nowhere = refunding(&id, &market.seller, &body).parameter("order", "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH");
    is(&test.refused(refund_order::handle, nowhere).await, 404, "not-found");
    // Staff act in a seller's place, and say in whose.
    for role in [Role::Support, Role::Finance] {
        let staff = test.staff(if role == Role::Support { "sue" } else { "fay" }, role).await;
        let unnamed = test.refused(refund_order::handle, refunding(&id, &staff, &body)).await;
        assert_eq!((unnamed.status, unnamed.invalid_fields()), (422, vec!["/part: missing".to_owned()]));
        let answer = test.call(refund_order::handle, refunding(&id, &staff, &named)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    test.assert_clean().await;
}

#[tokio::test]
async fn a_refund_needs_an_order_that_is_paid_and_units_that_are_not_sent() {
    for (stage, units, amount) in [
        (Stage::AwaitingPayment, Some("awaiting_payment"), Some("awaiting_payment")),
        (Stage::Cancelled, Some("cancelled"), Some("cancelled")),
        (Stage::Paid, None, None),
        (Stage::InTransit, Some("in_transit"), None),
        (Stage::Completed, Some("delivered"), None),
    ] {
        let market = Market::open().await;
        for (body, refusal) in [(of(&market.thing, 1), units), (usd(1), amount)] {
            let lines = [(&market.thing, 1)];
            let id = market.test.order_at(stage, &market.buyer, &market.seller, &lines).await;
            let call = refunding(&id, &market.seller, &body);
            if let Some(state) = refusal {
                let refused = market.test.refused(refund_order::handle, call).await;
                is(&refused, 409, "order-state");
                assert_eq!(refused.body["state"], state, "{stage:?}");
            } else {
                assert_eq!(market.test.call(refund_order::handle, call).await.status, 201, "{stage:?}");
            }
        }
        market.test.assert_clean().await;
    }
}

#[tokio::test]
async fn bad_refunds_name_their_fields() {
    let market = Market::open().await;
    let id = market.paid(2).await;
    for (body, named) in [
        (json!({}), "/lines: missing"),
        (json!({"lines": []}), "/lines: empty"),
        (with(usd(1), "lines", json!([])), "/lines: empty"),
        (of(&market.thing, 0), "/lines/0/quantity: out-of-range"),
        (usd(0), "/amount: out-of-range"),
        (json!({"amount": 5}), "/amount: wrong-type"),
        (json!({"amount": {"amount": -1, "currency": "USD"}}), "/amount/amount: invalid"),
        (json!({"amount": {"amount": 1, "currency": "EUR"}}), "/amount/currency: currency-mismatch"),
        (with(usd(1), "destination", "cash"), "/destination: invalid"),
        (with(usd(1), "part", "x"), "/part: invalid"),
        (with(usd(1), "attempt", 1), "/attempt: not-alone"),
        (with(usd(1), "seller", "x"), "/seller: unknown-field"),
    ] {
        let answer = market.test.refused(refund_order::handle, refunding(&id, &market.seller, &body)).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![named.to_owned()]), "{body}");
    }
    let staff = market.test.staff("fay", Role::Finance).await;
    for (attempt, named) in [(1, "/attempt: pays-the-order"), (9, "/attempt: unknown")] {
        let call = refunding(&id, &staff, &json!({ "attempt": attempt }));
        let answer = market.test.refused(refund_order::handle, call).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![named.to_owned()]));
    }
}

#[tokio::test]
async fn a_repeated_refund_answers_the_same_and_gives_back_once() {
    let market = Market::open().await;
    let test = &market.test;
    let id = market.paid(3).await;
    let call = || refunding(&id, &market.seller, &of(&market.thing, 1)).key("k-1");
    let (one, two) =
        tokio::join!(test.call(refund_order::handle, call()), test.call(refund_order::handle, call()));
    assert_eq!((one.status, &one), (201, &two), "{}", two.text);
    test.db.fault(Rule::after(Operation::TransactWriteItems, Fault::Dropped).times(3));
    assert_eq!(test.call(refund_order::handle, call()).await, one);
    test.db.calm();
    assert_eq!(test.stock(&market.thing).await, (8, 0, 2));
    let other = call().json(&of(&market.thing, 2));
    is(&test.refused(refund_order::handle, other).await, 422, "idempotency-key-reused");
    // An answer that is lost altogether is found again under its key.
    test.db.fault(Rule::after(Operation::TransactWriteItems, Fault::TimedOut).times(20));
    let lost = || refunding(&id, &market.seller, &of(&market.thing, 1)).key("k-2");
    assert_eq!(test.call(refund_order::handle, lost()).await.status, 503);
    test.db.calm();
    assert_eq!(test.call(refund_order::handle, lost()).await.status, 201);
    assert_eq!(test.stock(&market.thing).await, (9, 0, 1));
    test.assert_clean().await;
}

#[tokio::test]
async fn two_refunds_at_once_never_exceed_the_capture() {
    for seed in 0..10 {
        let market = Market::open().await;
        let test = &market.test;
        let gateway = FakeGateway::default();
        let id = test.order(&market.buyer, &[(&market.thing, 2)]).await;
        test.pay_through(&gateway, &market.buyer, &id).await;
        let total = test.read_order(&id).await.order.value.totals.total.minor();
        test.db.random_faults(RandomFaults::rough(seed));
        let body = usd(total * 2 / 3);
        let (one, two) = tokio::join!(market.refund(&id, &body), market.refund(&id, &body));
        test.db.calm();
        assert!(one.status != 201 || two.status != 201, "{} {}", one.text, two.text);
        market.test.obey_all(&gateway, &id).await;
        assert_eq!(gateway.refunded_minor(), market.money(&id).await.0);
        assert!(gateway.refunded_minor() <= total);
        test.assert_clean().await;
    }
}

#[tokio::test]
async fn goods_are_never_restocked_twice_by_two_refunds_or_though_shipped() {
    for seed in 0..10 {
        let market = Market::open().await;
        let test = &market.test;
        let id = market.paid(2).await;
        test.db.random_faults(RandomFaults::rough(seed));
        let body = of(&market.thing, 2);
        let cancel = test.call(cancel_order::handle, on("POST", &id, "/cancel").by(&market.buyer));
        let tracking = Tracking::parse("dhl", "1").unwrap();
        let (parcel, seller) =
            (NewShipment { by: SentBy::Own(tracking), lines: None }, market.seller.seller());
        let render = |_: &_| Answer { status: 200, body: String::new() };
        let once = Once { key: None, render, at: test.app.now() };
        let ship = shipping::ship(&test.app, &id, &seller, &parcel, &once);
        let (first, second, _, _) =
            tokio::join!(market.refund(&id, &body), market.refund(&id, &body), cancel, ship);
        test.db.calm();
        assert!([&first, &second].iter().filter(|answer| answer.status == 201).count() <= 1);
        let progress = test.read_order(&id).await.parts[0].value.lines[0].progress;
        assert!(progress.fits(2), "{progress:?}");
        let committed = progress.open(2);
        assert_eq!(test.stock(&market.thing).await, (8 + progress.cancelled, 0, committed), "seed {seed}");
        test.assert_clean().await;
    }
}

#[tokio::test]
async fn a_refund_that_crashes_between_our_record_and_the_provider_is_made_once() {
    let market = Market::open().await;
    let test = &market.test;
    let gateway = FakeGateway::default();
    let id = test.order(&market.buyer, &[(&market.thing, 2)]).await;
    test.pay_through(&gateway, &market.buyer, &id).await;
    for body in [of(&market.thing, 1), usd(100)] {
        assert_eq!(market.refund(&id, &body).await.status, 201);
    }
    let events = test.app.store.events(&id, 0, 100).await.unwrap();
    let gateways = Gateways::default().with(gateway.clone());
    for fault in [GatewayFault::LostRequest, GatewayFault::LostAnswer] {
        gateway.fail(fault);
        for event in &events {
            drop(payments::obey(&test.app, &gateways, &id, &event.event).await);
        }
    }
    market.test.obey_all(&gateway, &id).await;
    market.test.obey_all(&gateway, &id).await;
    let keys = [format!("{id}/1/refund/1"), format!("{id}/1/refund/2")];
    assert_eq!(gateway.refund_keys(), keys);
    assert_eq!(gateway.refunded_minor(), market.money(&id).await.0);
    let states: Vec<_> = test.read_order(&id).await.refunds.iter().map(|r| r.value.state.name()).collect();
    assert_eq!(states, ["succeeded", "succeeded"]);
    test.assert_clean().await;
}

#[tokio::test]
async fn there_are_only_so_many_refunds_of_a_payment() {
    let market = Market::open().await;
    let id = market.paid(1).await;
    for _ in 0..100 {
        assert_eq!(market.refund(&id, &usd(1)).await.status, 201);
    }
    let refused = market.test.refused(refund_order::handle, refunding(&id, &market.seller, &usd(1))).await;
    is(&refused, 409, "limit-reached");
    assert_eq!(market.test.read_order(&id).await.refunds.len(), 100);
    market.test.assert_clean().await;
}
