use std::sync::Arc;

use serde_json::{Value, json};
use sutler_services::Settings;
use sutler_testkit::{TestAnswer, TestCall};

use super::{House, PASSWORD, bots::guarded, refresh_token, text};
use crate::{add_address, create_guest, create_seller, list_addresses};

async fn enter(house: &House, body: &Value) -> TestAnswer {
    TestAnswer::read(
        create_guest::handle(&house.issuer, TestCall::post("/v1/auth/guest", body).request()).await,
    )
}

#[tokio::test]
async fn a_guest_gets_tokens_and_keeps_addresses_and_nothing_else() {
    let house = House::open().await;
    let answer = enter(&house, &json!({"email": "Ada@example.com"})).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    insta::assert_json_snapshot!("create_guest", answer.body, {".access_token" => "[jwt]", ".refresh_token" => "[token]"});
    let token = text(&answer, "/access_token");
    let me = house.me(&token).await;
    insta::assert_json_snapshot!("get_me_guest", me.body);
    let address = json!({
        "name": "Ada Example", "line1": "1 Market Street", "city": "Springfield", "region": "IL",
        "postal_code": "62701", "country": "US",
    });
    let call = TestCall::post("/v1/users/me/addresses", &address).token(&token);
    assert_eq!(house.test.call(add_address::handle, call).await.status, 201);
    let call = TestCall::get("/v1/users/me/addresses").token(&token);
    assert_eq!(
        house.test.call(list_addresses::handle, call).await.body["items"].as_array().unwrap().len(),
        1
    );
    let shop = json!({"name": "A shop", "slug": "a-shop", "return_policy": "30 days"});
    let call = TestCall::post("/v1/sellers", &shop).token(&token);
    let refused = house.test.refused(create_seller::handle, call).await;
    assert_eq!((refused.status, refused.problem()), (403, "email-not-verified"));
    assert_eq!(house.login("guest", PASSWORD).await.status, 401);
    assert_eq!(house.login("ada@example.com", PASSWORD).await.status, 401);
    // The session goes on, and the address is still free for an account.
    let next = house.refresh(&text(&answer, "/refresh_token")).await;
    assert_eq!(house.me(&text(&next, "/access_token")).await.body, me.body);
    house.account("ada").await;
}

#[tokio::test]
async fn only_people_buy_as_guests() {
    let (house, _) = guarded().await;
    let input = |token: Option<&str>| json!({"email": "ada@example.com", "turnstile_token": token});
    assert_eq!(enter(&house, &input(None)).await.invalid_fields(), ["/turnstile_token: required"]);
    let wrong = enter(&house, &input(Some("solved:login:1"))).await;
    assert_eq!(wrong.invalid_fields(), ["/turnstile_token: not-valid"]);
    assert_eq!(enter(&house, &input(Some("solved:guest:1"))).await.status, 201);
}

#[tokio::test]
async fn bad_guests_are_refused_and_leave_nothing() {
    let house = House::open().await;
    drop(house.test.db.drain_stream());
    for (body, status) in [
        (json!({"email": "ada"}), 422),
        (json!({"email": ""}), 422),
        (json!({"email": 5}), 422),
        (json!({}), 422),
        (json!({"email": "ada@example.com", "guest": true}), 422),
        (json!([]), 422),
    ] {
        assert_eq!(enter(&house, &body).await.status, status, "{body}");
    }
    assert_eq!(house.test.db.drain_stream(), []);
}

#[tokio::test]
async fn guests_are_let_in_only_where_they_may_buy() {
    let mut house = House::open().await;
    let before = enter(&house, &json!({"email": "ada@example.com"})).await;
    let off = Settings { guest_checkout: false, ..(*house.test.app.settings).clone() };
    house.test.app.settings = Arc::new(off);
    house.issuer.app.settings = Arc::clone(&house.test.app.settings);
    assert_eq!(enter(&house, &json!({"email": "ada@example.com"})).await.status, 404);
    // Those who are inside already buy nothing any more.
    let call = TestCall::get("/v1/users/me/addresses").token(&text(&before, "/access_token"));
    let refused = house.test.call(list_addresses::handle, call).await;
    assert_eq!((refused.status, refused.problem()), (403, "email-not-verified"));
}

#[tokio::test]
async fn the_session_of_a_guest_ends_when_an_account_claims_the_orders() {
    let house = House::open().await;
    let answer = enter(&house, &json!({"email": "ada@example.com"})).await;
    let refresh = text(&answer, "/refresh_token");
    let ada = house.account("ada").await;
    let mail = sutler_services::identity::issue_verification(house.app(), &ada).await.unwrap().unwrap();
    assert_eq!(house.verify(&mail.token).await.status, 204);
    sutler_services::guests::claim_orders(house.app(), &ada).await.unwrap();
    assert_eq!(house.refresh(&refresh).await.status, 401);
    assert!(!refresh_token(&house.login("ada", PASSWORD).await).is_empty());
}
