//! Payments on providers' own pages. Chapa and PayPal only say that something happened, and at PayPal the money moves
//! when we take it; Stripe's word is believed.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use sutler_domain::{
    ids::OrderId,
    order::OrderState,
    payment::{PaymentState, RefundReason},
};
use sutler_gateways::{
    calls::CallLimits, chapa::ChapaGateway, paypal::PayPalGateway, secret::Secret, stripe::StripeGateway,
    stripe_checkout::StripeCheckoutGateway,
};
use sutler_providers::{
    Answer, Fault as ProviderFault, Providers,
    chapa::{self, Status},
    paypal::{self, Operation},
    stripe,
};
use sutler_services::{
    gateways::{self, Gateways},
    payments::Started,
};
use sutler_testkit::{Fault, Operation as Db, Rule};

use super::{Market, deliver, kinds};
use crate::{
    process_payment_events, resolve_payments,
    run_payment_commands::{self, PaymentCommands},
};

/// Longer than a payment may wait before we ask.
const WAIT: Duration = Duration::from_secs(121);

/// Those that are asked.
const ASKED: [&str; 2] = ["chapa", "paypal"];

/// A market with all of them.
struct Mall {
    market: Market,
    providers: Providers,
    state: PaymentCommands,
}

/// An order and its payment, which waits on a provider's page.
struct Opened {
    order: OrderId,
    started: Started,
}

impl Opened {
    fn id(&self) -> &str {
        &self.started.payment.provider_id
    }

    /// What a webhook of this payment leaves on the queue.
    fn told(&self, gateway: &str, message: &str) -> Value {
        json!({"gateway": gateway, "order": self.order, "attempt": self.started.attempt, "message": message})
    }

    /// What a returning buyer leaves on the queue.
    fn back(&self, gateway: &str) -> Value {
        json!({"gateway": gateway, "order": self.order, "attempt": self.started.attempt})
    }
}

impl Mall {
    async fn open() -> Self {
        let (market, providers) = (Market::open().await, Providers::start().await.unwrap());
        let limits = CallLimits { backoff: Duration::from_millis(4), ..CallLimits::default() };
        let chapa = ChapaGateway::new(&Secret::new("CHASECK_TEST-1"), Some(&providers.chapa_url()), limits);
        let (credentials, clock) = (Secret::new("client_test_1:secret"), market.test.clock().clone());
        let paypal = PayPalGateway::new(&credentials, Some(&providers.paypal_url()), limits, Arc::new(clock));
        let key = Secret::new("sk_test_1");
        let stripe = StripeGateway::try_new(&key, Some(&providers.stripe_url()), limits).unwrap();
        let gateways = Gateways::default().with(chapa).with(paypal).with(StripeCheckoutGateway::new(stripe));
        let state = PaymentCommands { app: market.test.app.clone(), gateways };
        Self { market, providers, state }
    }

    async fn opened(&self, gateway: &str) -> Opened {
        let market = &self.market;
        let order = market.test.order(&market.buyer, &[(&market.thing, 2)]).await;
        let (app, buyer) = (&market.test.app, market.buyer.id());
        let started = gateways::start(app, &self.state.gateways, gateway, &order, buyer).await.unwrap();
        drop(market.stream());
        Opened { order, started }
    }

    async fn note(&self, messages: &[Value]) -> Vec<String> {
        deliver(&self.state, process_payment_events::handle, messages).await
    }

    async fn obey(&self, events: &[Value]) -> Vec<String> {
        deliver(&self.state, run_payment_commands::handle, events).await
    }

    /// The buyer does all they have to.
    fn pay(&self, gateway: &str, opened: &Opened) {
        match gateway {
            "chapa" => drop(self.providers.chapa().pay(opened.id()).unwrap()),
            "stripe_checkout" => {
                drop(self.providers.stripe().pay_session(opened.id(), "pm_card_visa").unwrap());
            }
            _ => drop(self.providers.paypal().approve(opened.id()).unwrap()),
        }
    }

    /// Changes what Stripe takes for an order, page and payment alike.
    fn ask_for(&self, opened: &Opened, minor: u64) {
        let (stripe, id) = (self.providers.stripe(), opened.id());
        stripe.alter_session(id, minor).unwrap();
        let sessions = stripe.snapshot().sessions;
        let intent = sessions.into_iter().find(|session| session.id == id).and_then(|one| one.payment_intent);
        let changes = stripe::IntentChanges { amount: Some(minor), ..Default::default() };
        stripe.alter_intent(&intent.unwrap(), changes).unwrap();
    }

    /// All that Stripe's webhook has to tell.
    fn told_by_stripe(&self, newest_first: bool) -> Vec<Value> {
        let events = self.providers.stripe().events();
        let mut told: Vec<Value> = events.into_iter().map(|event| event.body).collect();
        if newest_first {
            told.reverse();
        }
        told
    }

    async fn order_state(&self, opened: &Opened) -> OrderState {
        self.market.test.read_order(&opened.order).await.order.value.state
    }

    async fn is_paid(&self, opened: &Opened) -> bool {
        matches!(self.order_state(opened).await, OrderState::Paid { .. })
    }

    async fn payment_state(&self, opened: &Opened) -> PaymentState {
        self.market.test.read_order(&opened.order).await.payments.remove(0).value.state
    }

    async fn total(&self, opened: &Opened) -> u64 {
        self.market.test.read_order(&opened.order).await.order.value.totals.total.minor()
    }

    /// What PayPal took for an order, and what of it went back.
    fn captured(&self, opened: &Opened) -> (u64, u64) {
        let orders = self.providers.paypal().snapshot().orders;
        let capture = orders.into_iter().find(|order| order.id == opened.id()).unwrap().capture;
        capture.map_or((0, 0), |capture| {
            (capture.amount_minor, capture.refunds.iter().map(|refund| refund.amount_minor).sum())
        })
    }

    /// What a provider took for an order, and what of it went back.
    fn money(&self, gateway: &str, opened: &Opened) -> (u64, u64) {
        match gateway {
            "chapa" => {
                let state = self.providers.chapa().snapshot();
                let paid = state.transactions.iter().filter(|one| one.status == Status::Success);
                let taken = paid.map(|one| one.amount_minor).sum();
                (taken, state.refunds.iter().map(|made| made.amount_minor).sum())
            }
            "stripe_checkout" => {
                let charges = self.providers.stripe().snapshot().charges;
                let sum = |part: fn(&stripe::Charge) -> u64| charges.iter().map(part).sum();
                (sum(|charge| charge.amount), sum(|charge| charge.amount_refunded))
            }
            _ => self.captured(opened),
        }
    }

    fn calls(&self, operation: Operation) -> u64 {
        self.providers.paypal().calls().get(&operation).copied().unwrap_or_default()
    }
}

#[tokio::test]
async fn a_payment_that_is_told_of_again_and_again_pays_once() {
    for gateway in ASKED {
        let mall = Mall::open().await;
        let opened = mall.opened(gateway).await;
        mall.pay(gateway, &opened);
        let twice = [opened.told(gateway, "1"), opened.told(gateway, "1")];
        let (one, two) = tokio::join!(mall.note(&twice), mall.note(&twice));
        assert!(one.is_empty() && two.is_empty(), "{gateway}");
        assert!(mall.note(&[opened.told(gateway, "2"), opened.back(gateway)]).await.is_empty());
        assert!(mall.is_paid(&opened).await, "{gateway}");
        assert_eq!(kinds(&mall.market.happened().await), ["order.paid"], "{gateway}");
        assert_eq!(mall.market.test.stock(&mall.market.thing).await, (8, 0, 2));
        mall.market.test.assert_clean().await;
        if gateway == "paypal" {
            assert_eq!(mall.captured(&opened), (mall.total(&opened).await, 0));
        }
    }
}

#[tokio::test]
async fn what_stripe_tells_of_its_page_pays_once_in_any_order_and_goes_back_once() {
    for (newest_first, cents) in [(false, None), (true, None), (true, Some(100))] {
        let mall = Mall::open().await;
        let opened = mall.opened("stripe_checkout").await;
        assert!(mall.providers.stripe().pay_session(opened.id(), "pm_card_chargeDeclined").is_err());
        let total = mall.total(&opened).await;
        let taken = cents.unwrap_or(total);
        mall.ask_for(&opened, taken);
        mall.pay("stripe_checkout", &opened);
        let told = mall.told_by_stripe(newest_first);
        assert!(told.len() >= 5, "two tries, a charge and a page that is done: {}", told.len());
        let (one, two) = tokio::join!(mall.note(&told), mall.note(&told));
        assert!(one.is_empty() && two.is_empty());
        assert_eq!(mall.is_paid(&opened).await, cents.is_none());
        if cents.is_none() {
            assert_eq!(kinds(&mall.market.happened().await), ["order.paid"]);
            mall.market.cancelled(&opened.order).await;
        }
        let refund = ProviderFault::new(Answer::Drop).after_effect().on(stripe::Operation::CreateRefund);
        mall.providers.stripe().inject(refund.times(4));
        let events = mall.market.happened().await;
        for _ in 0..3 {
            drop(mall.obey(&events).await);
        }
        assert_eq!(mall.money("stripe_checkout", &opened), (taken, taken));
        // The events of the refund are about nothing that is open.
        assert!(mall.note(&mall.told_by_stripe(newest_first)).await.is_empty());
        assert_eq!(mall.payment_state(&opened).await.name(), "refunded");
        mall.market.test.assert_clean().await;
    }
}

#[tokio::test]
async fn a_page_of_an_order_that_ended_is_closed() {
    let mall = Mall::open().await;
    let opened = mall.opened("stripe_checkout").await;
    mall.market.cancelled(&opened.order).await;
    assert!(mall.obey(&mall.market.happened().await).await.is_empty());
    assert!(mall.providers.stripe().pay_session(opened.id(), "pm_card_visa").is_err());
    assert!(mall.note(&mall.told_by_stripe(false)).await.is_empty());
    assert!(matches!(mall.payment_state(&opened).await, PaymentState::Cancelled { .. }));
    assert_eq!(mall.market.test.stock(&mall.market.thing).await, (10, 0, 0));
    mall.market.test.assert_clean().await;
}

#[tokio::test]
async fn coming_back_before_after_or_without_the_webhook_leads_to_the_same_order() {
    for gateway in ASKED {
        for told in [[true, false], [false, true], [false, false], [true, true]] {
            let mall = Mall::open().await;
            let opened = mall.opened(gateway).await;
            // Coming back without having paid changes nothing.
            assert!(mall.note(&[opened.back(gateway)]).await.is_empty());
            assert!(matches!(mall.order_state(&opened).await, OrderState::AwaitingPayment { .. }));
            mall.pay(gateway, &opened);
            for told in told {
                let message = if told { opened.told(gateway, "1") } else { opened.back(gateway) };
                assert!(mall.note(&[message]).await.is_empty());
            }
            assert!(mall.is_paid(&opened).await, "{gateway} {told:?}");
            assert_eq!(kinds(&mall.market.happened().await), ["order.paid"], "{gateway} {told:?}");
            mall.market.test.assert_clean().await;
        }
    }
}

#[tokio::test]
async fn what_the_buyer_approved_is_never_taken_for_an_order_that_ended() {
    let mall = Mall::open().await;
    let opened = mall.opened("paypal").await;
    mall.pay("paypal", &opened);
    mall.market.cancelled(&opened.order).await;
    let events = mall.market.happened().await;
    // The webhook comes before the attempt is ended, and after it.
    assert!(mall.note(&[opened.told("paypal", "1"), opened.back("paypal")]).await.is_empty());
    assert!(mall.obey(&events).await.is_empty());
    assert!(mall.note(&[opened.told("paypal", "2"), opened.back("paypal")]).await.is_empty());
    mall.market.test.clock().advance(WAIT);
    resolve_payments::handle(&mall.state).await.unwrap();
    assert_eq!((mall.captured(&opened), mall.calls(Operation::CaptureOrder)), ((0, 0), 0));
    assert!(matches!(mall.payment_state(&opened).await, PaymentState::Cancelled { .. }));
    assert!(matches!(mall.order_state(&opened).await, OrderState::Cancelled { .. }));
    mall.market.test.assert_clean().await;
}

#[tokio::test]
async fn what_was_taken_as_the_order_ended_finds_its_goods_again_or_goes_back() {
    for goods_are_gone in [false, true] {
        let mall = Mall::open().await;
        let opened = mall.opened("paypal").await;
        mall.pay("paypal", &opened);
        // The money is taken, and nobody gets to write that down before the order ends.
        let lost = Rule::before(Db::TransactWriteItems, Fault::TimedOut).times(20);
        mall.market.test.db.fault(lost);
        assert_eq!(mall.note(&[opened.told("paypal", "1")]).await, ["0"], "the queue keeps it");
        mall.market.test.db.calm();
        let total = mall.total(&opened).await;
        assert_eq!(mall.captured(&opened), (total, 0));
        mall.market.cancelled(&opened.order).await;
        drop(mall.market.stream());
        if goods_are_gone {
            let rival = mall.market.test.user("eve").await;
            mall.market.test.order(&rival, &[(&mall.market.thing, 9)]).await;
            drop(mall.market.stream());
        }
        assert!(mall.note(&[opened.told("paypal", "1")]).await.is_empty());
        let events = mall.market.happened().await;
        assert!(mall.obey(&events).await.is_empty());
        let back = if goods_are_gone { total } else { 0 };
        assert_eq!(mall.captured(&opened), (total, back), "gone: {goods_are_gone}");
        assert_eq!(mall.is_paid(&opened).await, !goods_are_gone);
        mall.market.test.assert_clean().await;
    }
}

#[tokio::test]
async fn a_payment_whose_webhook_never_came_is_settled_by_asking() {
    for gateway in ["chapa", "paypal", "stripe_checkout"] {
        let mall = Mall::open().await;
        let opened = mall.opened(gateway).await;
        mall.pay(gateway, &opened);
        mall.market.test.clock().advance(WAIT);
        for _ in 0..2 {
            resolve_payments::handle(&mall.state).await.unwrap();
            assert!(mall.is_paid(&opened).await, "{gateway}");
        }
        assert_eq!(kinds(&mall.market.happened().await), ["order.paid"], "{gateway}");
        mall.market.test.assert_clean().await;
    }
}

#[tokio::test]
async fn a_refusal_is_noted_once_and_the_buyer_tries_again() {
    for gateway in ASKED {
        let mall = Mall::open().await;
        let opened = mall.opened(gateway).await;
        if gateway == "chapa" {
            drop(mall.providers.chapa().decline(opened.id()).unwrap());
        } else {
            drop(mall.providers.paypal().decline_next(opened.id()).unwrap());
            mall.pay(gateway, &opened);
        }
        let told = opened.told(gateway, "1");
        assert!(
            mall.note(&[opened.back(gateway), told.clone(), told, opened.back(gateway)]).await.is_empty()
        );
        assert_eq!(kinds(&mall.market.happened().await), ["payment.failed"], "{gateway}");
        mall.pay(gateway, &opened);
        assert!(mall.note(&[opened.told(gateway, "2")]).await.is_empty());
        assert!(mall.is_paid(&opened).await, "{gateway}");
        mall.market.test.assert_clean().await;
    }
}

#[tokio::test]
async fn another_amount_than_the_orders_never_pays_it_and_goes_back() {
    for gateway in ASKED {
        let mall = Mall::open().await;
        let opened = mall.opened(gateway).await;
        match gateway {
            "chapa" => drop(mall.providers.chapa().alter(opened.id(), 100).unwrap()),
            _ => drop(mall.providers.paypal().alter(opened.id(), 100).unwrap()),
        }
        mall.pay(gateway, &opened);
        assert!(mall.note(&[opened.told(gateway, "1")]).await.is_empty());
        assert!(matches!(mall.order_state(&opened).await, OrderState::AwaitingPayment { .. }));
        let events = mall.market.happened().await;
        assert_eq!(kinds(&events), ["payment.refund_requested"], "{gateway}");
        let again = events.clone();
        assert!(mall.obey(&events).await.is_empty() && mall.obey(&again).await.is_empty());
        let state = mall.payment_state(&opened).await;
        assert_eq!(state.name(), "refunded");
        assert!(matches!(state, PaymentState::Succeeded { unowed: Some(RefundReason::Mismatch), .. }));
        assert_eq!(mall.money(gateway, &opened), (100, 100), "{gateway}");
        mall.market.test.assert_clean().await;
    }
}

#[tokio::test]
async fn a_paid_order_that_is_cancelled_is_refunded_where_it_was_paid_however_often_answers_get_lost() {
    for gateway in ASKED {
        let mall = Mall::open().await;
        let opened = mall.opened(gateway).await;
        mall.pay(gateway, &opened);
        assert!(mall.note(&[opened.told(gateway, "1")]).await.is_empty());
        mall.market.cancelled(&opened.order).await;
        let events: Vec<Value> = mall.market.happened().await;
        let total = mall.total(&opened).await;
        match gateway {
            "chapa" => mall.providers.chapa().inject(
                ProviderFault::new(Answer::Drop).after_effect().on(chapa::Operation::Refund).times(4),
            ),
            _ => mall.providers.paypal().inject(
                ProviderFault::new(Answer::Drop).after_effect().on(Operation::RefundCapture).times(4),
            ),
        }
        for _ in 0..3 {
            // PayPal forgets keys after a while; the refund is found all the same.
            mall.providers.paypal().forget_requests();
            drop(mall.obey(&events).await);
        }
        assert_eq!(mall.money(gateway, &opened), (total, total), "{gateway}: once");
        assert_eq!(mall.payment_state(&opened).await.name(), "refunded", "{gateway}");
        mall.market.test.assert_clean().await;
    }
}

#[tokio::test]
async fn a_question_about_what_is_not_ours_is_passed_over_without_asking_anybody() {
    let mall = Mall::open().await;
    let opened = mall.opened("paypal").await;
    mall.pay("paypal", &opened);
    let asked = mall.providers.paypal().calls();
    let changed = |field: &str, value: Value| {
        let mut message = opened.back("paypal");
        message[field] = value;
        message
    };
    let strange = [
        changed("gateway", json!("chapa")),
        changed("gateway", json!("stripe")),
        changed("attempt", json!(2)),
        changed("attempt", json!(0)),
        changed("order", json!("ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH")),
    ];
    assert!(mall.note(&strange).await.is_empty());
    assert_eq!(mall.providers.paypal().calls(), asked);
    assert_eq!(mall.market.stream(), []);
    // What is no question at all is kept for people.
    let kept = mall.note(&[changed("order", json!("ord_1")), changed("status", json!("paid"))]).await;
    assert_eq!(kept, ["0", "1"]);
}

#[tokio::test]
async fn a_payment_of_a_gateway_that_is_not_configured_any_more_is_kept_for_people() {
    let mut mall = Mall::open().await;
    let opened = mall.opened("chapa").await;
    mall.pay("chapa", &opened);
    let configured = std::mem::take(&mut mall.state.gateways);
    assert_eq!(mall.note(&[opened.told("chapa", "1")]).await, ["0"]);
    mall.state.gateways = configured;
    assert!(mall.note(&[opened.told("chapa", "1")]).await.is_empty());
    assert!(mall.is_paid(&opened).await);
    let page = &mall.providers.chapa().snapshot().transactions[0];
    assert_eq!((page.status, page.email.as_deref()), (Status::Success, Some("bob@example.com")));
}

#[tokio::test]
async fn a_token_that_paypal_ends_early_is_replaced() {
    let mall = Mall::open().await;
    let opened = mall.opened("paypal").await;
    mall.pay("paypal", &opened);
    assert_eq!(mall.calls(Operation::Token), 1);
    mall.providers.paypal().revoke_tokens();
    assert!(mall.note(&[opened.told("paypal", "1")]).await.is_empty());
    assert!(mall.is_paid(&opened).await);
    assert_eq!(mall.calls(Operation::Token), 2);
    // A token ends by itself after some hours.
    mall.market.test.clock().advance(Duration::from_hours(9));
    let gateway = mall.state.gateways.of("paypal").unwrap();
    gateway.look_up(opened.id()).await.unwrap();
    assert_eq!(mall.calls(Operation::Token), 3);
    let order = mall.providers.paypal().snapshot().orders.remove(0);
    assert_eq!(order.status, paypal::Status::Completed);
}
