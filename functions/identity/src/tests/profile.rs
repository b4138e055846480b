use serde_json::{Value, json};
use sutler_testkit::{TestAnswer, TestApp, TestCall, TestUser};

use super::text;
use crate::{add_address, create_seller, get_me, get_seller, list_addresses};

fn home() -> Value {
    json!({
        "name": "Ada Example", "line1": "1 Market Street", "city": "Springfield", "region": "IL",
        "postal_code": "62701", "country": "US", "phone": "+1 217 555 0123",
    })
}

fn adding(body: &Value) -> TestCall {
    TestCall::post("/v1/users/me/addresses", body)
}

async fn add(test: &TestApp, user: &TestUser, body: &Value) -> TestAnswer {
    test.call(add_address::handle, adding(body).by(user)).await
}

async fn book(test: &TestApp, user: &TestUser) -> TestAnswer {
    test.call(list_addresses::handle, TestCall::get("/v1/users/me/addresses").by(user)).await
}

fn opening(slug: &str) -> TestCall {
    let body = json!({"name": "North Star Crafts", "slug": slug, "return_policy": "30 days"});
    TestCall::post("/v1/sellers", &body)
}

#[tokio::test]
async fn everyone_sees_their_own_account() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.unverified("ada").await, test.seller("bob").await);
    let me = async |user: &TestUser| test.call(get_me::handle, TestCall::get("/v1/users/me").by(user)).await;
    insta::assert_json_snapshot!("get_me", me(&ada).await.body);
    insta::assert_json_snapshot!("get_me_seller", me(&bob).await.body);
    let anonymous = test.call(get_me::handle, TestCall::get("/v1/users/me")).await;
    assert_eq!((anonymous.status, anonymous.problem()), (401, "unauthenticated"));
    let basic = TestCall::get("/v1/users/me").header("authorization", "Basic YTpi");
    assert_eq!(test.call(get_me::handle, basic).await.status, 401);
}

#[tokio::test]
async fn an_address_book_belongs_to_one_verified_user() {
    let test = TestApp::new().await;
    let (ada, bob, eve) = (test.user("ada").await, test.user("bob").await, test.unverified("eve").await);
    let added = add(&test, &ada, &home()).await;
    assert_eq!(added.status, 201, "{}", added.text);
    insta::assert_json_snapshot!("add_address", added.body);
    insta::assert_json_snapshot!("list_addresses", book(&test, &ada).await.body);
    assert_eq!(book(&test, &bob).await.body["items"], json!([]));
    assert_eq!(add(&test, &eve, &home()).await.problem(), "email-not-verified");
    assert_eq!(book(&test, &eve).await.problem(), "email-not-verified");
    assert_eq!(test.call(add_address::handle, adding(&home())).await.status, 401);
    assert_eq!(test.call(list_addresses::handle, TestCall::get("/v1/users/me/addresses")).await.status, 401);
}

#[tokio::test]
async fn one_address_is_the_default() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let first = text(&add(&test, &ada, &home()).await, "/id");
    add(&test, &ada, &home()).await;
    assert_eq!(book(&test, &ada).await.body["default_address"], first);
    let mut preferred = home();
    preferred["default"] = json!(true);
    let third = text(&add(&test, &ada, &preferred).await, "/id");
    assert_eq!(book(&test, &ada).await.body["default_address"], third);
}

#[tokio::test]
async fn a_book_never_holds_more_than_20_addresses() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    for _ in 0..19 {
        assert_eq!(add(&test, &ada, &home()).await.status, 201);
    }
    let body = home();
    let (one, two) = tokio::join!(add(&test, &ada, &body), add(&test, &ada, &body));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    assert_eq!(add(&test, &ada, &home()).await.problem(), "limit-reached");
    assert_eq!(book(&test, &ada).await.body["items"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn a_repeated_address_is_added_once() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let call = || adding(&home()).by(&ada).key("k-1");
    let (one, two) =
        tokio::join!(test.call(add_address::handle, call()), test.call(add_address::handle, call()));
    assert_eq!(one.status, 201);
    assert_eq!(one, two);
    assert_eq!(book(&test, &ada).await.body["items"].as_array().unwrap().len(), 1);
    let mut other = home();
    other["city"] = json!("Chicago");
    let reused = test.call(add_address::handle, adding(&other).by(&ada).key("k-1")).await;
    assert_eq!((reused.status, reused.problem()), (422, "idempotency-key-reused"));
    let bad_key = test.call(add_address::handle, adding(&home()).by(&ada).key("a b")).await;
    assert_eq!(bad_key.status, 422);
}

#[tokio::test]
async fn bad_addresses_name_their_fields() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let with = |field: &str, value: Value| {
        let mut body = home();
        body[field] = value;
        body
    };
    for (body, named) in [
        (with("name", json!("")), "/name: too-short"),
        (with("line1", json!("x".repeat(101))), "/line1: too-long"),
        (with("postal_code", json!("627")), "/postal_code: invalid"),
        (with("postal_code", Value::Null), "/postal_code: missing"),
        (with("country", json!("XX")), "/country: invalid"),
        (with("phone", json!("call me")), "/phone: invalid"),
        (with("owner", json!("usr_1")), "/owner: unknown-field"),
        (with("city", json!(7)), "/city: wrong-type"),
    ] {
        let answer = add(&test, &ada, &body).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![named.to_owned()]));
    }
    let huge = test.call(add_address::handle, adding(&json!({})).text(&" ".repeat(70_000)).by(&ada)).await;
    assert_eq!((huge.status, huge.problem()), (413, "too-large"));
    assert_eq!(book(&test, &ada).await.body["items"], json!([]));
}

#[tokio::test]
async fn a_verified_user_opens_one_shop() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let opened = test.call(create_seller::handle, opening("north-star").by(&ada).key("k")).await;
    assert_eq!(opened.status, 201, "{}", opened.text);
    insta::assert_json_snapshot!("create_seller", opened.body);
    assert_eq!(test.call(create_seller::handle, opening("north-star").by(&ada).key("k")).await, opened);
    let again = test.call(create_seller::handle, opening("south-star").by(&ada)).await;
    assert_eq!((again.status, again.problem()), (409, "already-seller"));
    let taken = test.call(create_seller::handle, opening("north-star").by(&bob)).await;
    assert_eq!((taken.status, taken.problem()), (409, "taken"));
    assert_eq!(taken.invalid_fields(), ["/slug: taken"]);

    let show = async |slug: &str| {
        let call = TestCall::get(&format!("/v1/sellers/{slug}")).parameter("slug", slug);
        test.call(get_seller::handle, call).await
    };
    let page = show("north-star").await;
    insta::assert_json_snapshot!("get_seller", page.body);
    assert_eq!(page.body, opened.body);
    for nothing in ["south-star", "North-Star", "", "a/b"] {
        assert_eq!(show(nothing).await.problem(), "not-found", "{nothing}");
    }
}

#[tokio::test]
async fn one_slug_is_never_two_shops() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let (one, two) = tokio::join!(
        test.call(create_seller::handle, opening("north-star").by(&ada)),
        test.call(create_seller::handle, opening("north-star").by(&bob))
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[tokio::test]
async fn nobody_opens_a_shop_without_a_verified_address() {
    let test = TestApp::new().await;
    let eve = test.unverified("eve").await;
    assert_eq!(test.call(create_seller::handle, opening("eves")).await.status, 401);
    assert_eq!(
        test.call(create_seller::handle, opening("eves").by(&eve)).await.problem(),
        "email-not-verified"
    );
    // A token that claims more than the account has does not help.
    let mut claimed = eve.user.clone();
    claimed.verified = true;
    let token = test.sign_in(&claimed);
    let answer = test.call(create_seller::handle, opening("eves").token(&token)).await;
    assert_eq!((answer.status, answer.problem()), (403, "email-not-verified"));
    let answer = test.call(add_address::handle, adding(&home()).token(&token)).await;
    assert_eq!((answer.status, answer.problem()), (403, "email-not-verified"));
}

#[tokio::test]
async fn bad_shops_name_their_fields() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let body = json!({"name": "x", "slug": "No", "return_policy": "p".repeat(5_001)});
    let answer = test.call(create_seller::handle, TestCall::post("/v1/sellers", &body).by(&ada)).await;
    assert_eq!(answer.invalid_fields(), ["/name: too-short", "/slug: too-short", "/return_policy: too-long"]);
    let body = json!({"name": "Shop", "slug": "shop", "user": "usr_1"});
    let answer = test.call(create_seller::handle, TestCall::post("/v1/sellers", &body).by(&ada)).await;
    assert_eq!(answer.invalid_fields(), ["/user: unknown-field"]);
}
