//! Requests that nobody should send.

use std::sync::Arc;
use sutler_gateways::secrets::Slot;
use sutler_services::identity::Issuer;
use sutler_testkit::{TestApp, TestCloud, bombard_all};

use crate::{
    add_address, create_seller, get_jwks, get_me, get_seller, list_addresses, login, logout, refresh,
    register, resend_verification, validate_address, verify_email,
};

#[tokio::test]
async fn no_request_upsets_a_handler() {
    let test = TestApp::new().await;
    let user = test.user("ada").await;
    let slot = Slot::new(TestCloud::default().secrets(0), "signing-keys");
    sutler_services::identity::rotate_signing_keys(&test.app, &slot).await.unwrap();
    let issuer = Issuer::new(test.app.clone(), Arc::new(slot));
    bombard_all!(
        &test.app, &user.token;
        add_address, create_seller, get_jwks, get_me, get_seller, list_addresses, logout, register,
        resend_verification, validate_address, verify_email
    );
    bombard_all!(&issuer, &user.token; login, refresh);
}
