//! Buyers who come back from a provider's pages, and anybody who pretends to.

use sutler_runtime::queue::Sender;
use sutler_testkit::{Queued, TestAnswer, TestCall, TestCloud};

use crate::return_from_provider::{Returns, handle};

const ORDER: &str = "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH";
const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/000000000000/payment-events";

fn returns(cloud: &TestCloud) -> Returns {
    let frontend_url = "https://shop.example.com".to_owned();
    Returns { queue: Sender::new(cloud.queue(), QUEUE), frontend_url }
}

fn back(gateway: &str) -> TestCall {
    let path = format!("/v1/payments/{gateway}/return");
    TestCall::get(&path).parameter("gateway", gateway).query("order", ORDER).query("attempt", "2")
}

async fn call(cloud: &TestCloud, call: TestCall) -> TestAnswer {
    TestAnswer::read(handle(&returns(cloud), call.request()).await)
}

#[tokio::test]
async fn coming_back_only_asks_and_leads_to_the_order() {
    for gateway in ["chapa", "paypal"] {
        let cloud = TestCloud::default();
        // Whatever else the provider, or somebody else, says in the address counts for nothing.
        let said = back(gateway).query("token", "5O1").query("PayerID", "X").query("status", "success");
        let answer = call(&cloud, said.query("url", "https://evil.example.com")).await;
        assert_eq!((answer.status, answer.text.as_str()), (303, ""));
        assert_eq!(answer.headers["location"], format!("https://shop.example.com/orders/{ORDER}"));
        assert_eq!(answer.headers["cache-control"], "no-store");
        let body = format!(r#"{{"gateway":"{gateway}","order":"{ORDER}","attempt":2}}"#);
        assert_eq!(cloud.queued(), [Queued { queue_url: QUEUE.to_owned(), body }]);
        assert_eq!(cloud.calls(), 1, "the queue is all that is called");
    }
}

#[tokio::test]
async fn an_address_that_is_not_ours_leads_nowhere() {
    let cloud = TestCloud::default();
    for wrong in [
        back("stripe"),
        back("PayPal"),
        back("x"),
        back("paypal").query("order", "ord_1"),
        back("paypal").query("order", ""),
        back("paypal").query("order", "https://evil.example.com"),
        back("paypal").query("attempt", "x"),
        back("paypal").query("attempt", "-1"),
        back("paypal").query("attempt", ""),
        TestCall::get("/v1/payments/paypal/return").parameter("gateway", "paypal"),
    ] {
        let answer = call(&cloud, wrong.clone()).await;
        assert_eq!((answer.status, answer.problem()), (404, "not-found"), "{wrong:?}");
    }
    assert_eq!((cloud.queued(), cloud.calls()), (Vec::new(), 0));
}

#[tokio::test]
async fn a_question_that_cannot_be_asked_is_not_lost() {
    let cloud = TestCloud::default();
    for _ in 0..4 {
        cloud.fail(500);
    }
    let answer = call(&cloud, back("chapa")).await;
    assert_eq!((answer.status, answer.problem()), (503, "try-again"));
    assert_eq!(cloud.queued(), []);
}
