use std::time::Duration;

use serde_json::{Value, json};
use sutler_domain::{
    account::Role,
    ids::{OrderId, VariantId},
};
use sutler_gateways::payment::PaymentStatus;
use sutler_http::{ApiError, Body, Request, Response};
use sutler_services::{App, gateways::Gateways};
use sutler_testkit::{FakeGateway, GatewayFault, Stage, TestAnswer, TestApp, TestCall, TestUser};

use crate::start_payment::{self, Payments};

/// A marketplace with a provider, a seller, a buyer and ten pieces of one thing.
struct Market {
    test: TestApp,
    gateway: FakeGateway,
    payments: Payments,
    seller: TestUser,
    buyer: TestUser,
    thing: VariantId,
}

fn is(answer: &TestAnswer, status: u16, problem: &str) {
    assert_eq!((answer.status, answer.problem()), (status, problem), "{}", answer.text);
}

fn paying(order: &OrderId) -> TestCall {
    TestCall::post(&format!("/v1/orders/{order}/payments"), &json!({"gateway": "stripe"}))
        .parameter("order", order.as_str())
}

impl Market {
    async fn open() -> Self {
        let test = TestApp::new().await;
        let (seller, buyer) = (test.seller("ada").await, test.user("bob").await);
        let thing = test.goods(&seller, 1_999, 10).await;
        let gateway = FakeGateway::default();
        let payments =
            Payments { app: test.app.clone(), gateways: Gateways::default().with(gateway.clone()) };
        Self { test, gateway, payments, seller, buyer, thing }
    }

    /// The handler with its provider.
    fn handle(&self) -> impl AsyncFn(&App, Request) -> Result<Response<Body>, ApiError> {
        async |_: &App, request: Request| start_payment::handle(&self.payments, request).await
    }

    async fn order_at(&self, stage: Stage) -> OrderId {
        self.test.order_at(stage, &self.buyer, &self.seller, &[(&self.thing, 2)]).await
    }

    async fn start(&self, order: &OrderId) -> TestAnswer {
        self.test.call(self.handle(), paying(order).by(&self.buyer)).await
    }

    async fn refuses(&self, call: TestCall) -> TestAnswer {
        self.test.refused(self.handle(), call).await
    }
}

#[tokio::test]
async fn a_buyer_is_told_how_to_pay_and_nobody_else() {
    let market = Market::open().await;
    let id = market.order_at(Stage::AwaitingPayment).await;
    drop(market.test.db.drain_stream());
    let started = market.start(&id).await;
    assert_eq!(started.status, 201, "{}", started.text);
    insta::assert_json_snapshot!("start_payment", started.body);
    assert_eq!(started.headers["cache-control"], "no-store");
    // What pays is kept neither with the order nor with its payment.
    let stored = format!("{:?}", market.test.db.drain_stream());
    assert!(stored.contains("pi_0") && !stored.contains("pi_0_secret"), "{stored}");
    let order = market.test.read_order(&id).await;
    assert_eq!(order.payments[0].value.state.name(), "requires_action");
    assert_eq!(order.payments[0].value.amount, order.order.value.totals.total);
    market.test.assert_clean().await;
}

#[tokio::test]
async fn only_the_buyer_starts_a_payment() {
    let market = Market::open().await;
    let test = &market.test;
    let id = market.order_at(Stage::AwaitingPayment).await;
    test.needs_token(&market.buyer, market.handle(), paying(&id)).await;
    let (stranger, admin) = (test.user("sam").await, test.staff("root", Role::Admin).await);
    for other in [&market.seller, &stranger, &admin] {
        is(&market.refuses(paying(&id).by(other)).await, 404, "not-found");
    }
    let unverified = test.unverified("tim").await;
    is(&market.refuses(paying(&id).by(&unverified)).await, 403, "email-not-verified");
    for unknown in ["", "x", "ord_1", "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH"] {
        let call = paying(&id).parameter("order", unknown).by(&market.buyer);
        is(&market.refuses(call).await, 404, "not-found");
    }
    assert_eq!(market.gateway.payments(), 0);
}

#[tokio::test]
async fn bad_payments_name_their_fields() {
    let market = Market::open().await;
    let id = market.order_at(Stage::AwaitingPayment).await;
    for (body, named) in [
        (json!({}), "/gateway: missing"),
        (json!({"gateway": "cash"}), "/gateway: invalid"),
        (json!({"gateway": "Stripe"}), "/gateway: invalid"),
        (json!({"gateway": ""}), "/gateway: invalid"),
        (json!({"gateway": "stripe", "amount": 1}), "/amount: unknown-field"),
        (json!("stripe"), ": wrong-type"),
    ] {
        let answer = market.refuses(paying(&id).json(&body).by(&market.buyer)).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![named.to_owned()]), "{body}");
    }
    for (text, status, problem) in [
        (String::new(), 400, "malformed-request"),
        ("{\"gateway\"".to_owned(), 400, "malformed-request"),
        (" ".repeat(64 * 1_024 + 1), 413, "too-large"),
    ] {
        is(&market.refuses(paying(&id).text(&text).by(&market.buyer)).await, status, problem);
    }
    assert_eq!(market.gateway.payments(), 0);
}

#[tokio::test]
async fn a_body_that_is_json_is_not_called_unreadable() {
    let market = Market::open().await;
    let id = market.order_at(Stage::AwaitingPayment).await;
    for value in [json!(7), json!(-1.5), json!(true), json!(["stripe"]), Value::Null] {
        let body = json!({"gateway": value});
        let answer = market.refuses(paying(&id).json(&body).by(&market.buyer)).await;
        let expected = (422, vec!["/gateway: wrong-type".to_owned()]);
        assert_eq!((answer.status, answer.invalid_fields()), expected, "{body}");
    }
}

#[tokio::test]
async fn a_payment_that_is_started_again_is_the_same_payment() {
    let market = Market::open().await;
    let id = market.order_at(Stage::AwaitingPayment).await;
    let (one, two) = tokio::join!(market.start(&id), market.start(&id));
    assert_eq!((one.status, &one), (201, &two), "{}", two.text);
    drop(market.test.db.drain_stream());
    assert_eq!(market.start(&id).await, one);
    assert_eq!(market.test.db.drain_stream(), []);
    assert_eq!(market.gateway.payments(), 1);
    let order = market.test.read_order(&id).await;
    assert_eq!((order.order.value.attempts, order.payments.len()), (1, 1));
}

#[tokio::test]
async fn only_an_order_that_waits_for_payment_is_paid() {
    for (stage, state) in [
        (Stage::Cancelled, "cancelled"),
        (Stage::Paid, "paid"),
        (Stage::Refunded, "refunded"),
        (Stage::InTransit, "paid"),
        (Stage::Completed, "completed"),
    ] {
        let market = Market::open().await;
        let id = market.order_at(stage).await;
        let answer = market.refuses(paying(&id).by(&market.buyer)).await;
        is(&answer, 409, "order-state");
        assert_eq!((&answer.body["state"], market.gateway.payments()), (&json!(state), 0), "{stage:?}");
    }
}

#[tokio::test]
async fn an_order_whose_time_is_over_is_not_paid_even_before_it_is_released() {
    let market = Market::open().await;
    let id = market.order_at(Stage::AwaitingPayment).await;
    market.test.clock().advance(Duration::from_secs(899));
    let call = || paying(&id).token(&market.test.sign_in(&market.buyer.user));
    assert_eq!(market.test.call(market.handle(), call()).await.status, 201);
    market.test.clock().advance(Duration::from_secs(1));
    let answer = market.refuses(call()).await;
    is(&answer, 409, "order-state");
    assert_eq!(answer.body["state"], "expired");
    assert_eq!(market.gateway.payments(), 1);
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_asked_again_for_the_same_payment() {
    for (fault, opened) in [(GatewayFault::LostRequest, 0), (GatewayFault::LostAnswer, 1)] {
        let market = Market::open().await;
        let id = market.order_at(Stage::AwaitingPayment).await;
        market.gateway.fail(fault);
        let answer = market.start(&id).await;
        is(&answer, 503, "provider-unavailable");
        assert_eq!((answer.headers["retry-after"].as_str(), market.gateway.payments()), ("5", opened));
        let again = market.start(&id).await;
        assert_eq!((again.status, &again.body["provider_id"]), (201, &json!("pi_0")), "{}", again.text);
        assert_eq!((&again.body["attempt"], market.gateway.payments()), (&json!(1), 1));
        assert_eq!(market.gateway.status("pi_0"), PaymentStatus::AwaitingBuyer);
        market.test.assert_clean().await;
    }
}

#[tokio::test]
async fn a_refusal_of_the_provider_is_told_without_its_insides() {
    let market = Market::open().await;
    let id = market.order_at(Stage::AwaitingPayment).await;
    market.gateway.fail(GatewayFault::Declined);
    let declined = market.start(&id).await;
    is(&declined, 422, "payment-declined");
    assert_eq!(declined.body["decline_code"], "card_declined");
    market.gateway.fail(GatewayFault::Rejected);
    let rejected = market.start(&id).await;
    let public =
        json!({"type": "urn:sutler:problem:internal", "title": "Something went wrong", "status": 500});
    assert_eq!((rejected.status, rejected.body), (500, public));
    assert_eq!(market.start(&id).await.status, 201);
}
