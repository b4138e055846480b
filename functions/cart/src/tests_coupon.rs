//! Coupons in carts, and ways to send things in quotes.

use serde_json::{Value, json};
use sutler_domain::{
    coupon::{Funder, Terms},
    ids::{AddressId, CartId, VariantId},
    money::{Currency, Money},
    shipping::{OptionId, ShippingProfile},
};
use sutler_testkit::{TestAnswer, TestApp, TestCall, TestUser};

use crate::{
    create_cart, delete_cart_coupon, get_cart, merge_cart, put_cart_coupon, put_cart_line, quote_cart,
};

struct Market {
    test: TestApp,
    seller: TestUser,
    buyer: TestUser,
    address: AddressId,
    thing: VariantId,
}

fn usd(minor: u64) -> Money {
    Money::try_new(minor, Currency::Usd).unwrap()
}

fn is(answer: &TestAnswer, status: u16, problem: &str) {
    assert_eq!((answer.status, answer.problem()), (status, problem), "{}", answer.text);
}

fn on(method: &'static str, cart: &str, what: &str) -> TestCall {
    TestCall::new(method, &format!("/v1/carts/{cart}{what}")).parameter("cart", cart)
}

fn put(cart: &str, code: &str) -> TestCall {
    on("PUT", cart, "/coupon").json(&json!({"code": code}))
}

impl Market {
    async fn open() -> Self {
        let test = TestApp::new().await;
        let (seller, buyer) = (test.seller("ada").await, test.user("bob").await);
        let (address, thing) = (test.address(&buyer).await, test.goods(&seller, 1_999, 10).await);
        test.fill_cart(&buyer, &[(&thing, 2)]).await;
        Self { test, seller, buyer, address, thing }
    }

    fn cart(&self) -> String {
        CartId::of_user(self.buyer.id()).to_string()
    }

    async fn quote(&self, body: &Value) -> TestAnswer {
        let call = on("POST", &self.cart(), "/quote").json(body).by(&self.buyer);
        self.test.call(quote_cart::handle, call).await
    }
}

#[tokio::test]
async fn a_coupon_is_put_shown_replaced_and_taken_out() {
    let market = Market::open().await;
    let (test, cart) = (&market.test, market.cart());
    test.new_coupon("spring", Funder::Platform, test.percent_off(10)).await;
    test.new_coupon("autumn", Funder::Platform, test.percent_off(20)).await;
    let call = put(&cart, "Spring").by(&market.buyer).key("k-1");
    let first = test.call(put_cart_coupon::handle, call.clone()).await;
    assert_eq!(first.status, 200, "{}", first.text);
    insta::assert_json_snapshot!("put_cart_coupon", first.body);
    assert_eq!(test.call(put_cart_coupon::handle, call).await, first);
    let second = test.call(put_cart_coupon::handle, put(&cart, "AUTUMN").by(&market.buyer)).await;
    assert_eq!(second.body["coupon"], "AUTUMN");
    let shown = test.call(get_cart::handle, on("GET", &cart, "").by(&market.buyer)).await;
    assert_eq!(
        (&shown.body["coupon"], &shown.body["lines"]),
        (&second.body["coupon"], &second.body["lines"])
    );
    for key in ["k-2", "k-2", "k-3"] {
        let call = on("DELETE", &cart, "/coupon").by(&market.buyer).key(key);
        let left = test.call(delete_cart_coupon::handle, call).await;
        assert_eq!((left.status, &left.body["coupon"]), (200, &Value::Null));
    }
}

#[tokio::test]
async fn a_guests_coupon_comes_along_at_sign_in() {
    let market = Market::open().await;
    let test = &market.test;
    test.new_coupon("spring", Funder::Platform, test.percent_off(10)).await;
    let opened = test.call(create_cart::handle, TestCall::new("POST", "/v1/carts")).await;
    let field = |name: &str| opened.body[name].as_str().unwrap().to_owned();
    let (guest, token) = (field("id"), field("token"));
    let line = on("PUT", &guest, &format!("/lines/{}", market.thing))
        .parameter("variant", market.thing.as_str())
        .json(&json!({"quantity": 1}))
        .header("cart-token", &token);
    assert_eq!(test.call(put_cart_line::handle, line).await.status, 200);
    let call = put(&guest, "spring").header("cart-token", &token);
    assert_eq!(test.call(put_cart_coupon::handle, call).await.body["coupon"], "SPRING");
    let quote =
        test.call(quote_cart::handle, on("POST", &guest, "/quote").header("cart-token", &token)).await;
    assert_eq!(quote.body["totals"]["discount"]["amount"], 199);
    let merge = on("POST", &guest, "/merge").header("cart-token", &token).by(&market.buyer);
    assert_eq!(test.call(merge_cart::handle, merge).await.body["coupon"], "SPRING");
}

#[tokio::test]
async fn a_coupon_that_cannot_be_used_is_refused_by_its_reason() {
    let market = Market::open().await;
    let (test, cart) = (&market.test, market.cart());
    let fine = test.percent_off(10);
    let (now, day) = (test.app.now(), 86_400);
    for (code, terms) in [
        ("later", Terms { starts_at: now.plus_seconds(1), ..fine.clone() }),
        ("over", Terms { starts_at: now.plus_seconds(-day), ends_at: now, ..fine.clone() }),
        ("ended", Terms { active: false, ..fine.clone() }),
    ] {
        test.new_coupon(code, Funder::Platform, terms).await;
    }
    for (code, problem) in
        [("later", "coupon-not-started"), ("over", "coupon-expired"), ("ended", "coupon-expired")]
    {
        is(&test.refused(put_cart_coupon::handle, put(&cart, code).by(&market.buyer)).await, 409, problem);
    }
    for (body, named) in [
        (json!({"code": "nobody-made-it"}), "/code: unknown"),
        (json!({"code": "a b"}), "/code: invalid"),
        (json!({"code": ""}), "/code: invalid"),
        (json!({"code": 7}), "/code: wrong-type"),
        (json!({}), "/code: missing"),
        (json!({"code": "later", "discount": 100}), "/discount: unknown-field"),
    ] {
        let call = on("PUT", &cart, "/coupon").json(&body).by(&market.buyer);
        let answer = test.refused(put_cart_coupon::handle, call).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![named.to_owned()]), "{body}");
    }
}

#[tokio::test]
async fn a_coupon_of_anothers_cart_is_out_of_reach() {
    let market = Market::open().await;
    let (test, cart) = (&market.test, market.cart());
    test.new_coupon("spring", Funder::Platform, test.percent_off(10)).await;
    for call in [put(&cart, "spring"), put(&cart, "spring").by(&market.seller)] {
        is(&test.refused(put_cart_coupon::handle, call).await, 404, "not-found");
    }
    let call = on("DELETE", &cart, "/coupon").by(&market.seller);
    is(&test.refused(delete_cart_coupon::handle, call).await, 404, "not-found");
    for token in test.bad_tokens(&market.buyer) {
        is(
            &test.refused(put_cart_coupon::handle, put(&cart, "spring").token(&token)).await,
            401,
            "unauthenticated",
        );
    }
}

#[tokio::test]
async fn a_quote_shows_discount_ways_to_send_and_tax() {
    let market = Market::open().await;
    let test = &market.test;
    let mut profile = ShippingProfile::everywhere(usd(450));
    let mut express = profile.zones[0].options[0].clone();
    express.id = OptionId::parse("express").unwrap();
    express.name = "Express".to_owned();
    express.price = sutler_domain::shipping::PriceRule::Flat { amount: usd(1_200) };
    profile.zones[0].options.insert(0, express);
    test.ships(&market.seller, profile).await;
    let code = test.new_coupon("spring", Funder::Platform, test.percent_off(10)).await;
    test.put_coupon(&market.buyer, &code).await.unwrap();
    let cheapest = market.quote(&json!({"address": market.address})).await;
    assert_eq!(cheapest.status, 200, "{}", cheapest.text);
    insta::assert_json_snapshot!("quote_cart_with_coupon", cheapest.body);
    let seller = market.seller.seller();
    let chosen = |id: &str| json!({"address": market.address, "shipping": {seller.as_str(): id}});
    let express = market.quote(&chosen("express")).await;
    assert_eq!(express.body["parts"][0]["shipping"]["id"], "express");
    assert_eq!(express.body["totals"]["shipping"]["amount"], 1_200);
    assert_ne!(express.body["hash"], cheapest.body["hash"]);
    assert_eq!(market.quote(&chosen("standard")).await.body, cheapest.body);
    let stranger = market.buyer.seller();
    for (body, named) in [
        (chosen("gone"), format!("/shipping/{seller}: unknown")),
        (chosen("A B"), format!("/shipping/{seller}: invalid")),
        (json!({"shipping": {stranger.as_str(): "standard"}}), format!("/shipping/{stranger}: unknown")),
        (json!({"shipping": ["standard"]}), "/shipping: wrong-type".to_owned()),
    ] {
        let answer = market.quote(&body).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![named]), "{body}");
    }
}

#[tokio::test]
async fn a_quote_says_why_its_coupon_takes_nothing_off() {
    let market = Market::open().await;
    let test = &market.test;
    let terms = Terms { minimum: Some(usd(5_000)), ..test.percent_off(10) };
    let code = test.new_coupon("much", Funder::Platform, terms).await;
    test.put_coupon(&market.buyer, &code).await.unwrap();
    let quote = market.quote(&json!({"address": market.address})).await;
    assert_eq!(quote.body["coupon"], json!({"code": "MUCH", "refused": "coupon-below-minimum"}));
    assert_eq!(quote.body["totals"]["discount"]["amount"], 0);
    let stranger = Funder::Seller { seller: market.buyer.seller() };
    let code = test.new_coupon("theirs", stranger, test.percent_off(10)).await;
    test.put_coupon(&market.buyer, &code).await.unwrap();
    let quote = market.quote(&json!({"address": market.address})).await;
    assert_eq!(quote.body["coupon"]["refused"], "coupon-other-goods");
}

#[tokio::test]
async fn what_cannot_be_sent_there_names_its_seller() {
    let market = Market::open().await;
    let mut profile = ShippingProfile::everywhere(usd(450));
    profile.zones[0].countries = vec![sutler_domain::address::Country::parse("FR").unwrap()];
    market.test.ships(&market.seller, profile).await;
    let refused = market.quote(&json!({"address": market.address})).await;
    is(&refused, 409, "not-shippable");
    insta::assert_json_snapshot!("quote_cart_not_shippable", refused.body);
}
