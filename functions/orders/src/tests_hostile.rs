//! Requests that nobody should send.

use sutler_domain::account::Role;
use sutler_testkit::{TestApp, bombard_all};

use crate::{
    approve_return, cancel_order, get_order, list_order_events, list_orders, place_order, receive_return,
    refund_order, reject_return, request_return,
};

#[tokio::test]
async fn no_request_upsets_a_handler() {
    let test = TestApp::new().await;
    let (seller, staff) = (test.seller("ada").await, test.staff("root", Role::Admin).await);
    for user in [&seller, &staff] {
        bombard_all!(&test.app, &user.token; cancel_order, get_order, list_order_events, list_orders, place_order);
        bombard_all!(&test.app, &user.token; refund_order, request_return, approve_return, reject_return, receive_return);
    }
}
