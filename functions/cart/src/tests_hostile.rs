//! Requests that nobody should send.

use sutler_testkit::{TestApp, bombard_all};

use crate::{
    create_cart, delete_cart, delete_cart_coupon, delete_cart_line, get_cart, merge_cart, put_cart_coupon,
    put_cart_line, quote_cart,
};

#[tokio::test]
async fn no_request_upsets_a_handler() {
    let test = TestApp::new().await;
    let user = test.seller("ada").await;
    bombard_all!(
        &test.app, &user.token;
        create_cart, delete_cart, delete_cart_coupon, delete_cart_line, get_cart, merge_cart, put_cart_coupon,
        put_cart_line, quote_cart
    );
}
