//! Requests that nobody should send.

use std::sync::Arc;

use sutler_testkit::{FakeClock, FakeGateway, TestApp, TestCloud, bombard_all};

use crate::{
    start_payment::{self, Payments},
    stripe_webhook::{self, Webhook},
};

#[tokio::test]
async fn no_request_upsets_a_handler() {
    let (test, cloud) = (TestApp::new().await, TestCloud::default());
    let user = test.seller("ada").await;
    let payments = Payments { app: test.app.clone(), gateway: Arc::new(FakeGateway::default()) };
    bombard_all!(&payments, &user.token; start_payment);
    cloud.set_secret("stripe-webhook", "whsec_test");
    let webhook = Webhook {
        clock: Arc::new(FakeClock::default()),
        secrets: cloud.secrets(60),
        secret_id: "stripe-webhook".to_owned(),
        queue: cloud.queue(),
        queue_url: "https://sqs.eu-central-1.amazonaws.com/000000000000/payment-events".to_owned(),
    };
    bombard_all!(&webhook, &user.token; stripe_webhook);
    assert_eq!(cloud.queued(), [], "nothing unsigned is queued");
}
