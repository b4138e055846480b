//! From the streams to the bus.

use std::sync::Arc;

use serde_json::{Value, json};
use sutler_domain::{
    event::{Event, EventKind},
    idempotency::{Answer, Once},
    ids::{OrderId, UserId},
    order::Units,
};
use sutler_runtime::{
    queue::Sender,
    worker::{self, QueueMessage},
};
use sutler_services::{gateways::Gateways, returns};
use sutler_store::stream::StreamRecord;
use sutler_testkit::{Change, FakeGateway, Logs, TestApp, TestCloud, broken};

use super::{Market, delivered, event, kinds};
use crate::{
    process_payment_events, publish_events,
    record_stock_movements::{self, Bookkeeper},
    run_payment_commands::{self, PaymentCommands},
    send_mail,
};

/// An order that was paid and shipped, and what the streams then hold.
async fn sold(market: &Market) -> (OrderId, Vec<Change>) {
    let order = market.test.order(&market.buyer, &[(&market.thing, 2)]).await;
    market.test.pay(&market.buyer, &order).await;
    market.test.ship(&market.seller, &order).await;
    (order, market.stream())
}

fn published(market: &Market) -> Vec<Value> {
    market.cloud.published().iter().map(delivered).collect()
}

#[tokio::test]
async fn every_event_is_published_once_and_in_order_with_its_ids() {
    let market = Market::open().await;
    let (order, changes) = sold(&market).await;
    market.publish(&changes).await.unwrap();
    let told = published(&market);
    assert_eq!(kinds(&told), ["order.placed", "order.paid", "part.shipped"]);
    let events: Vec<Event> = told.iter().map(event).collect();
    assert_eq!(events, market.test.app.store.events(&order, 0, 100).await.unwrap());
    for (seq, published) in (1..).zip(&events) {
        assert_eq!((published.aggregate.as_str(), published.seq), (order.as_str(), seq));
        assert!(published.event_id.starts_with("evt_"));
    }
    assert!(market.cloud.published().iter().all(|event| event.source == "sutler"));
}

#[tokio::test]
async fn what_is_no_event_is_not_published() {
    let market = Market::open().await;
    market.test.order(&market.buyer, &[(&market.thing, 1)]).await;
    let deleted = |mut change: Change| {
        change.record["dynamodb"].as_object_mut().unwrap().remove("NewImage");
        change
    };
    let removed: Vec<Change> = market.stream().into_iter().map(deleted).collect();
    assert_eq!(removed.len(), 1);
    market.publish(&removed).await.unwrap();
    market.publish(&[]).await.unwrap();
    assert!(market.cloud.published().is_empty());
    assert_eq!(market.cloud.calls(), 0, "nothing to say is no call");
}

#[tokio::test]
async fn a_batch_handed_over_twice_repeats_the_same_events_under_the_same_ids() {
    let market = Market::open().await;
    let (_, changes) = sold(&market).await;
    market.publish(&changes).await.unwrap();
    market.publish(&changes).await.unwrap();
    let told = published(&market);
    let (first, second) = told.split_at(3);
    assert_eq!(first, second);
}

#[tokio::test]
async fn an_event_the_bus_refuses_fails_the_batch_until_it_is_taken() {
    let market = Market::open().await;
    let (_, changes) = sold(&market).await;
    market.cloud.refuse_event("order.paid");
    market.publish(&changes).await.unwrap_err();
    assert_eq!(kinds(&published(&market)), ["order.placed", "part.shipped"]);
    market.publish(&changes).await.unwrap();
    assert!(kinds(&published(&market)).contains(&"order.paid"));
    market.cloud.fail(503);
    market.publish(&changes).await.unwrap_err();
    market.cloud.lose_answer();
    market.publish(&changes).await.unwrap_err();
}

#[tokio::test]
async fn no_event_of_a_later_call_overtakes_a_refused_one() {
    let market = Market::open().await;
    for _ in 0..4 {
        sold(&market).await;
    }
    let orders = sold_orders(&market).await;
    market.cloud.refuse_event("order.paid");
    market.publish(&orders).await.unwrap_err();
    assert_eq!(market.cloud.published().len(), 9, "one call of ten, of which one was refused");
}

/// Twelve more events, for more than one call.
async fn sold_orders(market: &Market) -> Vec<Change> {
    drop(market.stream());
    let test = &market.test;
    let thing = test.goods(&market.seller, 500, 50).await;
    for _ in 0..6 {
        let order = test.order(&market.buyer, &[(&thing, 1)]).await;
        test.pay(&market.buyer, &order).await;
    }
    market.stream()
}

#[tokio::test]
async fn an_unreadable_event_fails_alone_and_loses_none_of_the_others() {
    let market = Market::open().await;
    let (_, mut changes) = sold(&market).await;
    changes[1].record["dynamodb"]["NewImage"]["event"] = json!({"M": {"type": {"S": "no.such.kind"}}});
    market.publish(&changes).await.unwrap_err();
    // As the stream does it: in halves, until what fails is alone and goes to the failures' queue.
    let mut halves = vec![changes.as_slice()];
    let mut given_up = Vec::new();
    while let Some(half) = halves.pop() {
        if market.publish(half).await.is_ok() {
            continue;
        }
        match half {
            [alone] => given_up.push(alone.sk.clone()),
            more => halves.extend(<[&[Change]; 2]>::from(more.split_at(more.len() / 2)).into_iter().rev()),
        }
    }
    assert_eq!(given_up, ["EVENT#000002"]);
    assert_eq!(kinds(&published(&market)), ["order.placed", "part.shipped"]);
}

#[tokio::test]
async fn the_log_names_each_event_and_its_order_and_nobody() {
    let market = Market::open().await;
    let (order, changes) = sold(&market).await;
    let logs = Logs::capture();
    market.publish(&changes).await.unwrap();
    let text = logs.text();
    for published in published(&market).iter().map(event) {
        assert!(text.contains(&published.event_id) && text.contains(order.as_str()), "{text}");
    }
    for event in market.cloud.published() {
        for personal in ["bob", "example.com", "Lovelace", "12 Square"] {
            assert!(!text.contains(personal) && !event.detail.contains(personal), "{personal}");
        }
    }
}

#[tokio::test]
async fn the_sample_events_have_the_shape_that_the_workers_read() {
    for sample in [
        include_str!("../../../../events/send_mail.json"),
        include_str!("../../../../events/run_payment_commands.json"),
    ] {
        let sample: Value = serde_json::from_str(sample).unwrap();
        let body: Value = serde_json::from_str(sample["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["detail-type"], body["detail"]["event"]["type"]);
        event(&body);
    }
    let sample: Value =
        serde_json::from_str(include_str!("../../../../events/process_payment_events.json")).unwrap();
    let body = sample["Records"][0]["body"].as_str().unwrap();
    assert!(sutler_gateways::stripe_webhook::parse_event(body.as_bytes()).is_ok());
    let sample: Value = serde_json::from_str(include_str!("../../../../events/publish_events.json")).unwrap();
    let record: StreamRecord = serde_json::from_value(sample["Records"][0].clone()).unwrap();
    let event: Event = record.new_image().unwrap().unwrap();
    assert_eq!(publish_events::published(&event).unwrap().detail_type, "order.placed");
    let sample = include_str!("../../../../events/record_stock_movements.json");
    let batch = serde_json::from_str(sample).unwrap();
    let test = TestApp::new().await;
    let (app, queue) = (test.app.clone(), Sender::new(TestCloud::default().queue(), "queue"));
    let bookkeeper = Bookkeeper { app, queue };
    let record = |state, records| record_stock_movements::handle(state, records);
    worker::stream_batch(&bookkeeper, &record, batch).await.unwrap();
}

#[tokio::test]
async fn every_event_that_somebody_acts_on_is_routed_to_them() {
    let market = Market::open().await;
    let template = include_str!("../../../../infra/messaging.yaml");
    let (_, rules) = template.split_once("MailRule:").unwrap();
    let (mail, rules) = rules.split_once("PaymentCommandsRule:").unwrap();
    let (commands, rules) = rules.split_once("GuestClaimsRule:").unwrap();
    let (_, tracking) = rules.split_once("TrackingEventsRule:").unwrap();
    let order = market.test.order(&market.buyer, &[(&market.thing, 1)]).await;
    market.test.pay(&market.buyer, &order).await;
    market.test.ship(&market.seller, &order).await;
    market.test.deliver(&market.buyer, &market.seller, &order).await;
    let render = |_: &_| Answer { status: 201, body: String::new() };
    let once = Once { key: None, render, at: market.test.app.now() };
    let back = [Units { variant: market.thing.clone(), quantity: 1 }];
    let what = (back.as_slice(), "too small");
    returns::request(&market.test.app, &order, market.buyer.id(), what, &once).await.unwrap();
    let user = market.test.unverified("tim").await;
    for kind in every_kind(&market, &order, user.id()) {
        let aggregate = order.to_string();
        let prior = market.test.app.store.events(&order, 0, 1).await.unwrap().remove(0);
        let event = Event { aggregate, event: kind, ..prior };
        let name = publish_events::published(&event).unwrap().detail_type;
        let letters = sutler_services::mails::letters(&market.test.app, &event).await.unwrap();
        assert_eq!(!letters.is_empty(), mail.contains(&format!("- {name}\n")), "{name}");
        let asks =
            matches!(event.event, EventKind::RefundRequested { .. } | EventKind::OrderCancelled { .. });
        assert_eq!(asks, commands.contains(&name), "{name}");
        let follows = matches!(event.event, EventKind::PartShipped { .. });
        assert_eq!(follows, tracking.contains(&name), "{name}");
    }
}

/// One event of each kind.
fn every_kind(market: &Market, order: &OrderId, user: &UserId) -> Vec<EventKind> {
    use sutler_domain::{
        event::{Side, Witness},
        ids::{LabelId, ReturnId, ShipmentId},
        money::{Currency, Money},
        order::CancelReason,
        payment::RefundReason,
        refund::Destination,
    };
    let (amount, seller) = (Money::try_new(1, Currency::Usd).unwrap(), market.seller.seller());
    let (attempt, number, reason) = (1, 1, RefundReason::Late);
    let lines = vec![Units { variant: market.thing.clone(), quantity: 1 }];
    let shipment = ShipmentId::of(order, 0, 1).unwrap();
    let (sent_back, label) = (ReturnId::of(order, 0, 1).unwrap(), LabelId::of(order, 0, 1).unwrap());
    vec![
        EventKind::OrderPlaced { total: amount, expires_at: market.test.app.now() },
        EventKind::OrderPaid { attempt, amount },
        EventKind::OrderCancelled { reason: CancelReason::Buyer, open_attempt: Some(1) },
        EventKind::OrderRefunded { amount },
        EventKind::OrderCompleted {},
        EventKind::PaymentFailed { attempt, code: "declined".to_owned() },
        EventKind::RefundRequested { attempt, number, amount, reason },
        EventKind::PaymentRefunded { attempt, number, amount, reason, destination: Destination::Wallet },
        EventKind::RefundFailed { attempt, number, amount, reason },
        EventKind::UnitsCancelled { seller: seller.clone(), lines, by: Side::Buyer },
        EventKind::PartShipped { seller: seller.clone(), shipment: shipment.clone() },
        EventKind::PartDelivered {
            seller: seller.clone(),
            shipments: vec![shipment.clone()],
            by: Witness::Carrier,
        },
        EventKind::OutForDelivery { seller: seller.clone(), shipment: shipment.clone() },
        EventKind::DeliveryFailed { seller: seller.clone(), shipment, returned: true },
        EventKind::LabelBought { seller: seller.clone(), label: label.clone() },
        EventKind::LabelVoided { seller: seller.clone(), label },
        EventKind::ReturnRequested { seller: seller.clone(), id: sent_back.clone() },
        EventKind::ReturnApproved { seller: seller.clone(), id: sent_back.clone() },
        EventKind::ReturnRejected { seller: seller.clone(), id: sent_back.clone() },
        EventKind::ReturnReceived { seller, id: sent_back },
        EventKind::VerificationRequested { user: user.clone() },
    ]
}

#[tokio::test]
async fn no_record_and_no_message_upsets_a_worker() {
    let market = Market::open().await;
    let (_, changes) = sold(&market).await;
    let post = send_mail::Post { app: market.test.app.clone(), mailer: Arc::new(market.cloud.mailer()) };
    let commands = PaymentCommands {
        app: market.test.app.clone(),
        gateways: Gateways::default().with(FakeGateway::default()),
    };
    let bus = market.cloud.bus();
    for change in &changes {
        for record in broken(&change.record, 100) {
            let Ok(record) = serde_json::from_value::<StreamRecord>(record) else { continue };
            drop(publish_events::handle(&bus, vec![record.clone()]).await);
            drop(record_stock_movements::record(&market.test.app, vec![record]).await);
        }
    }
    market.publish(&changes).await.unwrap();
    let event = published(&market).pop().unwrap();
    for body in broken(&event, 100) {
        let message = QueueMessage { message_id: "1".to_owned(), body: body.to_string() };
        drop(send_mail::handle(&post, message.clone()).await);
        drop(run_payment_commands::handle(&commands, message.clone()).await);
        drop(process_payment_events::handle(&commands, message).await);
    }
    market.test.assert_clean().await;
}
