//! Requests that nobody should send.

use sutler_domain::account::Role;
use sutler_testkit::{TestApp, bombard_all};

use crate::{cancel_order, get_order, list_order_events, list_orders, place_order};

#[tokio::test]
async fn no_request_upsets_a_handler() {
    let test = TestApp::new().await;
    let (seller, staff) = (test.seller("ada").await, test.staff("root", Role::Admin).await);
    for user in [&seller, &staff] {
        bombard_all!(&test.app, &user.token; cancel_order, get_order, list_order_events, list_orders, place_order);
    }
}
