//! What happens when the provider's word, or ours to it, is lost.

use std::time::Duration;

use sutler_domain::{ids::OrderId, order::OrderState, payment::PaymentState};
use sutler_services::{gateways::Gateways, payments};
use sutler_testkit::{FakeGateway, Fault, GatewayFault, Operation, Rule};

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
    assert!(matches!(market.payment_state(&order).await, PaymentState::RefundPending { .. }));
    market.test.clock().advance(WAIT);
    gateway.fail(GatewayFault::LostAnswer);
    assert!(!market.resolve(&gateway).await);
    assert!(market.resolve(&gateway).await);
    assert!(matches!(market.payment_state(&order).await, PaymentState::Refunded { .. }));
    let total = market.test.read_order(&order).await.order.value.totals.total;
    assert_eq!(gateway.refunded_minor(), total.minor(), "once");
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
