//! Where shipments are, as the people in an order see it.

use serde_json::json;
use sutler_domain::{
    ids::OrderId,
    shipment::{CarrierNews, Tracking},
    time::Timestamp,
};
use sutler_services::tracking::{Heard, Told, hear};
use sutler_testkit::{Operation, TestAnswer, TestCall, TestUser};

use super::{Market, is, shipping};
use crate::get_tracking;

fn asking(order: &OrderId) -> TestCall {
    TestCall::get(&format!("/v1/orders/{order}/tracking")).parameter("order", order.as_str())
}

impl Market {
    async fn tracking(&self, order: &OrderId, who: &TestUser) -> TestAnswer {
        self.test.call(get_tracking::handle, asking(order).by(who)).await
    }

    /// A carrier tells something of the parcel with this number, this many seconds after it was sent.
    async fn told(&self, number: &str, news: CarrierNews, after_s: i64) -> u32 {
        let at = Some(self.test.app.now().plus_seconds(after_s));
        let parcel = Tracking::parse("dhl", number).unwrap().token();
        let message = format!("{number}/{news:?}");
        let heard = Heard { parcel, message, told: Some(Told { news: Some(news), at }) };
        hear(&self.test.app, &heard).await.unwrap()
    }
}

#[tokio::test]
async fn a_buyer_sees_every_shipment_and_a_seller_their_own() {
    let market = Market::open().await;
    let test = &market.test;
    let rival = test.seller("eve").await;
    let other = test.goods(&rival, 333, 9).await;
    let id = test.order(&market.buyer, &[(&market.thing, 2), (&other, 3)]).await;
    test.pay(&market.buyer, &id).await;
    let nothing = market.tracking(&id, &market.buyer).await;
    assert_eq!(nothing.body, json!({"order": id, "shipments": []}));
    market.ship(shipping(&id, &market.seller)).await;
    let second = json!({"carrier": "DHL", "tracking_number": "2"});
    market.ship(shipping(&id, &rival).json(&second)).await;
    // What the carrier says counts from when it says so, as far as that can be.
    test.clock().advance(std::time::Duration::from_mins(1));
    assert_eq!(market.told("1", CarrierNews::OutForDelivery, -30).await, 1);
    assert_eq!(market.told("1", CarrierNews::Delivered, 90).await, 1);
    assert_eq!(market.told("2", CarrierNews::Failed, -9_000).await, 1);
    let all = market.tracking(&id, &market.buyer).await;
    assert_eq!(all.status, 200, "{}", all.text);
    insta::assert_json_snapshot!("get_tracking", all.body);
    let own = market.tracking(&id, &rival).await;
    assert_eq!(own.body["shipments"].as_array().unwrap().len(), 1);
    assert_eq!(own.body["shipments"][0]["part"], json!(rival.seller()));
    assert_eq!(test.read_order(&id).await.order.value.state.name(), "paid", "not everything has arrived");
    test.assert_clean().await;
}

#[tokio::test]
async fn tracking_of_anothers_order_does_not_exist_and_asks_nobody() {
    let market = Market::open().await;
    let test = &market.test;
    let id = market.order_at(sutler_testkit::Stage::InTransit).await;
    let (stranger, rival) = (test.user("sam").await, test.seller("eve").await);
    for who in [&stranger, &rival] {
        is(&test.refused(get_tracking::handle, asking(&id).by(who)).await, 404, "not-found");
    }
    for order in ["x", "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH"] {
        let call = asking(&id).parameter("order", order).by(&market.buyer);
        is(&test.refused(get_tracking::handle, call).await, 404, "not-found");
    }
    test.needs_token(&market.buyer, get_tracking::handle, asking(&id)).await;
    market.tracking(&id, &market.buyer).await;
    test.db.reset_meter();
    assert_eq!(market.tracking(&id, &market.buyer).await.status, 200);
    assert_eq!(test.db.meter().operations(), [Operation::Query]);
}

#[tokio::test]
async fn what_a_carrier_says_of_the_future_or_of_before_counts_from_now() {
    let market = Market::open().await;
    let id = market.order_at(sutler_testkit::Stage::InTransit).await;
    let now = market.test.app.now();
    for (odd, moved) in [(-1_000_000, 1), (1_000_000, 0)] {
        assert_eq!(market.told("1", CarrierNews::OutForDelivery, odd).await, moved);
        let shipments = market.test.read_order(&id).await.parts.remove(0).value.shipments;
        let (_, at): (_, Timestamp) = shipments[0].trail()[1];
        assert_eq!(at, now);
    }
}
