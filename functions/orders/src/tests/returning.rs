#![expect(clippy::arithmetic_side_effects, reason = "a test may stop")]

use std::time::Duration;

use serde_json::{Value, json};
use sutler_domain::{
    account::Role,
    ids::{OrderId, VariantId},
};
use sutler_testkit::{Fault, Operation, RandomFaults, Rule, Stage, TestAnswer, TestCall, TestUser};

use super::{Market, is, on, text};
use crate::{approve_return, get_order, receive_return, refund_order, reject_return, request_return};

const DAY: Duration = Duration::from_hours(24);

fn units(variant: &VariantId, quantity: u32) -> Value {
    json!([{"variant": variant, "quantity": quantity}])
}

fn asking(order: &OrderId, who: &TestUser, lines: &Value) -> TestCall {
    on("POST", order, "/returns").json(&json!({"lines": lines, "reason": "Too small"})).by(who)
}

fn deciding(id: &str, what: &str, who: &TestUser) -> TestCall {
    TestCall::new("POST", &format!("/v1/returns/{id}/{what}")).parameter("return", id).by(who)
}

fn receiving(id: &str, who: &TestUser, sellable: &Value) -> TestCall {
    deciding(id, "received", who).json(&json!({ "sellable": sellable }))
}

impl Market {
    async fn delivered(&self, quantity: u32) -> OrderId {
        self.test.order_at(Stage::Completed, &self.buyer, &self.seller, &[(&self.thing, quantity)]).await
    }

    async fn ask(&self, order: &OrderId, quantity: u32) -> TestAnswer {
        let call = asking(order, &self.buyer, &units(&self.thing, quantity));
        self.test.call(request_return::handle, call).await
    }

    /// A return that the seller has agreed to.
    async fn approved(&self, order: &OrderId, quantity: u32) -> String {
        let asked = self.ask(order, quantity).await;
        assert_eq!(asked.status, 201, "{}", asked.text);
        let id = text(&asked, "/return/id");
        let agreed = self.test.call(approve_return::handle, deciding(&id, "approve", &self.seller)).await;
        assert_eq!(agreed.status, 200, "{}", agreed.text);
        id
    }

    async fn receive(&self, id: &str, sellable: &Value) -> TestAnswer {
        self.test.call(receive_return::handle, receiving(id, &self.seller, sellable)).await
    }

    async fn part_state(&self, order: &OrderId) -> &'static str {
        self.test.read_order(order).await.parts[0].value.state.name()
    }
}

#[tokio::test]
async fn goods_come_back_and_their_money_goes_back_with_them() {
    let market = Market::open().await;
    let test = &market.test;
    let id = market.delivered(3).await;
    let asked = market.ask(&id, 2).await;
    assert_eq!(asked.status, 201, "{}", asked.text);
    insta::assert_json_snapshot!("request_return", asked.body);
    assert_eq!(market.part_state(&id).await, "return_requested");
    let sent_back = text(&asked, "/return/id");
    let agreed = test.call(approve_return::handle, deciding(&sent_back, "approve", &market.seller)).await;
    insta::assert_json_snapshot!("approve_return", agreed.body);
    test.assert_clean().await;
    let received = market.receive(&sent_back, &units(&market.thing, 1)).await;
    assert_eq!(received.status, 200, "{}", received.text);
    insta::assert_json_snapshot!("receive_return", received.body);
    assert_eq!(test.stock(&market.thing).await, (8, 0, 0), "one of the two can be sold again");
    assert_eq!(market.part_state(&id).await, "delivered");
    test.assert_clean().await;
    for who in [&market.buyer, &market.seller] {
        let seen = test.call(get_order::handle, on("GET", &id, "").by(who)).await;
        assert_eq!(seen.body["returns"][0]["state"], "received", "{}", seen.text);
    }
    let last = market.approved(&id, 1).await;
    assert_eq!(market.receive(&last, &json!([])).await.status, 200);
    assert_eq!(market.part_state(&id).await, "returned");
    let read = test.read_order(&id).await;
    let (goods, totals) = (1_999 * 3, read.order.value.totals);
    // All three with their tax; shipping was not paid back.
    let tax = totals.tax.minor() - 100;
    assert_eq!(read.order.value.refunded.minor(), goods + tax);
    assert_eq!(read.order.value.state_name(), "partially_refunded");
    test.assert_clean().await;
}

#[tokio::test]
async fn a_return_that_is_rejected_changes_nothing_and_can_be_asked_for_again() {
    let market = Market::open().await;
    let test = &market.test;
    let id = market.delivered(1).await;
    let asked = market.ask(&id, 1).await;
    let sent_back = text(&asked, "/return/id");
    let rejected = test.call(reject_return::handle, deciding(&sent_back, "reject", &market.seller)).await;
    assert_eq!((rejected.status, text(&rejected, "/return/state").as_str()), (200, "rejected"));
    assert_eq!(market.part_state(&id).await, "delivered");
    for (handle, what) in [("approve", "approve"), ("received", "received")] {
        let call = deciding(&sent_back, what, &market.seller);
        let refused = if handle == "approve" {
            test.refused(approve_return::handle, call).await
        } else {
            test.refused(receive_return::handle, call).await
        };
        is(&refused, 409, "order-state");
        assert_eq!(refused.body["state"], "rejected");
    }
    assert_eq!(test.stock(&market.thing).await, (9, 0, 0));
    assert_eq!(market.ask(&id, 1).await.status, 201);
    test.assert_clean().await;
}

#[tokio::test]
async fn only_what_was_delivered_lately_and_is_not_on_its_way_back_can_be_returned() {
    for stage in [Stage::AwaitingPayment, Stage::Cancelled, Stage::Paid, Stage::Refunded, Stage::InTransit] {
        let market = Market::open().await;
        let lines = [(&market.thing, 1)];
        let id = market.test.order_at(stage, &market.buyer, &market.seller, &lines).await;
        let call = asking(&id, &market.buyer, &units(&market.thing, 1));
        is(&market.test.refused(request_return::handle, call).await, 409, "order-state");
    }
    let market = Market::open().await;
    let test = &market.test;
    let id = market.delivered(3).await;
    market.approved(&id, 1).await;
    let three = asking(&id, &market.buyer, &units(&market.thing, 3));
    let refused = test.refused(request_return::handle, three).await;
    is(&refused, 409, "too-many-units");
    assert_eq!(refused.body["possible"], 2);
    test.clock().advance((DAY * 30).checked_sub(Duration::from_secs(1)).unwrap());
    let buyer = TestUser { token: test.sign_in(&market.buyer.user), ..market.buyer.clone() };
    let one = asking(&id, &buyer, &units(&market.thing, 1));
    assert_eq!(test.call(request_return::handle, one.clone()).await.status, 201);
    test.clock().advance(Duration::from_secs(1));
    let refused = test.refused(request_return::handle, one).await;
    is(&refused, 409, "too-many-units");
    assert_eq!(refused.body["possible"], 0);
}

#[tokio::test]
async fn nobody_returns_or_decides_what_is_not_theirs() {
    let market = Market::open().await;
    let test = &market.test;
    let rival = test.seller("eve").await;
    let other = test.goods(&rival, 333, 9).await;
    let id = test.order(&market.buyer, &[(&market.thing, 1), (&other, 1)]).await;
    test.pay(&market.buyer, &id).await;
    for seller in [&market.seller, &rival] {
        test.ship(seller, &id).await;
        test.deliver(&market.buyer, seller, &id).await;
    }
    let (stranger, support) = (test.user("sam").await, test.staff("sue", Role::Support).await);
    let lines = units(&market.thing, 1);
    for who in [&market.seller, &stranger, &support] {
        is(&test.refused(request_return::handle, asking(&id, who, &lines)).await, 404, "not-found");
    }
    let both = json!([{"variant": market.thing, "quantity": 1}, {"variant": other, "quantity": 1}]);
    let mixed = test.refused(request_return::handle, asking(&id, &market.buyer, &both)).await;
    assert_eq!(mixed.invalid_fields(), ["/lines/1/variant: of-another-seller"]);
    let sent_back = text(&market.ask(&id, 1).await, "/return/id");
    for who in [&rival, &market.buyer, &stranger] {
        let call = |what| deciding(&sent_back, what, who);
        is(&test.refused(approve_return::handle, call("approve")).await, 404, "not-found");
        is(&test.refused(reject_return::handle, call("reject")).await, 404, "not-found");
        is(&test.refused(receive_return::handle, call("received")).await, 404, "not-found");
    }
    let seen = test.call(get_order::handle, on("GET", &id, "").by(&rival)).await;
    assert!(!seen.text.contains(&sent_back), "{}", seen.text);
    // Staff decide in a seller's place, but they do not have the goods.
    let agreed = test.call(approve_return::handle, deciding(&sent_back, "approve", &support)).await;
    assert_eq!(agreed.status, 200, "{}", agreed.text);
    is(
        &test.refused(receive_return::handle, deciding(&sent_back, "received", &support)).await,
        404,
        "not-found",
    );
    for unknown in ["x", "ret_01J8ZQ5K3N0V7X2Y4T6B8D9FGH0001", &format!("{}99", &sent_back[..32])] {
        let call = |what| deciding(&sent_back, what, &market.seller).parameter("return", unknown);
        is(&test.refused(approve_return::handle, call("approve")).await, 404, "not-found");
        is(&test.refused(reject_return::handle, call("reject")).await, 404, "not-found");
        is(&test.refused(receive_return::handle, call("received")).await, 404, "not-found");
    }
    let anonymous = |what| {
        TestCall::new("POST", &format!("/v1/returns/{sent_back}/{what}")).parameter("return", &sent_back)
    };
    test.needs_token(&market.seller, approve_return::handle, anonymous("approve")).await;
    test.needs_token(&market.seller, reject_return::handle, anonymous("reject")).await;
    test.needs_token(&market.seller, receive_return::handle, anonymous("received")).await;
    let body = json!({"lines": lines, "reason": "x"});
    let call = on("POST", &id, "/returns").json(&body);
    test.needs_token(&market.buyer, request_return::handle, call).await;
}

#[tokio::test]
async fn bad_returns_name_their_fields() {
    let market = Market::open().await;
    let test = &market.test;
    let id = market.delivered(1).await;
    let foreign = test.goods(&market.seller, 1, 1).await;
    let asked = |lines: Value, reason: Value| json!({"lines": lines, "reason": reason});
    for (body, named) in [
        (json!({}), "/lines: missing"),
        (json!({"lines": []}), "/reason: missing"),
        (asked(json!([]), json!("x")), "/lines: empty"),
        (asked(units(&market.thing, 1), json!(" ")), "/reason: too-short"),
        (asked(units(&market.thing, 1), json!("x".repeat(501))), "/reason: too-long"),
        (asked(units(&market.thing, 1), json!("\u{0}")), "/reason: invalid"),
        (asked(units(&market.thing, 0), json!("x")), "/lines/0/quantity: out-of-range"),
        (asked(units(&foreign, 1), json!("x")), "/lines/0/variant: unknown"),
        (asked(json!([{"variant": "x", "quantity": 1}]), json!("x")), "/lines/0/variant: invalid"),
        (json!({"lines": [], "reason": "x", "buyer": "x"}), "/buyer: unknown-field"),
    ] {
        let call = on("POST", &id, "/returns").json(&body).by(&market.buyer);
        let answer = test.refused(request_return::handle, call).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![named.to_owned()]), "{body}");
    }
    let sent_back = market.approved(&id, 1).await;
    for (sellable, named) in [
        (units(&foreign, 1), "/sellable/0/variant: unknown"),
        (units(&market.thing, 100), "/sellable/0/quantity: out-of-range"),
        (json!("x"), "/sellable: wrong-type"),
    ] {
        let call = receiving(&sent_back, &market.seller, &sellable);
        let answer = test.refused(receive_return::handle, call).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![named.to_owned()]), "{sellable}");
    }
    let two = receiving(&sent_back, &market.seller, &units(&market.thing, 2));
    is(&test.refused(receive_return::handle, two).await, 409, "too-many-units");
}

#[tokio::test]
async fn goods_are_never_restocked_twice_by_a_return() {
    for seed in 0..10 {
        let market = Market::open().await;
        let test = &market.test;
        let id = market.delivered(2).await;
        let sent_back = market.approved(&id, 2).await;
        test.db.random_faults(RandomFaults::rough(seed));
        let all = units(&market.thing, 2);
        let (one, two) = tokio::join!(market.receive(&sent_back, &all), market.receive(&sent_back, &all));
        test.db.calm();
        let again = market.receive(&sent_back, &all).await;
        assert_eq!(again.status, 200, "{} {} {}", one.text, two.text, again.text);
        assert_eq!(test.stock(&market.thing).await, (10, 0, 0), "seed {seed}");
        assert_eq!(test.read_order(&id).await.refunds.len(), 1);
        let otherwise = receiving(&sent_back, &market.seller, &json!([]));
        is(&test.refused(receive_return::handle, otherwise).await, 409, "order-state");
        test.assert_clean().await;
    }
}

#[tokio::test]
async fn a_return_whose_answer_got_lost_happens_once() {
    let market = Market::open().await;
    let test = &market.test;
    let id = market.delivered(2).await;
    let lost = || test.db.fault(Rule::after(Operation::TransactWriteItems, Fault::TimedOut).times(20));
    let ask = || asking(&id, &market.buyer, &units(&market.thing, 2)).key("k-1");
    lost();
    assert_eq!(test.call(request_return::handle, ask()).await.status, 503);
    test.db.calm();
    let asked = test.call(request_return::handle, ask()).await;
    assert_eq!(asked.status, 201, "{}", asked.text);
    let sent_back = text(&asked, "/return/id");
    let agree = || deciding(&sent_back, "approve", &market.seller).key("k-2");
    lost();
    assert_eq!(test.call(approve_return::handle, agree()).await.status, 503);
    test.db.calm();
    assert_eq!(test.call(approve_return::handle, agree()).await.status, 200);
    let receive = || receiving(&sent_back, &market.seller, &units(&market.thing, 1)).key("k-3");
    lost();
    assert_eq!(test.call(receive_return::handle, receive()).await.status, 503);
    test.db.calm();
    let received = test.call(receive_return::handle, receive()).await;
    assert_eq!(text(&received, "/refund/state"), "pending", "{}", received.text);
    assert_eq!(test.stock(&market.thing).await, (9, 0, 0));
    let read = test.read_order(&id).await;
    assert_eq!((read.refunds.len(), read.returns.len()), (1, 1));
    test.assert_clean().await;
}

#[tokio::test]
async fn what_was_given_back_before_is_not_given_back_again_by_a_return() {
    let market = Market::open().await;
    let test = &market.test;
    let id = market.delivered(1).await;
    let total = test.read_order(&id).await.order.value.totals.total.minor();
    for left in [5, 0] {
        let amount = json!({"amount": if left > 0 { total - left } else { 5 }, "currency": "USD"});
        let call = on("POST", &id, "/refunds").json(&json!({ "amount": amount })).by(&market.seller);
        assert_eq!(test.call(refund_order::handle, call).await.status, 201);
    }
    let sent_back = market.approved(&id, 1).await;
    let received = market.receive(&sent_back, &units(&market.thing, 1)).await;
    assert_eq!((received.status, received.body.get("refund")), (200, None), "{}", received.text);
    assert_eq!(test.stock(&market.thing).await, (10, 0, 0));
    assert_eq!(test.read_order(&id).await.order.value.refunded.minor(), total);
    test.assert_clean().await;
}
