//! What happens when the provider's word, or ours to it, is lost.

use std::time::Duration;

use sutler_domain::{
    idempotency::{Answer, Once},
    ids::OrderId,
    order::OrderState,
    payment::PaymentState,
    refund::Destination,
};
use sutler_gateways::payment::RefundStatus;
use sutler_services::{
    gateways::Gateways,
    payments,
    refunds::{self, RefundOf, RefundWish},
};
use sutler_testkit::{FakeGateway, Fault, GatewayFault, Logs, Operation, Rule};

use super::{Market, kinds};
use crate::{resolve_payments, run_payment_commands::PaymentCommands};

/// Longer than a payment may wait before we ask.
const WAIT: Duration = Duration::from_secs(121);

impl Market {
    async fn resolve(&self, gateway: &FakeGateway) -> bool {
        let state = PaymentCommands {
            app: self.test.app.clone(),
            gateways: Gateways::default().with(gateway.clone()),
        };
        resolve_payments::handle(&state).await.is_ok()
    }

    /// An order whose payment is open, and the provider's id of that.
    async fn opened(&self, gateway: &FakeGateway) -> (OrderId, String) {
        let order = self.test.order(&self.buyer, &[(&self.thing, 1)]).await;
        let started = payments::start(&self.test.app, gateway, &order, self.buyer.id()).await.unwrap();
        (order, started.payment.provider_id)
    }

    /// The seller gives something back, with the rights of staff.
    async fn refund(&self, of: RefundOf, destination: Destination, order: &OrderId) {
        let wish = RefundWish { by: self.seller.id().clone(), staff: true, of, destination };
        let render = |_: &_| Answer { status: 201, body: String::new() };
        let once = Once { key: None, render, at: self.test.app.now() };
        refunds::refund(&self.test.app, order, &wish, &once).await.unwrap();
    }

    async fn order_state(&self, order: &OrderId) -> OrderState {
        self.test.read_order(order).await.order.value.state
    }

    async fn payment_state(&self, order: &OrderId) -> PaymentState {
        self.test.read_order(order).await.payments.remove(0).value.state
    }
}

#[tokio::test]
async fn a_payment_whose_webhook_never_came_pays_the_order() {
    let (market, gateway) = (Market::open().await, FakeGateway::default());
    let (order, provider_id) = market.opened(&gateway).await;
    drop(gateway.pay(&provider_id));
    assert!(market.resolve(&gateway).await);
    assert!(matches!(market.order_state(&order).await, OrderState::AwaitingPayment { .. }), "not asked yet");
    market.test.clock().advance(WAIT);
    assert!(market.resolve(&gateway).await);
    assert!(matches!(market.order_state(&order).await, OrderState::Paid { .. }));
    assert!(market.resolve(&gateway).await);
    assert_eq!(kinds(&market.happened().await), ["order.placed", "order.paid"], "once");
    market.test.assert_clean().await;
}

#[tokio::test]
async fn a_payment_that_the_buyer_has_not_made_stays_open() {
    let (market, gateway) = (Market::open().await, FakeGateway::default());
    let (order, _) = market.opened(&gateway).await;
    market.test.clock().advance(WAIT);
    assert!(market.resolve(&gateway).await);
    assert!(matches!(market.order_state(&order).await, OrderState::AwaitingPayment { .. }));
    assert_eq!(market.payment_state(&order).await, PaymentState::RequiresAction);
}

#[tokio::test]
async fn a_refund_whose_command_was_given_up_is_made() {
    let (market, gateway) = (Market::open().await, FakeGateway::default());
    let (order, provider_id) = market.opened(&gateway).await;
    drop(gateway.pay(&provider_id));
    market.test.clock().advance(WAIT);
    assert!(market.resolve(&gateway).await);
    market.cancelled(&order).await;
    assert_eq!(market.payment_state(&order).await.name(), "refund_pending");
    market.test.clock().advance(WAIT);
    gateway.fail(GatewayFault::LostAnswer);
    assert!(!market.resolve(&gateway).await);
    assert!(market.resolve(&gateway).await);
    assert_eq!(market.payment_state(&order).await.name(), "refunded");
    let total = market.test.read_order(&order).await.order.value.totals.total;
    assert_eq!(gateway.refunded_minor(), total.minor(), "once");
    market.test.assert_clean().await;
}

#[tokio::test]
async fn a_refund_that_takes_long_is_asked_about_until_it_arrives() {
    let (market, gateway) = (Market::open().await, FakeGateway::default());
    let order = market.test.order(&market.buyer, &[(&market.thing, 1)]).await;
    market.test.pay_through(&gateway, &market.buyer, &order).await;
    market.cancelled(&order).await;
    gateway.let_refunds_be(RefundStatus::Pending);
    for _ in 0..2 {
        market.test.clock().advance(WAIT);
        assert!(market.resolve(&gateway).await);
        assert_eq!(market.payment_state(&order).await.name(), "refund_pending");
    }
    gateway.decide_refunds(RefundStatus::Succeeded);
    assert!(market.resolve(&gateway).await);
    assert_eq!(market.payment_state(&order).await.name(), "refunded");
    assert_eq!(gateway.refund_keys(), [format!("{order}/1/refund/1")]);
    market.test.assert_clean().await;
}

#[tokio::test]
async fn a_refund_that_failed_at_the_provider_can_be_made_again_elsewhere() {
    let (market, gateway) = (Market::open().await, FakeGateway::default());
    let order = market.test.order(&market.buyer, &[(&market.thing, 2)]).await;
    market.test.pay_through(&gateway, &market.buyer, &order).await;
    market.cancelled(&order).await;
    gateway.let_refunds_be(RefundStatus::Pending);
    market.test.clock().advance(WAIT);
    assert!(market.resolve(&gateway).await);
    gateway.decide_refunds(RefundStatus::Failed);
    let logs = Logs::capture();
    assert!(market.resolve(&gateway).await);
    assert!(logs.text().contains("refund_failed"), "somebody is told");
    let read = market.test.read_order(&order).await;
    let total = read.order.value.totals.total;
    assert_eq!(read.payments[0].value.state.name(), "succeeded");
    assert_eq!(read.payments[0].value.state.balance().unwrap().refundable(), total, "it is here again");
    assert_eq!(read.refunds[0].value.state.name(), "failed");
    assert_eq!(market.test.stock(&market.thing).await, (10, 0, 0), "the goods stay on sale");
    market.test.assert_clean().await;

    let amount = RefundOf::Part { seller: None, lines: Vec::new(), amount: Some(total) };
    market.refund(amount, Destination::Wallet, &order).await;
    let read = market.test.read_order(&order).await;
    assert_eq!(read.order.value.state.name(), "refunded");
    assert_eq!(read.payments[0].value.state.name(), "refunded");
    assert_eq!(gateway.refunded_minor(), 0);
    market.test.assert_clean().await;
}

#[tokio::test]
async fn money_that_is_nobodys_and_cannot_go_back_is_given_back_by_staff() {
    let (market, gateway) = (Market::open().await, FakeGateway::default());
    let (order, provider_id) = market.opened(&gateway).await;
    market.cancelled(&order).await;
    let rival = market.test.user("eve").await;
    market.test.order(&rival, &[(&market.thing, 10)]).await;
    drop(gateway.pay(&provider_id));
    gateway.let_refunds_be(RefundStatus::Failed);
    market.test.clock().advance(WAIT);
    // The news that it was paid too late, and the refund that follows.
    assert!(market.resolve(&gateway).await);
    market.test.clock().advance(WAIT);
    assert!(market.resolve(&gateway).await);
    let read = market.test.read_order(&order).await;
    assert_eq!(read.refunds[0].value.state.name(), "failed");
    market.test.assert_clean().await;
    market.refund(RefundOf::Attempt(1), Destination::Wallet, &order).await;
    let read = market.test.read_order(&order).await;
    assert_eq!(read.payments[0].value.state.name(), "refunded");
    assert_eq!(read.order.value.state.name(), "cancelled");
    market.test.assert_clean().await;
}

#[tokio::test]
async fn an_open_payment_of_a_cancelled_order_is_ended_or_its_money_is_dealt_with() {
    for pays in [false, true] {
        let (market, gateway) = (Market::open().await, FakeGateway::default());
        let (order, provider_id) = market.opened(&gateway).await;
        market.cancelled(&order).await;
        if pays {
            drop(gateway.pay(&provider_id));
        }
        market.test.clock().advance(WAIT);
        assert!(market.resolve(&gateway).await);
        let reinstated = matches!(market.order_state(&order).await, OrderState::Paid { .. });
        assert_eq!(reinstated, pays, "the goods are still there");
        if !pays {
            assert!(matches!(market.payment_state(&order).await, PaymentState::Cancelled { .. }));
        }
        market.test.assert_clean().await;
    }
}

#[tokio::test]
async fn a_payment_that_cannot_be_resolved_does_not_keep_the_others_from_it() {
    let (market, gateway) = (Market::open().await, FakeGateway::default());
    let mut paid = Vec::new();
    for _ in 0..3 {
        let (order, provider_id) = market.opened(&gateway).await;
        drop(gateway.pay(&provider_id));
        paid.push(order);
    }
    market.test.clock().advance(WAIT);
    gateway.fail(GatewayFault::LostRequest);
    assert!(!market.resolve(&gateway).await, "the failure is told");
    let mut states = Vec::new();
    for order in &paid {
        states.push(matches!(market.order_state(order).await, OrderState::Paid { .. }));
    }
    assert_eq!(states.iter().filter(|paid| **paid).count(), 2, "{states:?}");
    assert!(market.resolve(&gateway).await);
    market.test.assert_clean().await;
}

#[tokio::test]
async fn a_stale_index_resolves_nothing_twice() {
    let (market, gateway) = (Market::open().await, FakeGateway::default());
    let (order, provider_id) = market.opened(&gateway).await;
    drop(gateway.pay(&provider_id));
    market.test.clock().advance(WAIT);
    assert!(market.resolve(&gateway).await);
    market.test.db.fault(Rule::before(Operation::Query, Fault::Stale).touching("by_due").times(4));
    assert!(market.resolve(&gateway).await);
    assert_eq!(kinds(&market.happened().await), ["order.placed", "order.paid"]);
    assert!(matches!(market.order_state(&order).await, OrderState::Paid { .. }));
}
