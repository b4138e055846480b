use std::time::Duration;

use serde_json::{Value, json};
use sutler_domain::{
    account::Role,
    ids::OrderId,
    label::{Offer, Postage},
    money::{Currency, Money},
    order::Change,
    shipment::Tracking,
};
use sutler_store::{Transaction, orders};
use sutler_testkit::{Stage, TestAnswer, TestCall, TestUser};

use super::{Market, is, on, text};
use crate::{get_order, list_order_events, list_orders};

async fn list(market: &Market, who: &TestUser, filter: &[(&str, &str)]) -> TestAnswer {
    let call = TestCall::get("/v1/orders").by(who);
    let call = filter.iter().fold(call, |call, (name, value)| call.query(name, value));
    market.test.call(list_orders::handle, call).await
}

fn ids(answer: &TestAnswer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let items = answer.body["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

async fn get(market: &Market, who: &TestUser, order: &OrderId) -> TestAnswer {
    market.test.call(get_order::handle, on("GET", order, "").by(who)).await
}

fn events(order: &OrderId) -> TestCall {
    on("GET", order, "/events")
}

#[tokio::test]
async fn a_buyer_sees_all_of_an_order_and_a_seller_their_part() {
    let market = Market::open().await;
    let test = &market.test;
    let rival = test.seller("eve").await;
    let other = test.goods(&rival, 333, 9).await;
    let id = test.order(&market.buyer, &[(&market.thing, 2), (&other, 3)]).await;
    test.pay(&market.buyer, &id).await;
    test.ship(&market.seller, &id).await;

    let whole = get(&market, &market.buyer, &id).await;
    assert_eq!(whole.status, 200, "{}", whole.text);
    insta::assert_json_snapshot!("get_order_of_buyer", whole.body);
    let support = test.staff("sue", Role::Support).await;
    assert_eq!(get(&market, &support, &id).await.body, whole.body);

    let part = get(&market, &rival, &id).await;
    assert_eq!(part.status, 200, "{}", part.text);
    insta::assert_json_snapshot!("get_order_of_seller", part.body);
    for hidden in [market.thing.as_str(), market.seller.seller().as_str(), "client_secret", "payments"] {
        assert!(!part.text.contains(hidden), "{hidden} in {}", part.text);
    }
    assert_eq!(part.body["totals"], part.body["parts"][0]["totals"]);
}

#[tokio::test]
async fn an_order_does_not_exist_for_those_who_have_no_part_in_it() {
    let market = Market::open().await;
    let test = &market.test;
    let id = test.order(&market.buyer, &[(&market.thing, 2)]).await;
    test.needs_token(&market.buyer, get_order::handle, on("GET", &id, "")).await;
    test.needs_token(&market.buyer, list_order_events::handle, events(&id)).await;
    test.needs_token(&market.buyer, list_orders::handle, TestCall::get("/v1/orders")).await;
    for other in [test.user("sam").await, test.seller("eve").await, test.unverified("tim").await] {
        is(&test.refused(get_order::handle, on("GET", &id, "").by(&other)).await, 404, "not-found");
        is(&test.refused(list_order_events::handle, events(&id).by(&other)).await, 404, "not-found");
        for role in ["buyer", "seller"] {
            assert_eq!(ids(&list(&market, &other, &[("role", role)]).await), [""; 0]);
        }
    }
    for unknown in ["", "x", "ord_1", &id.as_str().to_lowercase(), "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH"] {
        let call = on("GET", &id, "").parameter("order", unknown).by(&market.buyer);
        is(&test.refused(get_order::handle, call.clone()).await, 404, "not-found");
        is(&test.refused(list_order_events::handle, call).await, 404, "not-found");
    }
}

#[tokio::test]
async fn reading_orders_writes_nothing() {
    let market = Market::open().await;
    let id = market.test.order(&market.buyer, &[(&market.thing, 2)]).await;
    drop(market.test.db.drain_stream());
    for who in [&market.buyer, &market.seller] {
        assert_eq!(get(&market, who, &id).await.status, 200);
        assert_eq!(market.test.call(list_order_events::handle, events(&id).by(who)).await.status, 200);
        assert_eq!(list(&market, who, &[]).await.status, 200);
    }
    assert_eq!(market.test.db.drain_stream(), []);
}

#[tokio::test]
async fn an_orders_history_is_told_oldest_first_page_by_page() {
    let market = Market::open().await;
    let test = &market.test;
    let id = test.order_at(Stage::Completed, &market.buyer, &market.seller, &[(&market.thing, 1)]).await;
    let all = test.call(list_order_events::handle, events(&id).by(&market.buyer)).await;
    assert_eq!(all.status, 200, "{}", all.text);
    insta::assert_json_snapshot!("list_order_events", all.body);
    let support = test.staff("sue", Role::Support).await;
    assert_eq!(test.call(list_order_events::handle, events(&id).by(&support)).await, all);

    let mut told: Vec<Value> = Vec::new();
    let mut call = events(&id).query("limit", "2").by(&market.buyer);
    loop {
        let page = test.call(list_order_events::handle, call.clone()).await;
        told.extend(page.body["items"].as_array().unwrap().clone());
        match text(&page, "/next_cursor") {
            end if end.is_empty() => break,
            cursor => call = call.query("cursor", &cursor),
        }
    }
    assert_eq!(json!(told), all.body["items"]);
}

#[tokio::test]
async fn a_sellers_history_holds_nothing_of_other_parts_and_of_payments() {
    let market = Market::open().await;
    let test = &market.test;
    let rival = test.seller("eve").await;
    let other = test.goods(&rival, 333, 9).await;
    let id = test.order(&market.buyer, &[(&market.thing, 2), (&other, 3)]).await;
    test.pay(&market.buyer, &id).await;
    for seller in [&market.seller, &rival] {
        test.ship(seller, &id).await;
        test.deliver(&market.buyer, seller, &id).await;
    }
    for (seller, stranger) in [(&market.seller, &rival), (&rival, &market.seller)] {
        let answer = test.call(list_order_events::handle, events(&id).by(seller)).await;
        let kinds: Vec<_> = answer.body["items"].as_array().unwrap().iter().collect();
        let kinds: Vec<_> = kinds.iter().map(|item| item["event"]["type"].as_str().unwrap()).collect();
        let expected = ["order.placed", "order.paid", "part.shipped", "part.delivered", "order.completed"];
        assert_eq!(kinds, expected);
        assert!(!answer.text.contains(stranger.seller().as_str()), "{}", answer.text);
        assert!(!answer.text.contains("amount") && !answer.text.contains("hash"), "{}", answer.text);
        let first = events(&id).query("limit", "1").query("cursor", "2").by(seller);
        let page = test.call(list_order_events::handle, first).await;
        // Between these two of the seller's entries there are some that are not.
        assert_eq!(page.body["items"][0]["event"]["type"], "part.shipped", "{}", page.text);
    }
}

#[tokio::test]
async fn a_page_of_a_filtered_list_is_full_as_long_as_there_is_more() {
    let market = Market::open().await;
    let test = &market.test;
    let paid = test.order_at(Stage::Paid, &market.buyer, &market.seller, &[(&market.thing, 1)]).await;
    for _ in 0..3 {
        test.clock().advance(Duration::from_secs(1));
        test.order_at(Stage::Cancelled, &market.buyer, &market.seller, &[(&market.thing, 1)]).await;
    }
    let found = list(&market, &market.buyer, &[("state", "paid"), ("limit", "1")]).await;
    assert_eq!(ids(&found), [paid.as_str()]);
    let found =
        list(&market, &market.seller, &[("role", "seller"), ("state", "awaiting_shipment"), ("limit", "1")]);
    assert_eq!(ids(&found.await), [paid.as_str()]);
    for (role, state) in
        [("buyer", "awaiting_shipment"), ("seller", "paid"), ("buyer", "lost"), ("buyer", "")]
    {
        let refused = list(&market, &market.buyer, &[("role", role), ("state", state)]).await;
        assert_eq!((refused.status, refused.invalid_fields()), (422, vec!["state: invalid".to_owned()]));
    }
}

#[tokio::test]
async fn a_seller_learns_where_goods_go_when_they_are_to_be_sent() {
    let market = Market::open().await;
    let test = &market.test;
    for stage in Stage::ALL {
        let id = test.order_at(stage, &market.buyer, &market.seller, &[(&market.thing, 1)]).await;
        let shown = get(&market, &market.seller, &id).await.body.get("address").is_some();
        assert_eq!(shown, matches!(stage, Stage::Paid | Stage::InTransit | Stage::Completed), "{stage:?}");
        assert!(get(&market, &market.buyer, &id).await.body.get("address").is_some());
    }
}

#[tokio::test]
async fn orders_are_listed_newest_first_to_each_side() {
    let market = Market::open().await;
    let test = &market.test;
    let (rival, second) = (test.seller("eve").await, test.user("sam").await);
    let other = test.goods(&rival, 333, 9).await;
    let mut placed = Vec::new();
    for (buyer, lines) in [
        (&market.buyer, vec![(&market.thing, 1)]),
        (&second, vec![(&market.thing, 1)]),
        (&market.buyer, vec![(&market.thing, 2), (&other, 3)]),
        (&market.buyer, vec![(&other, 1)]),
    ] {
        test.clock().advance(Duration::from_secs(1));
        placed.push(test.order(buyer, &lines).await.to_string());
    }
    let of = |picked: &[usize]| picked.iter().map(|n| placed[*n].clone()).collect::<Vec<_>>();
    let bought = list(&market, &market.buyer, &[]).await;
    insta::assert_json_snapshot!("list_orders_of_buyer", bought.body);
    assert_eq!(ids(&bought), of(&[3, 2, 0]));
    assert_eq!(list(&market, &market.buyer, &[("role", "buyer")]).await, bought);
    assert_eq!(ids(&list(&market, &second, &[]).await), of(&[1]));
    let sold = list(&market, &rival, &[("role", "seller")]).await;
    insta::assert_json_snapshot!("list_orders_of_seller", sold.body);
    assert_eq!(ids(&sold), of(&[3, 2]));
    assert_eq!(ids(&list(&market, &market.seller, &[("role", "seller")]).await), of(&[2, 1, 0]));
    assert_eq!(ids(&list(&market, &market.seller, &[]).await), [""; 0]);
}

#[tokio::test]
async fn pages_of_orders_are_all_of_them_once() {
    let market = Market::open().await;
    let mut placed = Vec::new();
    for _ in 0..5 {
        market.test.clock().advance(Duration::from_secs(1));
        placed.insert(0, market.test.order(&market.buyer, &[(&market.thing, 1)]).await.to_string());
    }
    for (who, role) in [(&market.buyer, "buyer"), (&market.seller, "seller")] {
        for limit in ["1", "2", "5", "100"] {
            let (mut seen, mut cursor) = (Vec::new(), None::<String>);
            loop {
                let from = cursor.iter().map(|cursor| ("cursor", cursor.as_str()));
                let filter: Vec<_> = [("role", role), ("limit", limit)].into_iter().chain(from).collect();
                let page = list(&market, who, &filter).await;
                assert!(ids(&page).len() <= limit.parse().unwrap());
                seen.extend(ids(&page));
                cursor = page.body["next_cursor"].as_str().map(str::to_owned);
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen, placed, "{role}, {limit} a page");
        }
    }
}

#[tokio::test]
async fn orders_are_filtered_by_where_they_are_and_parts_by_where_those_are() {
    let market = Market::open().await;
    let test = &market.test;
    let mut placed = Vec::new();
    for stage in Stage::ALL {
        placed.push(test.order_at(stage, &market.buyer, &market.seller, &[(&market.thing, 1)]).await);
    }
    let of = |stage: Stage| placed[Stage::ALL.iter().position(|other| *other == stage).unwrap()].to_string();
    for (state, expected) in [
        ("awaiting_payment", vec![of(Stage::AwaitingPayment)]),
        ("cancelled", vec![of(Stage::Cancelled)]),
        ("paid", vec![of(Stage::InTransit), of(Stage::Paid)]),
        ("refunded", vec![of(Stage::Refunded)]),
        ("partially_refunded", vec![]),
        ("completed", vec![of(Stage::Completed)]),
    ] {
        assert_eq!(ids(&list(&market, &market.buyer, &[("state", state)]).await), expected, "{state}");
    }
    for (state, expected) in [
        ("awaiting_payment", vec![of(Stage::AwaitingPayment)]),
        ("awaiting_shipment", vec![of(Stage::Paid)]),
        ("in_transit", vec![of(Stage::InTransit)]),
        ("partly_shipped", vec![]),
        ("delivered", vec![of(Stage::Completed)]),
        ("cancelled", vec![of(Stage::Refunded), of(Stage::Cancelled)]),
    ] {
        let found = list(&market, &market.seller, &[("role", "seller"), ("state", state)]).await;
        assert_eq!(ids(&found), expected, "{state}");
    }
}

#[tokio::test]
async fn lists_of_orders_are_bounded_and_bad_parameters_are_named() {
    let market = Market::open().await;
    let test = &market.test;
    let id = test.order(&market.buyer, &[(&market.thing, 1)]).await;
    for (name, value) in [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "-1"),
        ("limit", "1.5"),
        ("limit", "x"),
        ("limit", ""),
        ("limit", "99999999999"),
        ("cursor", ""),
        ("cursor", "x"),
        ("cursor", "é"),
        ("cursor", &"9".repeat(600)),
        ("cursor", "-1"),
    ] {
        let named = [format!("{name}: invalid")];
        let listed = TestCall::get("/v1/orders").query(name, value).by(&market.buyer);
        let answer = test.refused(list_orders::handle, listed).await;
        assert_eq!((answer.status, answer.invalid_fields().as_slice()), (422, named.as_slice()), "{value}");
        let told = events(&id).query(name, value).by(&market.buyer);
        let answer = test.refused(list_order_events::handle, told).await;
        assert_eq!((answer.status, answer.invalid_fields().as_slice()), (422, named.as_slice()), "{value}");
    }
    let role = TestCall::get("/v1/orders").query("role", "staff").by(&market.buyer);
    assert_eq!(test.refused(list_orders::handle, role).await.invalid_fields(), ["role: invalid"]);
}

#[tokio::test]
async fn a_label_is_seen_by_the_seller_who_bought_it_alone() {
    let market = Market::open().await;
    let test = &market.test;
    let id = test.order_at(Stage::Paid, &market.buyer, &market.seller, &[(&market.thing, 2)]).await;
    let mut part = test.read_order(&id).await.parts.remove(0);
    let cost = Money::try_new(750, Currency::Usd).unwrap();
    let (rate, carrier, service) = ("s.r".to_owned(), "USPS".to_owned(), "Priority Mail".to_owned());
    let offer = Offer { rate, carrier, service, cost, days: None };
    let label = part.value.claim_label(0, &offer, test.app.now()).unwrap();
    let tracking = Tracking::parse("USPS", "92055").unwrap();
    let url = "https://labels.example.com/1.pdf".to_owned();
    let postage = Postage { provider_id: "t1".to_owned(), tracking, url };
    let change = part.value.label_mut(&label.id).unwrap().bought(postage, test.app.now());
    assert_eq!(change, Change::Applied);
    let mut transaction = Transaction::new();
    orders::save_part(&mut transaction, &part).unwrap();
    test.app.store.transact(transaction).await.unwrap();
    let own = get(&market, &market.seller, &id).await;
    insta::assert_json_snapshot!("labels_of_seller", own.body["parts"][0]["labels"]);
    let support = test.staff("sue", Role::Support).await;
    for other in [&market.buyer, &support] {
        let seen = get(&market, other, &id).await;
        assert!(!seen.text.contains("label"), "{}", seen.text);
    }
}
