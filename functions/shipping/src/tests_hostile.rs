//! Requests that nobody should send.

use std::sync::Arc;

use sutler_gateways::{
    secret::Secret,
    shippo::{Patience, Shippo},
};
use sutler_providers::Providers;
use sutler_runtime::queue::Sender;
use sutler_services::labels::Forwarder;
use sutler_testkit::{FakeClock, TestApp, TestCloud, bombard_all};

use crate::{
    buy_label, confirm_delivery, get_tracking, list_rates, ship_part,
    shippo_webhook::{self, ShippoWebhook},
    void_label,
};

#[tokio::test]
async fn no_request_upsets_a_handler() {
    let (mut test, providers) = (TestApp::new().await, Providers::start().await.unwrap());
    let user = test.seller("ada").await;
    let key = Secret::new("shippo_test_1");
    let shippo = Shippo::new(&key, Some(&providers.shippo_url()), Patience::default());
    test.app.forwarder = Forwarder::new(Some(Arc::new(shippo)));
    bombard_all!(&test.app, &user.token; confirm_delivery, ship_part, list_rates, buy_label, void_label, get_tracking);
    let cloud = TestCloud::default();
    cloud.set_secret("shippo-webhook", "s3cret");
    let webhook = ShippoWebhook {
        clock: Arc::new(FakeClock::default()),
        secrets: cloud.secrets(60),
        signing_id: "shippo-webhook".to_owned(),
        token_id: "shippo-token".to_owned(),
        queue: Sender::new(
            cloud.queue(),
            "https://sqs.eu-central-1.amazonaws.com/000000000000/tracking-events",
        ),
    };
    bombard_all!(&webhook, &user.token; shippo_webhook);
    assert_eq!(cloud.queued(), [], "nothing unsigned is queued");
}
