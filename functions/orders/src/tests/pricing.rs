use serde_json::json;
use sutler_domain::{
    coupon::{Funder, Terms},
    ids::OrderId,
    money::{Currency, Money},
    shipping::{OptionId, PriceRule, ShippingProfile},
};
use sutler_testkit::TestCall;

use super::{Market, is, on, text};
use crate::{get_order, place_order};

fn usd(minor: u64) -> Money {
    Money::try_new(minor, Currency::Usd).unwrap()
}

#[tokio::test]
async fn an_order_shows_its_coupon_to_the_buyer_and_who_pays_for_it_to_the_seller() {
    let market = Market::open().await;
    let test = &market.test;
    let code = test.new_coupon("spring", Funder::Platform, test.percent_off(10)).await;
    test.fill_cart(&market.buyer, &[(&market.thing, 2)]).await;
    test.put_coupon(&market.buyer, &code).await.unwrap();
    let body = market.agreed(&[(&market.thing, 2)]).await;
    let placed = market.place(&body).await;
    assert_eq!(placed.status, 201, "{}", placed.text);
    insta::assert_json_snapshot!("place_order_with_coupon", placed.body);
    let id = OrderId::parse(&text(&placed, "/id")).unwrap();
    let seen = test.call(get_order::handle, on("GET", &id, "").by(&market.seller)).await;
    insta::assert_json_snapshot!("get_order_with_coupon_of_seller", seen.body);
    assert_eq!(test.coupon(&code).await.uses, 1);
    test.assert_clean().await;
}

#[tokio::test]
async fn an_order_is_sent_as_the_buyer_chose() {
    let market = Market::open().await;
    let test = &market.test;
    let mut profile = ShippingProfile::everywhere(usd(450));
    let mut express = profile.zones[0].options[0].clone();
    express.id = OptionId::parse("express").unwrap();
    express.price = PriceRule::Flat { amount: usd(1_200) };
    profile.zones[0].options.push(express);
    test.ships(&market.seller, profile).await;
    let mut body = market.agreed(&[(&market.thing, 1)]).await;
    body["shipping"] = json!({market.seller.seller().as_str(): "express"});
    let refused = market.refuses(market.placing(&body)).await;
    is(&refused, 409, "quote-changed");
    assert_eq!(refused.body["quote"]["parts"][0]["shipping"]["id"], "express");
    body["quote"] = json!(text(&refused, "/quote/hash"));
    let placed = market.place(&body).await;
    assert_eq!((placed.status, &placed.body["parts"][0]["delivery"]["id"]), (201, &json!("express")));
    assert_eq!(placed.body["totals"]["shipping"]["amount"], 1_200);
    for (shipping, named) in [
        (json!({"x": "express"}), "/shipping/x: invalid"),
        (json!({market.seller.seller().as_str(): 7}), "wrong-type"),
        (json!("express"), "/shipping: wrong-type"),
    ] {
        body["shipping"] = shipping;
        let answer = market.refuses(TestCall::post("/v1/orders", &body).by(&market.buyer)).await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        assert!(answer.invalid_fields().iter().any(|field| field.ends_with(named)), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_coupon_that_is_over_by_now_is_told_with_the_new_quote() {
    let market = Market::open().await;
    let test = &market.test;
    let terms = Terms { ends_at: test.app.now().plus_seconds(60), ..test.percent_off(10) };
    let code = test.new_coupon("short", Funder::Platform, terms).await;
    test.fill_cart(&market.buyer, &[(&market.thing, 1)]).await;
    test.put_coupon(&market.buyer, &code).await.unwrap();
    let mut body = market.agreed(&[(&market.thing, 1)]).await;
    test.clock().advance(std::time::Duration::from_mins(1));
    let refused = market.refuses(market.placing(&body)).await;
    is(&refused, 409, "quote-changed");
    assert_eq!(refused.body["quote"]["coupon"], json!({"code": "SHORT", "refused": "coupon-expired"}));
    // Whoever agrees to pay the full price gets the goods.
    body["quote"] = json!(text(&refused, "/quote/hash"));
    let placed = test.call(place_order::handle, market.placing(&body)).await;
    assert_eq!((placed.status, placed.body.get("coupon")), (201, None), "{}", placed.text);
    assert_eq!(test.coupon(&code).await.uses, 0);
    test.assert_clean().await;
}
