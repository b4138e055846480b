//! Payments through providers with pages of their own, opened at their stand-ins.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use sutler_domain::{ids::OrderId, payment::PaymentState};
use sutler_gateways::{calls::CallLimits, chapa::ChapaGateway, paypal::PayPalGateway, secret::Secret};
use sutler_http::{ApiError, Body, Request, Response};
use sutler_providers::{
    Answer, Fault, Providers,
    chapa::{Operation, Status},
    paypal,
};
use sutler_services::{App, gateways::Gateways};
use sutler_testkit::{FakeGateway, TestAnswer, TestApp, TestCall, TestUser};

use crate::start_payment::{self, Payments};

/// Short, so that a test of outages does not wait long.
const LIMITS: CallLimits = CallLimits {
    deadline: Duration::from_secs(4),
    try_timeout: Duration::from_millis(500),
    tries_max: 2,
    backoff: Duration::from_millis(4),
};

/// A marketplace with three ways to pay, and one order to be paid.
struct Market {
    test: TestApp,
    providers: Providers,
    stripe: FakeGateway,
    payments: Payments,
    buyer: TestUser,
    order: OrderId,
}

impl Market {
    async fn open() -> Self {
        let (test, providers) = (TestApp::new().await, Providers::start().await.unwrap());
        let (seller, buyer) = (test.seller("ada").await, test.user("bob").await);
        let thing = test.goods(&seller, 1_999, 10).await;
        let order = test.order(&buyer, &[(&thing, 2)]).await;
        let chapa = ChapaGateway::new(&Secret::new("CHASECK_TEST-1"), Some(&providers.chapa_url()), LIMITS);
        let credentials = Secret::new("client_test_1:secret");
        let clock = Arc::new(test.clock().clone());
        let paypal = PayPalGateway::new(&credentials, Some(&providers.paypal_url()), LIMITS, clock);
        let stripe = FakeGateway::default();
        let gateways = Gateways::default().with(stripe.clone()).with(chapa).with(paypal);
        let payments = Payments { app: test.app.clone(), gateways };
        Self { test, providers, stripe, payments, buyer, order }
    }

    fn handle(&self) -> impl AsyncFn(&App, Request) -> Result<Response<Body>, ApiError> {
        async |_: &App, request: Request| start_payment::handle(&self.payments, request).await
    }

    fn paying(&self, gateway: &str) -> TestCall {
        let path = format!("/v1/orders/{}/payments", self.order);
        let token = self.test.sign_in(&self.buyer.user);
        TestCall::post(&path, &json!({"gateway": gateway}))
            .parameter("order", self.order.as_str())
            .token(&token)
    }

    async fn start(&self, gateway: &str) -> TestAnswer {
        self.test.call(self.handle(), self.paying(gateway)).await
    }

    async fn payment_states(&self) -> Vec<PaymentState> {
        let order = self.test.read_order(&self.order).await;
        order.payments.into_iter().map(|payment| payment.value.state).collect()
    }
}

fn is(answer: &TestAnswer, status: u16, problem: &str) {
    assert_eq!((answer.status, answer.problem()), (status, problem), "{}", answer.text);
}

#[tokio::test]
async fn a_buyer_is_sent_to_the_providers_page_and_back_to_us() {
    for gateway in ["chapa", "paypal"] {
        let market = Market::open().await;
        let started = market.start(gateway).await;
        assert_eq!(started.status, 201, "{}", started.text);
        let id = started.body["provider_id"].as_str().unwrap();
        let page = started.body["redirect_url"].as_str().unwrap();
        assert!(page.starts_with(&market.providers.base_url()) && page.contains(id), "{page}");
        assert_eq!(started.body.get("client_secret"), None);
        let back = match gateway {
            "chapa" => market.providers.chapa().return_url(id),
            _ => market.providers.paypal().return_url(id),
        };
        let ours = format!("https://api.example.com/v1/payments/{gateway}/return");
        assert_eq!(back, Some(format!("{ours}?order={}&attempt=1", market.order)));
        // However often it is asked for, it is one payment on one page.
        for _ in 0..2 {
            assert_eq!(market.start(gateway).await, started);
        }
        assert_eq!(market.payment_states().await, [PaymentState::RequiresAction]);
        market.test.assert_clean().await;
    }
}

#[tokio::test]
async fn two_calls_at_once_open_one_payment() {
    for gateway in ["chapa", "paypal"] {
        let market = Market::open().await;
        let (one, two) = tokio::join!(market.start(gateway), market.start(gateway));
        for answer in [&one, &two] {
            // Where a page is told of only once, the second has to come again.
            assert!(answer.status == 201 || answer.problem() == "provider-unavailable", "{}", answer.text);
        }
        let opened = match gateway {
            "chapa" => market.providers.chapa().snapshot().transactions.len(),
            _ => market.providers.paypal().snapshot().orders.len(),
        };
        assert_eq!(opened, 1, "{gateway}");
        let again = market.start(gateway).await;
        let first = if one.status == 201 { one } else { two };
        assert_eq!(again.body, first.body, "{gateway}");
    }
}

#[tokio::test]
async fn a_page_whose_address_got_lost_is_closed_and_replaced_by_another() {
    let market = Market::open().await;
    market.providers.chapa().inject(Fault::new(Answer::Drop).after_effect().on(Operation::Initialize));
    let lost = market.start("chapa").await;
    is(&lost, 503, "provider-unavailable");
    market.test.clock().advance(Duration::from_secs(31));
    let started = market.start("chapa").await;
    assert_eq!((started.status, &started.body["attempt"]), (201, &json!(2)), "{}", started.text);
    let pages = market.providers.chapa().snapshot().transactions;
    let statuses: Vec<Status> = pages.iter().map(|page| page.status).collect();
    assert_eq!(statuses, [Status::Cancelled, Status::Open]);
    assert!(matches!(
        market.payment_states().await[..],
        [PaymentState::Cancelled { .. }, PaymentState::RequiresAction]
    ));
    market.test.assert_clean().await;
}

#[tokio::test]
async fn a_buyer_who_changes_their_mind_has_one_open_payment() {
    let market = Market::open().await;
    let mut attempt = 0;
    for gateway in ["chapa", "stripe", "paypal", "stripe"] {
        attempt += 1;
        let started = market.start(gateway).await;
        assert_eq!((started.status, &started.body["attempt"]), (201, &json!(attempt)), "{}", started.text);
        let open = market.payment_states().await;
        let open = open.iter().filter(|state| **state == PaymentState::RequiresAction).count();
        assert_eq!(open, 1, "{gateway}");
    }
    let page = &market.providers.chapa().snapshot().transactions[0];
    assert_eq!(page.status, Status::Cancelled);
    assert_eq!(market.stripe.payments(), 2);
    market.test.assert_clean().await;
}

#[tokio::test]
async fn a_buyer_who_has_paid_meanwhile_is_not_charged_elsewhere() {
    let market = Market::open().await;
    let started = market.start("chapa").await;
    market.providers.chapa().pay(started.body["provider_id"].as_str().unwrap()).unwrap();
    let answer = market.start("stripe").await;
    is(&answer, 409, "order-state");
    assert_eq!((&answer.body["state"], market.stripe.payments()), (&json!("paid"), 0));
    market.test.assert_clean().await;
}

#[tokio::test]
async fn a_gateway_that_is_not_configured_is_refused_before_anything_is_claimed() {
    let mut market = Market::open().await;
    market.payments.gateways = Gateways::default().with(market.stripe.clone());
    for gateway in ["chapa", "paypal"] {
        let call = market.paying(gateway);
        let answer = market.test.refused(market.handle(), call).await;
        is(&answer, 422, "gateway-not-offered");
    }
    assert_eq!(market.test.read_order(&market.order).await.order.value.attempts, 0);
    assert_eq!(market.start("stripe").await.status, 201);
}

#[tokio::test]
async fn an_outage_of_a_provider_is_told_and_leaves_the_order_to_be_paid() {
    let market = Market::open().await;
    let outage = Fault::new(Answer::Status(500)).on(paypal::Operation::Token).times(2);
    market.providers.paypal().inject(outage);
    is(&market.start("paypal").await, 503, "provider-unavailable");
    assert_eq!(market.start("paypal").await.status, 201);
    assert_eq!(market.providers.paypal().snapshot().orders.len(), 1);
}
