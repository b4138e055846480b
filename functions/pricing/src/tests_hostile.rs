//! Requests that nobody should send.

use sutler_domain::account::Role;
use sutler_testkit::{TestApp, bombard_all};

use crate::{
    create_coupon, get_settings, get_shipping_profile, list_coupons, put_settings, put_shipping_profile,
    update_coupon,
};

#[tokio::test]
async fn no_request_upsets_a_handler() {
    let test = TestApp::new().await;
    let (seller, staff) = (test.seller("ada").await, test.staff("root", Role::Admin).await);
    for user in [&seller, &staff] {
        bombard_all!(
            &test.app, &user.token;
            create_coupon, get_settings, get_shipping_profile, list_coupons, put_settings, put_shipping_profile,
            update_coupon
        );
    }
}
