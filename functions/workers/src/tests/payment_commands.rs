//! What events ask of the payment provider.

use std::time::Duration;

use serde_json::{Value, json};
use sutler_domain::{
    ids::OrderId,
    order::OrderState,
    payment::{PaymentState, RefundReason},
    refund::RefundState,
};
use sutler_gateways::payment::PaymentStatus;
use sutler_services::{
    gateways::Gateways,
    orders,
    payments::{self, News, Report},
};
use sutler_testkit::{FakeGateway, Fault, GatewayFault, Logs, Operation, RandomFaults, Rule};

use super::{Market, deliver, kinds};
use crate::run_payment_commands::{self, PaymentCommands};

impl Market {
    async fn obey(&self, gateway: &FakeGateway, events: &[Value]) -> Vec<String> {
        let state = PaymentCommands {
            app: self.test.app.clone(),
            gateways: Gateways::default().with(gateway.clone()),
        };
        deliver(&state, run_payment_commands::handle, events).await
    }

    async fn started(&self, gateway: &FakeGateway) -> (OrderId, String) {
        let order = self.test.order(&self.buyer, &[(&self.thing, 2)]).await;
        let started = payments::start(&self.test.app, gateway, &order, self.buyer.id()).await.unwrap();
        (order, started.payment.provider_id)
    }

    async fn cancel(&self, order: &OrderId) -> Vec<Value> {
        self.cancelled(order).await;
        self.happened().await
    }

    /// The buyer gives an order up.
    pub(super) async fn cancelled(&self, order: &OrderId) {
        let once = sutler_domain::idempotency::Once {
            key: None,
            render: |_: &_| sutler_domain::idempotency::Answer { status: 200, body: String::new() },
            at: self.test.app.now(),
        };
        orders::cancel(&self.test.app, order, self.buyer.id(), None, &once).await.unwrap();
    }

    /// An order that was paid and then cancelled, and the event that asks for its money.
    async fn to_refund(&self, gateway: &FakeGateway) -> (OrderId, Value) {
        let (order, provider_id) = self.started(gateway).await;
        let paid = gateway.pay(&provider_id);
        let total = self.test.read_order(&order).await.order.value.totals.total;
        assert_eq!(paid.amount_received_minor, total.minor());
        let message = Some(format!("evt_{order}"));
        let (attempt, news) = (1, News::Succeeded(total));
        let report = Report { gateway: "stripe", message, order: order.clone(), attempt, provider_id, news };
        payments::finalise(&self.test.app, &report).await.map(|_| ()).unwrap();
        let mut events = self.cancel(&order).await;
        assert_eq!(kinds(&events).last(), Some(&"payment.refund_requested"));
        (order, events.pop().unwrap())
    }

    /// An order that was cancelled while its payment was open, and the event that tells of it.
    async fn to_close(&self, gateway: &FakeGateway) -> (OrderId, String, Value) {
        let (order, provider_id) = self.started(gateway).await;
        let mut events = self.cancel(&order).await;
        assert_eq!(kinds(&events), ["order.placed", "order.cancelled"]);
        (order, provider_id, events.pop().unwrap())
    }

    async fn assert_refunded_once(&self, gateway: &FakeGateway, order: &OrderId) {
        let total = self.test.read_order(order).await.order.value.totals.total;
        assert_eq!(gateway.refunded_minor(), total.minor());
        let mut read = self.test.read_order(order).await;
        assert_eq!(read.payments[0].value.state.name(), "refunded");
        let refund = read.refunds.remove(0).value;
        assert_eq!((refund.reason, read.refunds.len()), (RefundReason::Cancelled, 0));
        assert!(matches!(refund.state, RefundState::Succeeded { .. }));
        let told = self.happened().await;
        assert_eq!(kinds(&told), ["payment.refunded"], "told once");
        self.test.assert_clean().await;
    }
}

#[tokio::test]
async fn a_refund_that_is_asked_for_twice_is_one_refund() {
    let (market, gateway) = (Market::open().await, FakeGateway::default());
    let (order, event) = market.to_refund(&gateway).await;
    assert!(market.obey(&gateway, &[event.clone(), event.clone()]).await.is_empty());
    assert!(market.obey(&gateway, &[event]).await.is_empty());
    market.assert_refunded_once(&gateway, &order).await;
}

#[tokio::test]
async fn a_refund_that_is_asked_for_twice_at_once_is_one_refund() {
    let (market, gateway) = (Market::open().await, FakeGateway::default());
    let (order, event) = market.to_refund(&gateway).await;
    let event = [event];
    let (one, two) = tokio::join!(market.obey(&gateway, &event), market.obey(&gateway, &event));
    assert!(one.is_empty() && two.is_empty());
    market.assert_refunded_once(&gateway, &order).await;
}

#[tokio::test]
async fn a_refund_whose_answers_get_lost_on_both_sides_is_one_refund() {
    let (market, gateway) = (Market::open().await, FakeGateway::default());
    let (order, event) = market.to_refund(&gateway).await;
    let event = [event];
    for fault in [GatewayFault::LostRequest, GatewayFault::LostAnswer] {
        gateway.fail(fault);
        assert_eq!(market.obey(&gateway, &event).await, ["0"], "the queue keeps it");
    }
    for rule in [Rule::before, Rule::after] {
        market.test.db.fault(rule(Operation::TransactWriteItems, Fault::Dropped).times(20));
        assert_eq!(market.obey(&gateway, &event).await, ["0"], "the queue keeps it");
        market.test.db.calm();
    }
    assert!(market.obey(&gateway, &event).await.is_empty());
    market.assert_refunded_once(&gateway, &order).await;
}

#[tokio::test]
async fn a_worker_that_dies_anywhere_in_a_refund_leads_to_one_refund() {
    for step in 0..3 {
        let (market, gateway) = (Market::open().await, FakeGateway::default());
        let (order, event) = market.to_refund(&gateway).await;
        let event = [event];
        let rule = match step {
            0 => Rule::before(Operation::Query, Fault::Killed),
            1 => Rule::before(Operation::TransactWriteItems, Fault::Killed),
            _ => Rule::after(Operation::TransactWriteItems, Fault::Killed),
        };
        market.test.db.fault(rule);
        tokio::select! {
            biased;
            kept = market.obey(&gateway, &event) => panic!("it did not die at step {step}: {kept:?}"),
            () = idle() => {}
        }
        assert!(market.obey(&gateway, &event).await.is_empty());
        market.assert_refunded_once(&gateway, &order).await;
    }
}

/// Long enough for everything that does not wait for an answer that never comes.
async fn idle() {
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_payment_of_a_cancelled_order_is_cancelled_however_often_the_answer_gets_lost() {
    let (market, gateway) = (Market::open().await, FakeGateway::default());
    let (order, payment, event) = market.to_close(&gateway).await;
    let event = [event];
    for fault in [GatewayFault::LostRequest, GatewayFault::LostAnswer] {
        gateway.fail(fault);
        assert_eq!(market.obey(&gateway, &event).await, ["0"]);
    }
    assert!(market.obey(&gateway, &event).await.is_empty());
    assert!(market.obey(&gateway, &event).await.is_empty());
    assert_eq!(gateway.status(&payment), PaymentStatus::Cancelled);
    let payment = market.test.read_order(&order).await.payments.remove(0).value;
    assert!(matches!(payment.state, PaymentState::Cancelled { .. }));
    market.test.assert_clean().await;
}

#[tokio::test]
async fn a_payment_that_was_never_recorded_is_found_by_its_key_and_cancelled() {
    let (market, gateway) = (Market::open().await, FakeGateway::default());
    let order = market.test.order(&market.buyer, &[(&market.thing, 1)]).await;
    gateway.fail(GatewayFault::LostAnswer);
    payments::start(&market.test.app, &gateway, &order, market.buyer.id()).await.unwrap_err();
    assert!(market.test.read_order(&order).await.payments.is_empty());
    let event = market.cancel(&order).await.pop().unwrap();
    assert!(market.obey(&gateway, &[event]).await.is_empty());
    assert_eq!((gateway.payments(), gateway.status("pi_0")), (1, PaymentStatus::Cancelled));
    market.test.assert_clean().await;
}

#[tokio::test]
async fn a_buyer_who_paid_before_the_payment_was_cancelled_gets_the_goods() {
    let (market, gateway) = (Market::open().await, FakeGateway::default());
    let (order, payment, event) = market.to_close(&gateway).await;
    assert_eq!(gateway.pay(&payment).status, PaymentStatus::Succeeded);
    assert!(market.obey(&gateway, &[event.clone(), event]).await.is_empty());
    assert!(matches!(market.test.read_order(&order).await.order.value.state, OrderState::Paid { .. }));
    assert_eq!(kinds(&market.happened().await), ["order.paid"]);
    market.test.assert_clean().await;
}

#[tokio::test]
async fn a_buyer_who_paid_too_late_for_the_goods_gets_the_money_back() {
    let (market, gateway) = (Market::open().await, FakeGateway::default());
    let (order, payment, event) = market.to_close(&gateway).await;
    let other = market.test.user("eve").await;
    market.test.order(&other, &[(&market.thing, 9)]).await;
    drop(market.happened().await);
    assert_eq!(gateway.pay(&payment).status, PaymentStatus::Succeeded);
    assert!(market.obey(&gateway, &[event]).await.is_empty());
    let asked = market.happened().await;
    assert_eq!(kinds(&asked), ["payment.refund_requested"]);
    assert!(market.obey(&gateway, &asked).await.is_empty());
    let read = market.test.read_order(&order).await;
    assert_eq!(gateway.refunded_minor(), read.order.value.totals.total.minor());
    assert!(matches!(read.order.value.state, OrderState::Cancelled { .. }));
    market.test.assert_clean().await;
}

#[tokio::test]
async fn events_that_ask_nothing_are_done_without_a_call() {
    let (market, gateway) = (Market::open().await, FakeGateway::default());
    let order = market.test.order(&market.buyer, &[(&market.thing, 1)]).await;
    market.test.pay(&market.buyer, &order).await;
    market.test.ship(&market.seller, &order).await;
    market.test.deliver(&market.buyer, &market.seller, &order).await;
    let events = market.happened().await;
    assert_eq!(events.len(), 5);
    gateway.fail(GatewayFault::Rejected);
    assert!(market.obey(&gateway, &events).await.is_empty());
}

#[tokio::test]
async fn a_command_that_cannot_be_read_or_obeyed_is_kept_and_the_others_are_obeyed() {
    let (market, gateway) = (Market::open().await, FakeGateway::default());
    let (order, event) = market.to_refund(&gateway).await;
    let changed = |pointer: &str, value: &str| {
        let mut changed = event.clone();
        *changed.pointer_mut(pointer).unwrap() = json!(value);
        changed
    };
    let unknown = changed("/detail/event/type", "payment.doubled");
    let foreign = changed("/detail/aggregate", "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH");
    let nobody = changed("/detail/aggregate", "usr_01J8ZQ5K3N0V7X2Y4T6B8D9FGH");
    let logs = Logs::capture();
    let kept = market.obey(&gateway, &[json!("{"), unknown, foreign, event, nobody]).await;
    assert_eq!(kept, ["0", "1", "2", "4"]);
    assert_eq!(logs.text().matches("Message failed").count(), 4);
    market.assert_refunded_once(&gateway, &order).await;
}

#[tokio::test]
async fn commands_are_obeyed_once_on_a_bad_day() {
    for seed in 0..10 {
        let (market, gateway) = (Market::open().await, FakeGateway::default());
        let (order, event) = market.to_refund(&gateway).await;
        let (_, open, cancelled) = market.to_close(&gateway).await;
        let mut left = vec![event.clone(), cancelled.clone(), event, cancelled];
        market.test.db.random_faults(RandomFaults::rough(seed));
        for _ in 0..20 {
            gateway.fail(GatewayFault::LostAnswer);
            let kept = market.obey(&gateway, &left).await;
            left = kept.iter().map(|place| left[place.parse::<usize>().unwrap()].clone()).collect();
            market.test.clock().advance(Duration::from_mins(3));
        }
        market.test.db.calm();
        assert_eq!(left, Vec::<Value>::new(), "seed {seed}");
        assert_eq!(gateway.status(&open), PaymentStatus::Cancelled);
        market.assert_refunded_once(&gateway, &order).await;
    }
}
