use serde_json::{Value, json};
use sutler_domain::{account::Role, ids::VariantId};
use sutler_testkit::{Stage, TestCall};

use super::{Market, is, on, text};
use crate::cancel_order;

fn cancel(order: &sutler_domain::ids::OrderId) -> TestCall {
    on("POST", order, "/cancel")
}

#[tokio::test]
async fn an_order_is_given_up_by_its_buyer_until_something_is_shipped() {
    for (stage, expected, stock) in [
        (Stage::AwaitingPayment, Ok("cancelled"), (10, 0, 0)),
        (Stage::Cancelled, Ok("cancelled"), (10, 0, 0)),
        (Stage::Paid, Ok("refunded"), (10, 0, 0)),
        (Stage::Refunded, Ok("refunded"), (10, 0, 0)),
        (Stage::InTransit, Err("in_transit"), (8, 0, 0)),
        (Stage::Completed, Err("completed"), (8, 0, 0)),
    ] {
        let market = Market::open().await;
        let test = &market.test;
        let id = test.order_at(stage, &market.buyer, &market.seller, &[(&market.thing, 2)]).await;
        match expected {
            Ok(state) => {
                let answer = test.call(cancel_order::handle, cancel(&id).by(&market.buyer)).await;
                assert_eq!((answer.status, text(&answer, "/state").as_str()), (200, state), "{stage:?}");
                assert_eq!(answer.body["parts"][0]["state"], "cancelled");
            }
            Err(state) => {
                let answer = test.refused(cancel_order::handle, cancel(&id).by(&market.buyer)).await;
                is(&answer, 409, "order-state");
                assert_eq!(answer.body["state"], state, "{stage:?}");
            }
        }
        assert_eq!(test.stock(&market.thing).await, stock, "{stage:?}");
        test.assert_clean().await;
    }
}

#[tokio::test]
async fn nobody_but_its_buyer_gives_an_order_up() {
    for stage in Stage::ALL {
        let market = Market::open().await;
        let test = &market.test;
        let id = test.order_at(stage, &market.buyer, &market.seller, &[(&market.thing, 2)]).await;
        test.needs_token(&market.buyer, cancel_order::handle, cancel(&id)).await;
        let (stranger, rival) = (test.user("sam").await, test.seller("eve").await);
        let (support, admin) =
            (test.staff("sue", Role::Support).await, test.staff("root", Role::Admin).await);
        for other in [&market.seller, &stranger, &rival, &support, &admin] {
            is(&test.refused(cancel_order::handle, cancel(&id).by(other)).await, 404, "not-found");
        }
    }
    let market = Market::open().await;
    for unknown in ["x", "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH"] {
        let call = TestCall::new("POST", "/v1/orders/x/cancel").parameter("order", unknown).by(&market.buyer);
        is(&market.test.refused(cancel_order::handle, call).await, 404, "not-found");
    }
}

#[tokio::test]
async fn the_answer_shows_how_an_order_ended() {
    let market = Market::open().await;
    let test = &market.test;
    let unpaid = test.order(&market.buyer, &[(&market.thing, 2)]).await;
    let answer = test.call(cancel_order::handle, cancel(&unpaid).by(&market.buyer)).await;
    insta::assert_json_snapshot!("cancel_order_unpaid", answer.body);
    let paid = test.order_at(Stage::Paid, &market.buyer, &market.seller, &[(&market.thing, 2)]).await;
    let answer = test.call(cancel_order::handle, cancel(&paid).by(&market.buyer)).await;
    insta::assert_json_snapshot!("cancel_order_paid", answer.body);
}

#[tokio::test]
async fn a_part_that_is_shipped_keeps_the_whole_order() {
    let market = Market::open().await;
    let test = &market.test;
    let other = test.goods(&test.seller("eve").await, 333, 9).await;
    let id = test.order(&market.buyer, &[(&other, 3), (&market.thing, 2)]).await;
    test.pay(&market.buyer, &id).await;
    test.ship(&market.seller, &id).await;
    let refused = test.refused(cancel_order::handle, cancel(&id).by(&market.buyer)).await;
    is(&refused, 409, "order-state");
    assert_eq!((test.stock(&other).await, test.stock(&market.thing).await), ((6, 0, 3), (8, 0, 0)));
    test.assert_clean().await;
}

fn units(lines: &[(&VariantId, u32)]) -> Value {
    let line = |(variant, quantity): &(&VariantId, u32)| json!({"variant": variant, "quantity": quantity});
    json!({"lines": lines.iter().map(line).collect::<Vec<_>>()})
}

#[tokio::test]
async fn some_units_of_a_paid_order_are_given_up_and_their_money_goes_back() {
    let market = Market::open().await;
    let test = &market.test;
    let other = test.goods(&test.seller("eve").await, 333, 9).await;
    let id = test.order(&market.buyer, &[(&market.thing, 3), (&other, 3)]).await;
    test.pay(&market.buyer, &id).await;
    let call = |lines: &[(&VariantId, u32)]| cancel(&id).json(&units(lines)).by(&market.buyer);
    let answer = test.call(cancel_order::handle, call(&[(&market.thing, 1), (&other, 2)])).await;
    assert_eq!(
        (answer.status, text(&answer, "/state").as_str()),
        (200, "partially_refunded"),
        "{}",
        answer.text
    );
    insta::assert_json_snapshot!("cancel_order_units", answer.body);
    assert_eq!((test.stock(&market.thing).await, test.stock(&other).await), ((8, 0, 2), (8, 0, 1)));
    // A third of 59.97 and 11.99 tax; two thirds of 9.99 and 2.00 tax, of which the odd cents come first.
    assert_eq!(answer.body["refunded"]["amount"], 2_399 + 400 + 400);
    test.assert_clean().await;
    // What is left goes with the shipping once nothing of a part is sent.
    test.ship(&market.seller, &id).await;
    let answer = test.call(cancel_order::handle, call(&[(&other, 1)])).await;
    let eves = &answer.body["parts"].as_array().unwrap().iter().find(|part| part["state"] == "cancelled");
    assert_eq!(eves.unwrap()["refunded"], eves.unwrap()["totals"]["total"]);
    let refused = test.refused(cancel_order::handle, call(&[(&market.thing, 1)])).await;
    is(&refused, 409, "order-state");
    test.deliver(&market.buyer, &market.seller, &id).await;
    assert_eq!(test.read_order(&id).await.order.value.state.name(), "completed");
    test.assert_clean().await;
}

#[tokio::test]
async fn only_units_that_are_paid_and_not_shipped_can_be_given_up() {
    let market = Market::open().await;
    let test = &market.test;
    let id = test.order(&market.buyer, &[(&market.thing, 2)]).await;
    let call = |body: &Value| cancel(&id).json(body).by(&market.buyer);
    let one = units(&[(&market.thing, 1)]);
    let unpaid = test.refused(cancel_order::handle, call(&one)).await;
    is(&unpaid, 409, "order-state");
    assert_eq!(unpaid.body["state"], "awaiting_payment");
    test.pay(&market.buyer, &id).await;
    is(&test.refused(cancel_order::handle, call(&units(&[(&market.thing, 3)]))).await, 409, "too-many-units");
    let foreign = test.goods(&market.seller, 1, 1).await;
    for (body, named) in [
        (json!({"lines": []}), "/lines: empty"),
        (units(&[(&foreign, 1)]), "/lines/0/variant: unknown"),
        (units(&[(&market.thing, 1), (&market.thing, 1)]), "/lines/1/variant: repeated"),
        (units(&[(&market.thing, 100)]), "/lines/0/quantity: out-of-range"),
        (json!({"line": []}), "/line: unknown-field"),
    ] {
        let answer = test.refused(cancel_order::handle, call(&body)).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![named.to_owned()]), "{body}");
    }
    for other in [&market.seller, &test.user("sam").await] {
        is(&test.refused(cancel_order::handle, cancel(&id).json(&one).by(other)).await, 404, "not-found");
    }
}

#[tokio::test]
async fn a_repeated_cancellation_answers_the_same_and_acts_once() {
    for stage in [Stage::AwaitingPayment, Stage::Paid] {
        let market = Market::open().await;
        let test = &market.test;
        let lines = [(&market.thing, 2)];
        let id = test.order_at(stage, &market.buyer, &market.seller, &lines).await;
        let call = || cancel(&id).by(&market.buyer).key("k-1");
        let (one, two) =
            tokio::join!(test.call(cancel_order::handle, call()), test.call(cancel_order::handle, call()));
        assert_eq!((one.status, &one), (200, &two), "{}", two.text);
        drop(test.db.drain_stream());
        assert_eq!(test.call(cancel_order::handle, call()).await, one);
        // A client without keys is answered alike.
        assert_eq!(test.call(cancel_order::handle, cancel(&id).by(&market.buyer)).await, one);
        assert_eq!(test.db.drain_stream(), []);
        let other = test.order(&market.buyer, &lines).await;
        let reused = cancel(&other).by(&market.buyer).key("k-1");
        is(&test.refused(cancel_order::handle, reused).await, 422, "idempotency-key-reused");
        assert_eq!(test.stock(&market.thing).await, (8, 2, 0));
    }
}

#[tokio::test]
async fn a_cancelled_order_frees_exactly_what_it_held() {
    let market = Market::open().await;
    let test = &market.test;
    let (held, given_up) = (
        test.order(&market.buyer, &[(&market.thing, 3)]).await,
        test.order(&market.buyer, &[(&market.thing, 4)]).await,
    );
    assert_eq!(test.stock(&market.thing).await, (3, 7, 0));
    test.call(cancel_order::handle, cancel(&given_up).by(&market.buyer)).await;
    assert_eq!(test.stock(&market.thing).await, (7, 3, 0));
    let state = test.read_order(&held).await.order.value.state.name();
    assert_eq!(json!(state), "awaiting_payment");
}
