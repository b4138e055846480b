use std::sync::Arc;

use aws_lc_rs::hmac;
use serde_json::json;
use sutler_domain::time::{Clock, Timestamp};
use sutler_http::{Body, Request};
use sutler_runtime::queue::Sender;
use sutler_testkit::{FakeClock, Queued, TestAnswer, TestCall, TestCloud};

use crate::{stripe_webhook, webhook::Webhook};

const SECRET: &str = "whsec_test";
const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/000000000000/payment-events";

/// The endpoint on real adapters over an AWS inside the process.
struct Endpoint {
    clock: FakeClock,
    cloud: TestCloud,
    webhook: Webhook,
}

/// What Stripe sends when a payment succeeds.
fn event() -> String {
    let metadata = json!({"order_id": "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH", "attempt": "1"});
    let intent = json!({"id": "pi_1", "object": "payment_intent", "amount": 1_999, "amount_received": 1_999,
        "currency": "usd", "status": "succeeded", "metadata": metadata});
    let kind = "payment_intent.succeeded";
    json!({"id": "evt_1", "type": kind, "created": 1_798_761_600, "data": {"object": intent}}).to_string()
}

fn signature(secret: &str, at: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, &[at.to_string().as_bytes(), b".", body].concat());
    format!("t={at},v1={}", hex::encode(tag))
}

fn message(body: &str, signature: &str) -> Request {
    TestCall::new("POST", "/v1/webhooks/stripe").text(body).header("stripe-signature", signature).request()
}

impl Endpoint {
    fn new(secret: &str) -> Self {
        let (clock, cloud) = (FakeClock::default(), TestCloud::default());
        cloud.set_secret("stripe-webhook", secret);
        let webhook = Webhook {
            clock: Arc::new(clock.clone()),
            secrets: cloud.secrets(60),
            secret_id: "stripe-webhook".to_owned(),
            queue: Sender::new(cloud.queue(), QUEUE),
        };
        Self { clock, cloud, webhook }
    }

    fn now(&self) -> i64 {
        self.clock.now().seconds()
    }

    async fn receive(&self, request: Request) -> TestAnswer {
        TestAnswer::read(stripe_webhook::handle(&self.webhook, request).await)
    }

    /// A message signed with `secret`, now.
    async fn send(&self, secret: &str, body: &str) -> TestAnswer {
        self.receive(message(body, &signature(secret, self.now(), body.as_bytes()))).await
    }

    /// Receives what must be refused, and makes sure that it left no trace.
    async fn refuses(&self, request: Request) -> TestAnswer {
        let before = self.cloud.queued();
        let answer = self.receive(request).await;
        assert_eq!(self.cloud.queued(), before, "queued by a refused call");
        answer
    }

    async fn takes_for_a_forgery(&self, request: Request) {
        let answer = self.refuses(request).await;
        let kind = "urn:sutler:problem:bad-signature";
        let public = json!({"type": kind, "title": "The signature is not valid", "status": 400});
        assert_eq!((answer.status, answer.body), (400, public));
    }
}

fn queued(body: &str) -> Queued {
    Queued { queue_url: QUEUE.to_owned(), body: body.to_owned() }
}

#[tokio::test]
async fn a_genuine_message_is_queued_as_it_came_each_time_it_comes() {
    let endpoint = Endpoint::new(SECRET);
    for times in 1..=2 {
        let answer = endpoint.send(SECRET, &event()).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
        assert_eq!(endpoint.cloud.queued(), vec![queued(&event()); times]);
    }
}

#[tokio::test]
async fn a_forged_message_leaves_no_trace() {
    let endpoint = Endpoint::new(SECRET);
    let (body, now) = (event(), endpoint.now());
    let genuine = signature(SECRET, now, body.as_bytes());
    let other = signature("whsec_other", now, body.as_bytes());
    for header in [
        String::new(),
        "x".to_owned(),
        other.clone(),
        genuine.replace("v1=", "v0="),
        genuine.replace(&format!("t={now}"), &format!("t={}", now - 1)),
        genuine[..genuine.len() - 2].to_owned(),
        signature("", now, body.as_bytes()),
    ] {
        endpoint.takes_for_a_forgery(message(&body, &header)).await;
    }
    let unsigned = TestCall::new("POST", "/v1/webhooks/stripe").text(&body).request();
    endpoint.takes_for_a_forgery(unsigned).await;
    // Of several signatures one has to be right.
    let both = format!("{other},v1={}", genuine.rsplit('=').next().unwrap());
    assert_eq!(endpoint.receive(message(&body, &both)).await.status, 204);
}

#[tokio::test]
async fn a_body_that_was_changed_by_one_byte_is_refused() {
    let endpoint = Endpoint::new(SECRET);
    let body = event();
    let header = signature(SECRET, endpoint.now(), body.as_bytes());
    for at in 0..body.len() {
        let mut changed = body.clone().into_bytes();
        changed[at] ^= 1;
        endpoint.takes_for_a_forgery(message(&String::from_utf8(changed).unwrap(), &header)).await;
    }
    for changed in
        [format!("{body} "), body[1..].to_owned(), body[..body.len() - 1].to_owned(), String::new()]
    {
        endpoint.takes_for_a_forgery(message(&changed, &header)).await;
    }
    assert_eq!(endpoint.receive(message(&body, &header)).await.status, 204);
}

#[tokio::test]
async fn a_signature_holds_for_five_minutes_around_its_time() {
    let endpoint = Endpoint::new(SECRET);
    let (body, now) = (event(), endpoint.now());
    for (at, genuine) in [(now - 301, false), (now - 300, true), (now + 300, true), (now + 301, false)] {
        let message = message(&body, &signature(SECRET, at, body.as_bytes()));
        if genuine {
            assert_eq!(endpoint.receive(message).await.status, 204, "{}", at - now);
        } else {
            endpoint.takes_for_a_forgery(message).await;
        }
    }
    for at in [0, -1, i64::MAX] {
        endpoint.takes_for_a_forgery(message(&body, &signature(SECRET, at, body.as_bytes()))).await;
    }
    // A message that was good once is a replay later.
    let caught = signature(SECRET, now, body.as_bytes());
    assert_eq!(endpoint.receive(message(&body, &caught)).await.status, 204);
    endpoint.clock.set(Timestamp::from_millis((now + 301) * 1_000));
    endpoint.takes_for_a_forgery(message(&body, &caught)).await;
}

#[tokio::test]
async fn what_is_signed_is_queued_unread() {
    let endpoint = Endpoint::new(SECRET);
    let unknown = [
        event().replace("payment_intent.succeeded", "customer.created"),
        event().replace("ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH", "somebody-elses"),
        "not JSON \u{1f600}".to_owned(),
        "{\"id\": ".to_owned(),
    ];
    for body in &unknown {
        assert_eq!(endpoint.send(SECRET, body).await.status, 204, "{body}");
    }
    assert_eq!(endpoint.cloud.queued(), unknown.map(|body| queued(&body)));
}

#[tokio::test]
async fn a_message_counts_by_its_bytes_however_the_api_hands_it_over() {
    let endpoint = Endpoint::new(SECRET);
    let mut binary = message("", &signature(SECRET, endpoint.now(), event().as_bytes()));
    *binary.body_mut() = Body::Binary(event().into_bytes());
    assert_eq!(endpoint.receive(binary).await.status, 204);
    assert_eq!(endpoint.cloud.queued(), [queued(&event())]);
    // A queue takes text only, and Stripe sends nothing else.
    let bytes = [0xff, 0xfe];
    let mut no_text = message("", &signature(SECRET, endpoint.now(), &bytes));
    *no_text.body_mut() = Body::Binary(bytes.to_vec());
    endpoint.takes_for_a_forgery(no_text).await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_before_anything_is_asked() {
    let endpoint = Endpoint::new(SECRET);
    let largest = "x".repeat(240 * 1_024);
    let body = format!("{largest}x");
    let header = signature(SECRET, endpoint.now(), body.as_bytes());
    let answer = endpoint.refuses(message(&body, &header)).await;
    assert_eq!((answer.status, answer.problem(), endpoint.cloud.calls()), (413, "too-large", 0));
    assert_eq!(endpoint.send(SECRET, &largest).await.status, 204);
}

#[tokio::test]
async fn while_a_secret_is_changed_old_and_new_are_good() {
    let endpoint = Endpoint::new("whsec_old,whsec_new");
    for secret in ["whsec_old", "whsec_new"] {
        assert_eq!(endpoint.send(secret, &event()).await.status, 204);
    }
    for secret in ["", "whsec_old,whsec_new", "whsec_older"] {
        let header = signature(secret, endpoint.now(), event().as_bytes());
        endpoint.takes_for_a_forgery(message(&event(), &header)).await;
    }
    // The old one ends a minute after it is taken away at the latest.
    endpoint.cloud.set_secret("stripe-webhook", "whsec_new,");
    endpoint.clock.set(Timestamp::from_millis((endpoint.now() + 60) * 1_000));
    for secret in ["whsec_old", ""] {
        let header = signature(secret, endpoint.now(), event().as_bytes());
        endpoint.takes_for_a_forgery(message(&event(), &header)).await;
    }
    assert_eq!(endpoint.send("whsec_new", &event()).await.status, 204);
}

#[tokio::test]
async fn an_outage_asks_stripe_to_repeat_and_a_message_is_never_taken_unverified() {
    let endpoint = Endpoint::new(SECRET);
    let genuine = || message(&event(), &signature(SECRET, endpoint.now(), event().as_bytes()));
    // First the secret cannot be read, then the queue does not answer.
    for calls in [1, 4] {
        endpoint.cloud.fail(500);
        let answer = endpoint.refuses(genuine()).await;
        assert_eq!((answer.status, answer.problem(), endpoint.cloud.calls()), (503, "try-again", calls));
        assert_eq!(answer.headers["retry-after"], "1");
        if calls == 1 {
            assert_eq!(endpoint.receive(genuine()).await.status, 204);
        }
    }
    let empty = Endpoint::new("");
    for secret in ["", SECRET] {
        let header = signature(secret, empty.now(), event().as_bytes());
        let answer = empty.refuses(message(&event(), &header)).await;
        assert_eq!((answer.status, answer.problem()), (500, "internal"));
    }
}
