//! Requests that nobody should send.

use sutler_domain::account::Role;
use sutler_testkit::{TestApp, bombard_all};

use crate::{
    archive_product, create_category, create_product, create_variant, delete_category, delete_variant,
    get_product, list_categories, list_products, update_category, update_product, update_variant,
};

#[tokio::test]
async fn no_request_upsets_a_handler() {
    let test = TestApp::new().await;
    let (seller, staff) = (test.seller("ada").await, test.staff("root", Role::Admin).await);
    for user in [&seller, &staff] {
        bombard_all!(&test.app, &user.token; archive_product, create_category, create_product, create_variant, delete_category, delete_variant, get_product, list_categories, list_products, update_category, update_product, update_variant);
    }
}
