//! Requests that nobody should send.

use sutler_domain::account::Role;
use sutler_testkit::{TestApp, bombard_all};

use crate::{check_invariants, get_docs, get_health, get_openapi, verify_movements};

#[tokio::test]
async fn no_request_upsets_a_handler() {
    let test = TestApp::new().await;
    let staff = test.staff("root", Role::Admin).await;
    bombard_all!(&test.app, &staff.token; check_invariants, get_health, verify_movements);
    bombard_all!(&(), &staff.token; get_docs, get_openapi);
}
