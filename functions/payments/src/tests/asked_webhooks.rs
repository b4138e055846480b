//! What Chapa and PayPal send, and everything near it.

use std::sync::Arc;

use serde_json::{Value, json};
use sutler_domain::time::{Clock, Timestamp};
use sutler_gateways::paypal_webhook::Verifier;
use sutler_http::Request;
use sutler_providers::{
    Answer, Fault, Providers, chapa,
    paypal::{self, Operation, ROOT},
};
use sutler_runtime::queue::Sender;
use sutler_testkit::{FakeClock, TestAnswer, TestCall, TestCloud};

use crate::{
    chapa_webhook,
    paypal_webhook::{self, PayPalWebhook},
    webhook::Webhook,
};

const ORDER: &str = "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH";
const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/000000000000/payment-events";
const SECRET: &str = "hash_test";
const WEBHOOK_ID: &str = "WH-TEST";

fn webhook(cloud: &TestCloud, clock: &FakeClock, secret: &str) -> Webhook {
    Webhook {
        clock: Arc::new(clock.clone()),
        secrets: cloud.secrets(60),
        secret_id: secret.to_owned(),
        queue: Sender::new(cloud.queue(), QUEUE),
    }
}

/// The questions that were queued.
fn asked(cloud: &TestCloud) -> Vec<Value> {
    let queued = cloud.queued();
    assert!(queued.iter().all(|message| message.queue_url == QUEUE));
    queued.iter().map(|message| serde_json::from_str(&message.body).unwrap()).collect()
}

struct Chapa {
    cloud: TestCloud,
    webhook: Webhook,
}

fn charge(tx_ref: &str) -> String {
    let event = json!({"event": "charge.success", "first_name": "Abebe", "email": "abebe@example.com",
        "amount": "19.99", "currency": "ETB", "status": "success", "tx_ref": tx_ref, "reference": "AP1"});
    event.to_string()
}

fn chapa_message(body: &str, signature: &str) -> Request {
    TestCall::new("POST", "/v1/webhooks/chapa").text(body).header("x-chapa-signature", signature).request()
}

impl Chapa {
    fn new(secret: Option<&str>) -> Self {
        let (cloud, clock) = (TestCloud::default(), FakeClock::default());
        if let Some(secret) = secret {
            cloud.set_secret("chapa-webhook", secret);
        }
        let webhook = webhook(&cloud, &clock, "chapa-webhook");
        Self { cloud, webhook }
    }

    async fn receive(&self, request: Request) -> TestAnswer {
        TestAnswer::read(chapa_webhook::handle(&self.webhook, request).await)
    }

    async fn takes_for_a_forgery(&self, request: Request) {
        let before = self.cloud.queued();
        let answer = self.receive(request).await;
        assert_eq!((answer.status, answer.problem()), (400, "bad-signature"), "{}", answer.text);
        assert_eq!(self.cloud.queued(), before, "queued by a refused call");
    }
}

#[tokio::test]
async fn a_message_of_chapas_becomes_a_question_with_nothing_of_the_buyer() {
    let chapa = Chapa::new(Some(SECRET));
    let body = charge(&format!("{ORDER}-2"));
    for _ in 0..2 {
        let answer = chapa.receive(chapa_message(&body, &chapa::signature(SECRET, &body))).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "{}"));
    }
    let message = format!("charge.success/{ORDER}-2/AP1");
    let question = json!({"gateway": "chapa", "order": ORDER, "attempt": 2, "message": message});
    assert_eq!(asked(&chapa.cloud), [question.clone(), question]);
}

#[tokio::test]
async fn a_forged_message_of_chapa_leaves_no_trace() {
    let chapa = Chapa::new(Some(SECRET));
    let body = charge(&format!("{ORDER}-1"));
    let genuine = chapa::signature(SECRET, &body);
    for signature in
        ["", "x", &genuine[2..], &chapa::signature("hash_other", &body), &chapa::signature("", &body)]
    {
        chapa.takes_for_a_forgery(chapa_message(&body, signature)).await;
    }
    for at in 0..body.len() {
        let mut changed = body.clone().into_bytes();
        changed[at] ^= 1;
        chapa.takes_for_a_forgery(chapa_message(&String::from_utf8(changed).unwrap(), &genuine)).await;
    }
    // The other header is the secret signed with itself: the same for every message.
    let constant = chapa::signature(SECRET, SECRET);
    let call = TestCall::new("POST", "/v1/webhooks/chapa").text(&body).header("chapa-signature", &constant);
    chapa.takes_for_a_forgery(call.request()).await;
    chapa.takes_for_a_forgery(chapa_message(&body, &constant)).await;
    // While a secret is changed, old and new are good.
    let both = Chapa::new(Some("hash_old,hash_test"));
    assert_eq!(both.receive(chapa_message(&body, &genuine)).await.status, 200);
}

#[tokio::test]
async fn what_is_not_about_a_payment_of_ours_is_answered_and_dropped() {
    let chapa = Chapa::new(Some(SECRET));
    for body in [
        charge("somebody-elses"),
        charge(&format!("{ORDER}-x")),
        charge("ord_1-1"),
        charge(&format!("{ORDER}-1")).replace("charge.success", "payout.success"),
        charge(&format!("{ORDER}-1")).replace("charge.success", "charge.refunded"),
        "not JSON".to_owned(),
        String::new(),
    ] {
        let answer = chapa.receive(chapa_message(&body, &chapa::signature(SECRET, &body))).await;
        assert_eq!(answer.status, 200, "{body}");
    }
    assert_eq!(asked(&chapa.cloud), Vec::<Value>::new());
}

#[tokio::test]
async fn a_gateway_that_is_not_configured_hears_nothing() {
    let chapa = Chapa::new(None);
    let body = charge(&format!("{ORDER}-1"));
    for secret in ["", SECRET] {
        let answer = chapa.receive(chapa_message(&body, &chapa::signature(secret, &body))).await;
        assert_eq!((answer.status, answer.problem()), (404, "not-found"));
    }
    let mut paypal = PayPal::new().await;
    paypal.endpoint.webhook_id = String::new();
    let made = paypal::transmission("t-1", "", paypal.now(), approved().as_bytes());
    let answer = paypal.receive(&approved(), &made).await;
    assert_eq!((answer.status, answer.problem()), (404, "not-found"));
    assert_eq!(asked(&paypal.cloud), Vec::<Value>::new());
}

/// The endpoint, with the stand-in that its certificates and answers come from.
struct PayPal {
    providers: Providers,
    cloud: TestCloud,
    clock: FakeClock,
    endpoint: PayPalWebhook,
    certificate: String,
}

fn approved() -> String {
    let unit =
        json!({"custom_id": format!("{ORDER}/1"), "amount": {"value": "19.99", "currency_code": "USD"}});
    let resource = json!({"id": "5O1", "status": "APPROVED", "purchase_units": [unit],
        "payer": {"email_address": "bob@example.com"}});
    json!({"id": "WH-7", "event_type": "CHECKOUT.ORDER.APPROVED", "resource": resource}).to_string()
}

impl PayPal {
    async fn new() -> Self {
        let providers = Providers::start().await.unwrap();
        let (cloud, clock) = (TestCloud::default(), FakeClock::default());
        cloud.set_secret("paypal-credentials", "client_test_1:secret");
        let base_url = providers.paypal_url();
        let endpoint = PayPalWebhook {
            webhook: webhook(&cloud, &clock, "paypal-credentials"),
            verifier: Verifier::try_new(&base_url, Some(ROOT)).unwrap(),
            base_url,
            webhook_id: WEBHOOK_ID.to_owned(),
        };
        let certificate = format!("{}/v1/notifications/certs/CERT-stand-in", providers.paypal_url());
        Self { providers, cloud, clock, endpoint, certificate }
    }

    fn now(&self) -> i64 {
        self.clock.now().seconds()
    }

    fn sign(&self, body: &str) -> paypal::Transmission {
        paypal::transmission("t-1", WEBHOOK_ID, self.now(), body.as_bytes())
    }

    async fn receive(&self, body: &str, made: &paypal::Transmission) -> TestAnswer {
        let call = TestCall::new("POST", "/v1/webhooks/paypal")
            .text(body)
            .header("paypal-transmission-id", &made.id)
            .header("paypal-transmission-time", &made.time)
            .header("paypal-transmission-sig", &made.signature)
            .header("paypal-cert-url", &self.certificate)
            .header("paypal-auth-algo", "SHA256withRSA");
        TestAnswer::read(paypal_webhook::handle(&self.endpoint, call.request()).await)
    }

    async fn takes_for_a_forgery(&self, body: &str, made: &paypal::Transmission) {
        let before = self.cloud.queued();
        let answer = self.receive(body, made).await;
        assert_eq!((answer.status, answer.problem()), (400, "bad-signature"), "{}", answer.text);
        assert_eq!(self.cloud.queued(), before, "queued by a refused call");
    }

    fn calls(&self, operation: Operation) -> u64 {
        self.providers.paypal().calls().get(&operation).copied().unwrap_or_default()
    }
}

#[tokio::test]
async fn a_message_of_paypals_becomes_a_question_with_nothing_of_the_buyer() {
    let paypal = PayPal::new().await;
    let body = approved();
    for _ in 0..2 {
        let answer = paypal.receive(&body, &paypal.sign(&body)).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    }
    let question = json!({"gateway": "paypal", "order": ORDER, "attempt": 1, "message": "WH-7"});
    assert_eq!(asked(&paypal.cloud), [question.clone(), question]);
    assert_eq!((paypal.calls(Operation::Certificate), paypal.calls(Operation::VerifySignature)), (1, 0));
}

#[tokio::test]
async fn a_forged_stale_or_changed_message_of_paypal_leaves_no_trace() {
    let paypal = PayPal::new().await;
    let body = approved();
    let good = paypal.sign(&body);
    for at in 0..body.len() {
        let mut changed = body.clone().into_bytes();
        changed[at] ^= 1;
        paypal.takes_for_a_forgery(&String::from_utf8(changed).unwrap(), &good).await;
    }
    let of_another = paypal::transmission("t-1", "WH-OTHER", paypal.now(), body.as_bytes());
    let nothing = paypal::Transmission { id: String::new(), time: String::new(), signature: String::new() };
    for made in [of_another, nothing] {
        paypal.takes_for_a_forgery(&body, &made).await;
    }
    for at in [-301, 301] {
        let stale = paypal::transmission("t-1", WEBHOOK_ID, paypal.now() + at, body.as_bytes());
        paypal.takes_for_a_forgery(&body, &stale).await;
    }
    // A message that was good once is a replay later.
    assert_eq!(paypal.receive(&body, &good).await.status, 204);
    paypal.clock.set(Timestamp::from_millis((paypal.now() + 301) * 1_000));
    paypal.takes_for_a_forgery(&body, &good).await;
    assert_eq!(paypal.calls(Operation::VerifySignature), 0, "none of this needs PayPal to tell");
}

#[tokio::test]
async fn paypal_itself_is_asked_when_its_certificate_cannot_be_judged() {
    let mut paypal = PayPal::new().await;
    // Only the roots of browsers are trusted, and the stand-in's is none of them.
    paypal.endpoint.verifier = Verifier::try_new(&paypal.endpoint.base_url, None).unwrap();
    let body = approved();
    assert_eq!(paypal.receive(&body, &paypal.sign(&body)).await.status, 204);
    assert_eq!(paypal.calls(Operation::VerifySignature), 1);
    let forged = paypal::transmission("t-1", "WH-OTHER", paypal.now(), body.as_bytes());
    paypal.takes_for_a_forgery(&body, &forged).await;
    paypal.takes_for_a_forgery("not JSON", &paypal.sign("not JSON")).await;
    // No word of PayPal's is no permission.
    let outage = Fault::new(Answer::Status(500)).on(Operation::VerifySignature).times(9);
    paypal.providers.paypal().inject(outage);
    let before = paypal.cloud.queued();
    let answer = paypal.receive(&body, &paypal.sign(&body)).await;
    assert_eq!((answer.status, answer.problem()), (503, "try-again"));
    assert_eq!(paypal.cloud.queued(), before);
}
