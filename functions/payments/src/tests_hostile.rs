//! Requests that nobody should send.

use std::sync::Arc;

use sutler_gateways::paypal_webhook::Verifier;
use sutler_runtime::queue::Sender;
use sutler_services::gateways::Gateways;
use sutler_testkit::{FakeClock, FakeGateway, TestApp, TestCloud, bombard_all};

use crate::{
    chapa_webhook,
    paypal_webhook::{self, PayPalWebhook},
    return_from_provider::{self, Returns},
    start_payment::{self, Payments},
    stripe_webhook,
    webhook::Webhook,
};

const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/000000000000/payment-events";

#[tokio::test]
async fn no_request_upsets_a_handler() {
    let (test, cloud) = (TestApp::new().await, TestCloud::default());
    let user = test.seller("ada").await;
    let payments =
        Payments { app: test.app.clone(), gateways: Gateways::default().with(FakeGateway::default()) };
    bombard_all!(&payments, &user.token; start_payment);
    let webhook = |secret: &str| {
        cloud.set_secret(secret, "s3cret");
        Webhook {
            clock: Arc::new(FakeClock::default()),
            secrets: cloud.secrets(60),
            secret_id: secret.to_owned(),
            queue: Sender::new(cloud.queue(), QUEUE),
        }
    };
    bombard_all!(&webhook("stripe-webhook"), &user.token; stripe_webhook);
    bombard_all!(&webhook("chapa-webhook"), &user.token; chapa_webhook);
    let base_url = "http://127.0.0.1:9/paypal";
    let paypal = PayPalWebhook {
        webhook: webhook("paypal-credentials"),
        verifier: Verifier::try_new(base_url, None).unwrap(),
        base_url: base_url.to_owned(),
        webhook_id: "WH-1".to_owned(),
    };
    bombard_all!(&paypal, &user.token; paypal_webhook);
    assert_eq!(cloud.queued(), [], "nothing unsigned is queued");
    let returns = Returns {
        queue: Sender::new(cloud.queue(), QUEUE),
        frontend_url: "https://shop.example.com".to_owned(),
    };
    bombard_all!(&returns, &user.token; return_from_provider);
}
