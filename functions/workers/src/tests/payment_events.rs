//! What the provider tells us.

use serde_json::{Value, json};
use sutler_domain::{ids::OrderId, order::OrderState, payment::PaymentState};
use sutler_services::{gateways::Gateways, payments};
use sutler_testkit::{FakeGateway, Fault, Logs, Operation, RandomFaults, Rule};

use super::{Market, deliver, kinds};
use crate::{process_payment_events, run_payment_commands::PaymentCommands};

impl Market {
    async fn note(&self, events: &[Value]) -> Vec<String> {
        let state = PaymentCommands { app: self.test.app.clone(), gateways: Gateways::default() };
        deliver(&state, process_payment_events::handle, events).await
    }

    /// An order whose payment is open, and what it costs.
    async fn open_payment(&self) -> (OrderId, u64) {
        let order = self.test.order(&self.buyer, &[(&self.thing, 2)]).await;
        let gateway = FakeGateway::default();
        payments::start(&self.test.app, &gateway, &order, self.buyer.id()).await.unwrap();
        drop(self.stream());
        let total = self.test.read_order(&order).await.order.value.totals.total.minor();
        (order, total)
    }

    async fn is_paid(&self, order: &OrderId) -> bool {
        matches!(self.test.read_order(order).await.order.value.state, OrderState::Paid { .. })
    }
}

/// An event of Stripe about the first attempt of an order, as the webhook queues it.
fn stripe(kind: &str, id: &str, order: &OrderId, received: u64) -> Value {
    json!({
        "id": id, "object": "event", "api_version": "2025-03-31.basil", "created": 1_798_761_600,
        "livemode": false, "pending_webhooks": 1, "type": kind,
        "request": {"id": "req_1", "idempotency_key": null},
        "data": {"object": {
            "id": "pi_0", "object": "payment_intent", "amount": received, "amount_received": received,
            "currency": "usd", "status": "succeeded", "customer": null,
            "metadata": {"order_id": order.as_str(), "attempt": "1"},
            "last_payment_error": {"code": "card_declined", "message": "Your card was declined."},
        }},
    })
}

#[tokio::test]
async fn a_success_that_is_told_again_and_again_pays_once() {
    let market = Market::open().await;
    let (order, total) = market.open_payment().await;
    let event = stripe("payment_intent.succeeded", "evt_1", &order, total);
    let twice = [event.clone(), event];
    let (one, two) = tokio::join!(market.note(&twice), market.note(&twice));
    assert!(one.is_empty() && two.is_empty());
    // Another delivery of the same news, under another id.
    assert!(market.note(&[stripe("payment_intent.succeeded", "evt_2", &order, total)]).await.is_empty());
    assert!(market.is_paid(&order).await);
    assert_eq!(kinds(&market.happened().await), ["order.paid"]);
    assert_eq!(market.test.stock(&market.thing).await, (8, 0, 2));
    market.test.assert_clean().await;
}

#[tokio::test]
async fn news_that_comes_in_the_wrong_order_ends_the_same() {
    let news = ["payment_intent.payment_failed", "payment_intent.succeeded", "payment_intent.canceled"];
    for order_of_news in [[0, 1, 2], [1, 0, 2], [1, 2, 0], [2, 1, 0], [2, 0, 1], [0, 2, 1]] {
        let market = Market::open().await;
        let (order, total) = market.open_payment().await;
        let events: Vec<Value> =
            order_of_news.iter().map(|at| stripe(news[*at], &format!("evt_{at}"), &order, total)).collect();
        assert!(market.note(&events).await.is_empty());
        assert!(market.is_paid(&order).await, "{order_of_news:?}");
        let paid = market.happened().await.iter().filter(|e| e["detail-type"] == "order.paid").count();
        assert_eq!(paid, 1, "{order_of_news:?}");
        market.test.assert_clean().await;
    }
}

#[tokio::test]
async fn a_worker_that_dies_while_paying_pays_once() {
    let market = Market::open().await;
    let (order, total) = market.open_payment().await;
    let event = [stripe("payment_intent.succeeded", "evt_1", &order, total)];
    for rule in [Rule::before, Rule::after] {
        market.test.db.fault(rule(Operation::TransactWriteItems, Fault::TimedOut).times(20));
        assert_eq!(market.note(&event).await, ["0"], "the queue keeps it");
        market.test.db.calm();
    }
    assert!(market.note(&event).await.is_empty());
    assert!(market.is_paid(&order).await);
    assert_eq!(kinds(&market.happened().await), ["order.paid"]);
    market.test.assert_clean().await;
}

#[tokio::test]
async fn an_event_that_cannot_be_decided_is_kept_and_the_others_count() {
    let market = Market::open().await;
    let (order, total) = market.open_payment().await;
    let good = stripe("payment_intent.succeeded", "evt_1", &order, total);
    let changed = |pointer: &str, value: Value| {
        let mut changed = stripe("payment_intent.succeeded", "evt_x", &order, total);
        *changed.pointer_mut(pointer).unwrap() = value;
        changed
    };
    let batch = [
        json!("not json"),
        json!({}),
        changed("/data/object/currency", json!("xau")),
        changed("/data/object/amount_received", Value::Null),
        changed("/data/object/amount_received", json!(u64::MAX)),
        changed("/data/object/id", json!("pi_other")),
        changed("/data/object/metadata/order_id", json!("ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH")),
        good,
    ];
    let logs = Logs::capture();
    assert_eq!(market.note(&batch).await, ["0", "1", "2", "3", "4", "5", "6"]);
    assert_eq!(logs.text().matches("Message failed").count(), 7);
    assert!(market.is_paid(&order).await);
    market.test.assert_clean().await;
}

#[tokio::test]
async fn events_of_others_and_kinds_we_do_not_act_on_are_passed_over() {
    let market = Market::open().await;
    let (order, total) = market.open_payment().await;
    let changed = |pointer: &str, value: Value| {
        let mut changed = stripe("payment_intent.succeeded", "evt_x", &order, total);
        *changed.pointer_mut(pointer).unwrap() = value;
        changed
    };
    let batch = [
        stripe("payment_intent.created", "evt_1", &order, total),
        stripe("payment_intent.processing", "evt_2", &order, total),
        stripe("made.up", "evt_3", &order, total),
        json!({"id": "evt_4", "type": "customer.created", "created": 1, "data": {"object": {"object": "customer"}}}),
        changed("/data/object/metadata", json!({})),
        changed("/data/object/metadata", Value::Null),
        changed("/data/object/metadata/order_id", json!("their-own-number-7")),
        changed("/data/object/metadata/attempt", json!("first")),
    ];
    assert!(market.note(&batch).await.is_empty());
    let read = market.test.read_order(&order).await;
    assert!(matches!(read.order.value.state, OrderState::AwaitingPayment { .. }));
    assert!(matches!(read.payments[0].value.state, PaymentState::RequiresAction));
    assert!(market.happened().await.is_empty());
}

#[tokio::test]
async fn the_log_of_a_payment_names_order_and_event_and_nobody() {
    let market = Market::open().await;
    let (order, total) = market.open_payment().await;
    let mut event = stripe("payment_intent.succeeded", "evt_1", &order, total);
    event["data"]["object"]["receipt_email"] = json!("bob@example.com");
    event["data"]["object"]["client_secret"] = json!("pi_0_secret_x");
    let mut unreadable = event.clone();
    unreadable["data"]["object"]["amount"] = json!("bob@example.com");
    let logs = Logs::capture();
    assert_eq!(market.note(&[event, unreadable]).await, ["1"]);
    let text = logs.text();
    assert!(text.contains(order.as_str()) && text.contains("evt_1"), "{text}");
    for personal in ["example.com", "secret"] {
        assert!(!text.contains(personal), "{personal}: {text}");
    }
}

#[tokio::test]
async fn payments_are_noted_once_on_a_bad_day() {
    for seed in 0..10 {
        let market = Market::open().await;
        let (order, total) = market.open_payment().await;
        let success = stripe("payment_intent.succeeded", "evt_2", &order, total);
        let failure = stripe("payment_intent.payment_failed", "evt_1", &order, total);
        let mut left = vec![success.clone(), failure.clone(), success, failure];
        market.test.db.random_faults(RandomFaults::rough(seed));
        for _ in 0..20 {
            let kept = market.note(&left).await;
            left = kept.iter().map(|place| left[place.parse::<usize>().unwrap()].clone()).collect();
        }
        market.test.db.calm();
        assert_eq!(left, Vec::<Value>::new(), "seed {seed}");
        assert!(market.is_paid(&order).await);
        assert_eq!(kinds(&market.happened().await), ["order.paid"]);
        market.test.assert_clean().await;
    }
}
