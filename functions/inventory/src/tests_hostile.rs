//! Requests that nobody should send.

use std::sync::Arc;

use sutler_testkit::{TestApp, TestCloud, bombard_all};

use crate::{
    adjust_stock, create_alert, create_stock_import, delete_alert, export_inventory, get_stock,
    get_stock_import, list_alerts, list_inventory, list_movements, set_flash_sale, table_views::Tables,
};

#[tokio::test]
async fn no_request_upsets_a_handler() {
    let test = TestApp::new().await;
    let user = test.seller("ada").await;
    bombard_all!(
        &test.app, &user.token;
        adjust_stock, create_alert, delete_alert, get_stock, get_stock_import, list_alerts, list_inventory,
        list_movements, set_flash_sale
    );
    let tables = Tables { app: test.app.clone(), files: Arc::new(TestCloud::default().files()) };
    bombard_all!(&tables, &user.token; create_stock_import, export_inventory);
}
