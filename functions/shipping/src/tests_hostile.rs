//! Requests that nobody should send.

use sutler_testkit::{TestApp, bombard_all};

use crate::{confirm_delivery, ship_part};

#[tokio::test]
async fn no_request_upsets_a_handler() {
    let test = TestApp::new().await;
    let user = test.seller("ada").await;
    bombard_all!(&test.app, &user.token; confirm_delivery, ship_part);
}
