//! What Shippo sends, and everything near it.

use std::sync::Arc;

use serde_json::{Value, json};
use sutler_domain::time::Clock;
use sutler_http::Request;
use sutler_providers::shippo::signature;
use sutler_runtime::queue::Sender;
use sutler_services::tracking::{Heard, Told};
use sutler_testkit::{FakeClock, TestAnswer, TestCall, TestCloud};

use crate::shippo_webhook::{self, ShippoWebhook};

const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/000000000000/tracking-events";
const SECRET: &str = "shh_now";
const TOKEN: &str = "t0ken";

struct Shippo {
    cloud: TestCloud,
    clock: FakeClock,
    webhook: ShippoWebhook,
}

fn message(status: &str) -> String {
    let data = json!({
        "carrier": "usps", "tracking_number": "92055", "address_to": {"city": "Springfield", "zip": "62701"},
        "tracking_status": {"status": status, "status_details": "Left with Ada.", "status_date": null},
    });
    json!({"event": "track_updated", "test": true, "data": data}).to_string()
}

fn call(body: &str) -> TestCall {
    TestCall::new("POST", "/v1/webhooks/shippo").text(body)
}

impl Shippo {
    fn new(secrets: &[(&str, &str)]) -> Self {
        let (cloud, clock) = (TestCloud::default(), FakeClock::default());
        for (id, secret) in secrets {
            cloud.set_secret(id, secret);
        }
        let webhook = ShippoWebhook {
            clock: Arc::new(clock.clone()),
            secrets: cloud.secrets(60),
            signing_id: "shippo-webhook".to_owned(),
            token_id: "shippo-token".to_owned(),
            queue: Sender::new(cloud.queue(), QUEUE),
        };
        Self { cloud, clock, webhook }
    }

    fn signed(&self, secret: &str, body: &str) -> TestCall {
        call(body).header("shippo-auth-signature", &signature(secret, self.clock.now().seconds(), body))
    }

    async fn receive(&self, request: Request) -> TestAnswer {
        TestAnswer::read(shippo_webhook::handle(&self.webhook, request).await)
    }

    async fn takes_for_a_forgery(&self, request: Request) {
        let before = self.cloud.queued();
        let answer = self.receive(request).await;
        assert_eq!((answer.status, answer.problem()), (400, "bad-signature"), "{}", answer.text);
        assert_eq!(self.cloud.queued(), before, "queued by a refused call");
    }

    fn heard(&self) -> Vec<Heard> {
        let queued = self.cloud.queued();
        assert!(queued.iter().all(|message| message.queue_url == QUEUE));
        queued.iter().map(|message| serde_json::from_str(&message.body).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_signed_message_is_queued_with_what_it_tells_and_nothing_of_people() {
    let shippo = Shippo::new(&[("shippo-webhook", SECRET)]);
    let body = message("DELIVERED");
    for _ in 0..2 {
        let answer = shippo.receive(shippo.signed(SECRET, &body).request()).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "{}"));
    }
    let heard = shippo.heard();
    assert_eq!((heard.len(), &heard[0]), (2, &heard[1]), "each delivery of a message is called the same");
    assert_eq!((heard[0].parcel.carrier.as_str(), heard[0].parcel.number.as_str()), ("usps", "92055"));
    let told = Told { news: Some(sutler_domain::shipment::CarrierNews::Delivered), at: None };
    assert_eq!(heard[0].told, Some(told));
    assert!(!shippo.cloud.queued()[0].body.contains("Ada"));
    let other = message("TRANSIT");
    shippo.receive(shippo.signed(SECRET, &other).request()).await;
    assert_ne!(shippo.heard()[2].message, heard[0].message);
}

#[tokio::test]
async fn a_forged_or_stale_message_of_shippo_leaves_no_trace() {
    let shippo = Shippo::new(&[("shippo-webhook", SECRET), ("shippo-token", TOKEN)]);
    let body = message("DELIVERED");
    let now = shippo.clock.now().seconds();
    let genuine = signature(SECRET, now, &body);
    for header in [
        String::new(),
        "x".to_owned(),
        signature("shh_other", now, &body),
        signature("", now, &body),
        signature(SECRET, now - 301, &body),
        signature(SECRET, now + 301, &body),
        genuine.replace("t=", "t=1"),
        genuine[..genuine.len() - 2].to_owned(),
    ] {
        shippo.takes_for_a_forgery(call(&body).header("shippo-auth-signature", &header).request()).await;
    }
    // Where Shippo signs, the token alone proves nothing.
    shippo.takes_for_a_forgery(call(&body).query("token", TOKEN).request()).await;
    shippo.takes_for_a_forgery(call(&body).request()).await;
    for at in (0..body.len()).step_by(7) {
        let mut changed = body.clone().into_bytes();
        changed[at] ^= 1;
        let changed = String::from_utf8(changed).unwrap();
        shippo.takes_for_a_forgery(call(&changed).header("shippo-auth-signature", &genuine).request()).await;
    }
    let accepted = shippo.receive(call(&body).header("shippo-auth-signature", &genuine).request()).await;
    assert_eq!(accepted.status, 200);
    // While a secret is changed, old and new are good.
    let both = Shippo::new(&[("shippo-webhook", "shh_old,shh_now")]);
    assert_eq!(both.receive(both.signed(SECRET, &body).request()).await.status, 200);
}

#[tokio::test]
async fn a_message_with_the_token_alone_is_good_for_a_question() {
    let shippo = Shippo::new(&[("shippo-token", "old,t0ken")]);
    let body = message("DELIVERED");
    assert_eq!(shippo.receive(call(&body).query("token", TOKEN).request()).await.status, 200);
    let heard = shippo.heard();
    assert_eq!((heard.len(), heard[0].told), (1, None), "nothing of it is believed");
    for token in ["", "t0ke", "t0kenn", "T0KEN", "old,t0ken"] {
        shippo.takes_for_a_forgery(call(&body).query("token", token).request()).await;
    }
    shippo.takes_for_a_forgery(call(&body).request()).await;
}

#[tokio::test]
async fn shippo_is_not_heard_where_it_is_not_configured() {
    let shippo = Shippo::new(&[]);
    let body = message("DELIVERED");
    for request in [call(&body), call(&body).query("token", ""), shippo.signed("", &body)] {
        let answer = shippo.receive(request.request()).await;
        assert_eq!((answer.status, answer.problem()), (404, "not-found"));
    }
    assert_eq!(shippo.cloud.queued(), []);
}

#[tokio::test]
async fn what_is_not_about_a_parcel_is_answered_and_dropped() {
    let shippo = Shippo::new(&[("shippo-webhook", SECRET)]);
    for body in [
        json!({"event": "transaction_created", "data": {"object_id": "1"}}).to_string(),
        json!({"event": "track_updated", "data": {"carrier": "usps", "tracking_number": Value::Null}})
            .to_string(),
        "not JSON".to_owned(),
        String::new(),
    ] {
        let answer = shippo.receive(shippo.signed(SECRET, &body).request()).await;
        assert_eq!(answer.status, 200, "{body}");
    }
    assert_eq!(shippo.cloud.queued(), []);
}

#[tokio::test]
async fn a_queue_that_does_not_answer_makes_shippo_send_it_again() {
    let shippo = Shippo::new(&[("shippo-webhook", SECRET)]);
    let body = message("DELIVERED");
    // The secret first, then the queue.
    shippo.cloud.pass();
    shippo.cloud.fail(500);
    let answer = shippo.receive(shippo.signed(SECRET, &body).request()).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(shippo.receive(shippo.signed(SECRET, &body).request()).await.status, 200);
    assert_eq!(shippo.heard().len(), 1);
}
