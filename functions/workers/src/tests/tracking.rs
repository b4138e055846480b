//! What carriers tell, and the shipments that nobody follows yet.

use std::{slice::from_ref, sync::Arc};

use serde_json::{Value, json};
use sutler_domain::{ids::OrderId, shipment::Tracking};
use sutler_gateways::{
    secret::Secret,
    shippo::{Patience, Shippo},
};
use sutler_providers::{
    Answer, Providers,
    shippo::{Fault as ShippoFault, Operation as Call, Status},
};
use sutler_services::{
    labels::Forwarder,
    shipping::{self, NewShipment, SentBy},
};
use sutler_testkit::{Fault, Logs, Operation, RandomFaults, Rule, Stage};

use super::{Market, deliver, kinds};
use crate::{process_tracking_events, resolve_labels};

/// A signed message about the parcel that the seller sent with `dhl` under `1`, as the webhook queues it.
fn told(message: &str, news: &str) -> Value {
    json!({"parcel": {"carrier": "dhl", "number": "1"}, "message": message, "told": {"news": news, "at": null}})
}

impl Market {
    async fn hear(&self, messages: &[Value]) -> Vec<String> {
        deliver(&self.test.app, process_tracking_events::handle, messages).await
    }

    async fn sent(&self) -> OrderId {
        let order =
            self.test.order_at(Stage::InTransit, &self.buyer, &self.seller, &[(&self.thing, 2)]).await;
        drop(self.stream());
        order
    }

    /// The states of the order, of its part and of the shipments.
    async fn states(&self, order: &OrderId) -> (&'static str, &'static str, Vec<&'static str>) {
        let aggregate = self.test.read_order(order).await;
        let part = &aggregate.parts[0].value;
        let shipments = part.shipments.iter().map(|one| one.state.name()).collect();
        (aggregate.order.value.state.name(), part.state.name(), shipments)
    }

    async fn with_shippo(&mut self) -> Providers {
        let providers = Providers::start().await.unwrap();
        let key = Secret::new("shippo_test_1");
        let shippo = Shippo::new(&key, Some(&providers.shippo_url()), Patience::default());
        self.test.app.forwarder = Forwarder::new(Some(Arc::new(shippo)));
        providers
    }

    async fn hand_over(&self, order: &OrderId, carrier: &str, number: &str) {
        let by = SentBy::Own(Tracking::parse(carrier, number).unwrap());
        let once =
            self.test.once(|_: &_| sutler_domain::idempotency::Answer { status: 200, body: String::new() });
        let parcel = NewShipment { by, lines: None };
        shipping::ship(&self.test.app, order, &self.seller.seller(), &parcel, &once).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_carrier_delivers_completes_the_order_as_the_buyers_word_does() {
    let market = Market::open().await;
    let order = market.sent().await;
    let all = [told("m1", "out_for_delivery"), told("m2", "delivered")];
    assert!(market.hear(&all[..1]).await.is_empty());
    assert_eq!(market.states(&order).await, ("paid", "out_for_delivery", vec!["out_for_delivery"]));
    assert!(market.hear(&all[1..]).await.is_empty());
    assert_eq!(market.states(&order).await, ("completed", "delivered", vec!["delivered"]));
    let by_carrier = market.happened().await;
    assert_eq!(kinds(&by_carrier), ["part.out_for_delivery", "part.delivered", "order.completed"]);
    assert_eq!(by_carrier[1]["detail"]["event"]["data"]["by"], "carrier");
    let lines = &market.test.read_order(&order).await.parts[0].value.lines;
    assert_eq!(lines[0].progress.delivered, 2);
    // The buyer's word differs in nothing but whose it is.
    let other = market.sent().await;
    market.test.deliver(&market.buyer, &market.seller, &other).await;
    assert_eq!(market.states(&other).await, ("completed", "delivered", vec!["delivered"]));
    let by_buyer = market.happened().await;
    assert_eq!(kinds(&by_buyer), ["part.delivered", "order.completed"]);
    assert_eq!(by_buyer[0]["detail"]["event"]["data"].get("by"), None);
    market.test.assert_clean().await;
}

#[tokio::test]
async fn news_that_comes_again_and_again_at_once_counts_once() {
    for seed in 0..6 {
        let market = Market::open().await;
        let order = market.sent().await;
        let twice = [told("m1", "delivered"), told("m1", "delivered"), told("m2", "delivered")];
        market.test.db.random_faults(RandomFaults::rough(seed));
        drop(tokio::join!(market.hear(&twice), market.hear(&twice)));
        market.test.db.calm();
        assert!(market.hear(&twice).await.is_empty(), "seed {seed}");
        assert_eq!(market.states(&order).await.0, "completed", "seed {seed}");
        let delivered =
            market.happened().await.iter().filter(|e| e["detail-type"] == "part.delivered").count();
        assert_eq!(delivered, 1, "seed {seed}");
        market.test.assert_clean().await;
    }
}

#[tokio::test]
async fn news_in_any_order_leads_forwards_only() {
    let news = ["out_for_delivery", "failed", "delivered"];
    for order_of_news in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let market = Market::open().await;
        let order = market.sent().await;
        let messages: Vec<Value> =
            order_of_news.iter().map(|at| told(&format!("m{at}"), news[*at])).collect();
        assert!(market.hear(&messages).await.is_empty());
        assert_eq!(market.states(&order).await.0, "completed", "{order_of_news:?}");
        market.test.assert_clean().await;
    }
    // What was brought back to its sender does not arrive by being delivered there.
    let market = Market::open().await;
    let order = market.sent().await;
    let messages = [told("m1", "failed"), told("m2", "returned"), told("m3", "delivered")];
    assert!(market.hear(&messages).await.is_empty());
    assert_eq!(market.states(&order).await, ("paid", "in_transit", vec!["returned"]));
    assert_eq!(kinds(&market.happened().await), ["part.delivery_failed", "part.delivery_failed"]);
    // The buyer knows better.
    market.test.deliver(&market.buyer, &market.seller, &order).await;
    assert!(market.hear(&[told("m4", "returned")]).await.is_empty());
    assert_eq!(market.states(&order).await, ("completed", "delivered", vec!["delivered"]));
    market.test.assert_clean().await;
}

#[tokio::test]
async fn only_the_parcel_of_this_carrier_and_number_moves() {
    let market = Market::open().await;
    let order = market.sent().await;
    let logs = Logs::capture();
    for (carrier, number) in [("dhl", "2"), ("usps", "1"), ("dhl_express", "1"), ("", "1")] {
        let mut message = told("m1", "delivered");
        message["parcel"] = json!({"carrier": carrier, "number": number});
        assert!(market.hear(&[message]).await.is_empty(), "{carrier} {number}");
    }
    assert_eq!(logs.text().matches("Passed over a parcel that is not ours").count(), 4);
    assert_eq!(market.states(&order).await.1, "in_transit");
    assert_eq!(market.happened().await, Vec::<Value>::new());
    // A number that another seller claims as well moves both: each is held against its own shipment.
    let other = market.sent().await;
    assert!(market.hear(&[told("m1", "delivered")]).await.is_empty());
    assert_eq!((market.states(&order).await.0, market.states(&other).await.0), ("completed", "completed"));
    market.test.assert_clean().await;
}

#[tokio::test]
async fn a_worker_that_dies_while_noting_notes_once() {
    let market = Market::open().await;
    let order = market.sent().await;
    let message = [told("m1", "delivered")];
    for rule in [Rule::before, Rule::after] {
        market.test.db.fault(rule(Operation::TransactWriteItems, Fault::TimedOut).times(20));
        assert_eq!(market.hear(&message).await, ["0"], "the queue keeps it");
        market.test.db.calm();
    }
    assert!(market.hear(&message).await.is_empty());
    assert_eq!(market.states(&order).await.0, "completed");
    assert_eq!(kinds(&market.happened().await), ["part.delivered", "order.completed"]);
    market.test.assert_clean().await;
}

#[tokio::test]
async fn a_message_that_only_has_the_token_is_asked_about() {
    let mut market = Market::open().await;
    let providers = market.with_shippo().await;
    let order = market.test.order_at(Stage::Paid, &market.buyer, &market.seller, &[(&market.thing, 2)]).await;
    market.hand_over(&order, "DHL Express", "jd 01").await;
    let question = json!({"parcel": {"carrier": "dhl_express", "number": "JD01"}, "message": "m1"});
    // Nobody at Shippo knows it, whatever the message said.
    assert!(market.hear(from_ref(&question)).await.is_empty());
    assert_eq!(market.states(&order).await.1, "in_transit");
    providers.shippo().inject(ShippoFault::new(Answer::Status(503)).times(3).on(Call::Track));
    assert_eq!(market.hear(from_ref(&question)).await, ["0"], "the queue keeps it");
    // A shipment is followed from when it is sent.
    let sent: Vec<Value> =
        market.happened().await.into_iter().filter(|event| event["detail-type"] == "part.shipped").collect();
    assert!(market.hear(&sent).await.is_empty());
    providers.shippo().tell("dhl_express", "JD01", Status::Transit, None).unwrap();
    assert!(market.hear(from_ref(&question)).await.is_empty());
    assert_eq!(market.states(&order).await.1, "in_transit");
    providers.shippo().tell("dhl_express", "JD01", Status::Delivered, None).unwrap();
    assert!(market.hear(&[question]).await.is_empty());
    assert_eq!(market.states(&order).await.0, "completed");
    market.test.assert_clean().await;
}

#[tokio::test]
async fn a_shipment_that_arrived_before_it_was_followed_has_arrived() {
    let mut market = Market::open().await;
    let providers = market.with_shippo().await;
    for (number, state) in
        [("SHIPPO_DELIVERED", "delivered"), ("SHIPPO_FAILURE", "failed"), ("SHIPPO_TRANSIT", "in_transit")]
    {
        let order =
            market.test.order_at(Stage::Paid, &market.buyer, &market.seller, &[(&market.thing, 1)]).await;
        market.hand_over(&order, "shippo", number).await;
        let events = market.happened().await;
        assert!(market.hear(&events).await.is_empty(), "{number}");
        assert!(market.hear(&events).await.is_empty(), "{number}: said again");
        assert_eq!(market.states(&order).await.2, [state], "{number}");
    }
    // Carriers that nobody knows are none to wait for.
    let order = market.test.order_at(Stage::Paid, &market.buyer, &market.seller, &[(&market.thing, 1)]).await;
    market.hand_over(&order, "Uncle Bob", "1").await;
    assert!(market.hear(&market.happened().await).await.is_empty());
    assert_eq!(market.states(&order).await.2, ["in_transit"]);
    drop(providers);
    market.test.assert_clean().await;
}

#[tokio::test]
async fn without_a_provider_nothing_is_asked_and_signed_words_count() {
    let market = Market::open().await;
    let order = market.test.order_at(Stage::Paid, &market.buyer, &market.seller, &[(&market.thing, 2)]).await;
    market.hand_over(&order, "dhl", "1").await;
    assert!(market.hear(&market.happened().await).await.is_empty());
    let question = json!({"parcel": {"carrier": "dhl", "number": "1"}, "message": "m1"});
    assert!(market.hear(&[question]).await.is_empty());
    assert_eq!(market.states(&order).await.1, "in_transit");
    assert!(market.hear(&[told("m2", "delivered")]).await.is_empty());
    assert_eq!(market.states(&order).await.0, "completed");
    let done = serde_json::to_value(resolve_labels::handle(&market.test.app).await.unwrap()).unwrap();
    assert_eq!(done, json!({"asked": 0}));
}

#[tokio::test]
async fn a_message_that_is_none_is_kept_for_people() {
    let market = Market::open().await;
    let order = market.sent().await;
    let odd = [
        json!("not json"),
        json!({}),
        json!({"parcel": {"carrier": "dhl", "number": "1"}}),
        json!({"parcel": {"carrier": "dhl", "number": "1"}, "message": "m", "told": {"news": "exploded", "at": null}}),
    ];
    assert_eq!(market.hear(&odd).await, ["0", "1", "2", "3"]);
    assert_eq!(market.states(&order).await.1, "in_transit");
}
