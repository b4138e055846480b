//! Requests that nobody should send.

use sutler_testkit::{TestApp, bombard_all};

use crate::{adjust_stock, get_stock, list_inventory, list_movements, set_flash_sale};

#[tokio::test]
async fn no_request_upsets_a_handler() {
    let test = TestApp::new().await;
    let user = test.seller("ada").await;
    bombard_all!(
        &test.app, &user.token; adjust_stock, get_stock, list_inventory, list_movements, set_flash_sale
    );
}
