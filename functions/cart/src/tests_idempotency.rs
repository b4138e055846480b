//! Carts that are opened and deleted again and again under one key.

use serde_json::json;
use sutler_domain::ids::{CartId, VariantId};
use sutler_testkit::{Change, Fault, Operation, RandomFaults, Rule, TestAnswer, TestApp, TestCall};

use crate::{create_cart, delete_cart, get_cart, put_cart_line};

/// As clients make them.
const KEY: &str = "0190f2b4-7c1e-7a52-9a3d-5f6e7d8c9b0a";

fn create(key: &str) -> TestCall {
    TestCall::new("POST", "/v1/carts").key(key)
}

async fn open(test: &TestApp, call: TestCall) -> TestAnswer {
    test.call(create_cart::handle, call).await
}

fn text<'a>(answer: &'a TestAnswer, name: &str) -> &'a str {
    answer.body[name].as_str().unwrap_or_default()
}

fn on(method: &'static str, opened: &TestAnswer) -> TestCall {
    let call = TestCall::new(method, &format!("/v1/carts/{}", text(opened, "id")));
    call.parameter("cart", text(opened, "id")).header("cart-token", text(opened, "token"))
}

fn carts(changes: &[Change]) -> usize {
    changes.iter().filter(|change| change.sk == "CART" && change.event_name == "INSERT").count()
}

#[tokio::test]
async fn a_guests_cart_is_opened_once_per_key_and_its_token_comes_again() {
    let test = TestApp::new().await;
    let first = open(&test, create(KEY)).await;
    assert_eq!((first.status, text(&first, "token").len()), (201, 64), "{}", first.text);
    assert_eq!(open(&test, create(KEY)).await, first);
    assert_eq!(carts(&test.db.drain_stream()), 1);
    assert_eq!(test.call(get_cart::handle, on("GET", &first)).await.status, 200);
    let other = open(&test, create("0190f2b4-7c1e-7a52-9a3d-5f6e7d8c9b0b")).await;
    assert_ne!(text(&other, "id"), text(&first, "id"));
    assert_ne!(text(&other, "token"), text(&first, "token"));
    let again = test.refused(create_cart::handle, create(KEY).json(&json!({"x": 1}))).await;
    assert_eq!((again.status, again.problem()), (422, "idempotency-key-reused"));
}

#[tokio::test]
async fn without_a_key_every_guest_gets_a_cart_of_their_own() {
    let test = TestApp::new().await;
    let call = || TestCall::new("POST", "/v1/carts");
    let (one, two) = (open(&test, call()).await, open(&test, call()).await);
    assert_ne!(text(&one, "id"), text(&two, "id"));
    assert_ne!(text(&one, "token"), text(&two, "token"));
}

#[tokio::test]
async fn neither_token_nor_key_of_a_guest_is_stored() {
    let test = TestApp::new().await;
    drop(test.db.drain_stream());
    let opened = open(&test, create(KEY)).await;
    let stored = test.db.drain_stream();
    assert_eq!(stored.len(), 2, "the cart, and what is remembered of it");
    for change in &stored {
        let written = change.record.to_string();
        assert!(!written.contains(text(&opened, "token")) && !written.contains(KEY), "{written}");
    }
}

#[tokio::test]
async fn a_guests_key_that_another_guest_may_have_too_is_refused() {
    let test = TestApp::new().await;
    for short in ["1", "cart-1", "0123456789012345678901234567890"] {
        let answer = test.refused(create_cart::handle, create(short)).await;
        assert_eq!(
            (answer.status, answer.invalid_fields()),
            (422, vec!["idempotency-key: too-short".to_owned()])
        );
    }
    assert_eq!(open(&test, create(&"k".repeat(32))).await.status, 201);
}

#[tokio::test]
async fn guests_cart_calls_at_the_same_time_open_one_cart() {
    for seed in 0..20 {
        let test = TestApp::new().await;
        test.db.random_faults(RandomFaults::new(seed));
        let (one, two) = tokio::join!(open(&test, create(KEY)), open(&test, create(KEY)));
        assert_eq!(one, two);
        assert_eq!((one.status, carts(&test.db.drain_stream())), (201, 1), "seed {seed}");
    }
}

#[tokio::test]
async fn a_guest_who_never_got_the_answer_gets_the_same_cart_by_asking_again() {
    let test = TestApp::new().await;
    test.db.fault(Rule::after(Operation::TransactWriteItems, Fault::Dropped).times(8));
    assert_eq!(open(&test, create(KEY)).await.status, 503);
    test.db.calm();
    let opened = open(&test, create(KEY)).await;
    assert_eq!(carts(&test.db.drain_stream()), 1);
    assert_eq!(test.call(get_cart::handle, on("GET", &opened)).await.status, 200);
}

#[tokio::test]
async fn a_users_cart_is_the_same_under_any_key_and_has_no_token() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let guest = open(&test, create(KEY)).await;
    for key in ["1", "2", KEY] {
        for user in [&ada, &bob] {
            let opened = open(&test, create(key).by(user)).await;
            assert_eq!(opened.body, json!({"id": CartId::of_user(user.id()).as_str()}));
        }
    }
    assert_eq!(open(&test, create(KEY)).await, guest);
}

#[tokio::test]
async fn a_cart_is_deleted_once_per_key_and_what_was_put_in_since_stays() {
    let test = TestApp::new().await;
    let (seller, user) = (test.seller("ada").await, test.user("bob").await);
    let thing = test.goods(&seller, 500, 9).await;
    test.fill_cart(&user, &[(&thing, 1)]).await;
    let id = CartId::of_user(user.id()).to_string();
    let delete = |key: &str| {
        TestCall::new("DELETE", &format!("/v1/carts/{id}")).parameter("cart", &id).by(&user).key(key)
    };
    assert_eq!(test.call(delete_cart::handle, delete("1")).await.status, 204);
    test.fill_cart(&user, &[(&thing, 2)]).await;
    drop(test.db.drain_stream());
    let again = test.call(delete_cart::handle, delete("1")).await;
    assert_eq!((again.status, again.text.as_str()), (204, ""));
    assert_eq!(test.db.drain_stream(), []);
    assert_eq!(test.call(delete_cart::handle, delete("2")).await.status, 204);
    assert_eq!(test.call(delete_cart::handle, delete("3")).await.status, 204, "an empty cart as well");
}

#[tokio::test]
async fn a_guests_deletion_is_repeated_by_its_guest_alone() {
    let test = TestApp::new().await;
    let opened = open(&test, create(KEY)).await;
    test.db.fault(Rule::after(Operation::TransactWriteItems, Fault::Dropped).times(8));
    let delete = || on("DELETE", &opened).key("1");
    assert_eq!(test.call(delete_cart::handle, delete()).await.status, 503);
    test.db.calm();
    assert_eq!(test.call(delete_cart::handle, delete()).await.status, 204);
    let stranger = delete().header("cart-token", "another");
    assert_eq!(test.refused(delete_cart::handle, stranger).await.status, 404);
    let nobody = TestCall::new("DELETE", "/").parameter("cart", text(&opened, "id")).key("1");
    assert_eq!(test.refused(delete_cart::handle, nobody).await.status, 404);
}

#[tokio::test]
async fn a_key_has_1_to_64_visible_characters_of_ascii() {
    let test = TestApp::new().await;
    let (seller, user) = (test.seller("ada").await, test.user("bob").await);
    let thing: VariantId = test.goods(&seller, 500, 9).await;
    let cart = CartId::of_user(user.id()).to_string();
    let put = |key: &str| {
        let call = TestCall::new("PUT", "/").parameter("cart", &cart).parameter("variant", thing.as_str());
        call.json(&json!({"quantity": 1})).by(&user).key(key)
    };
    for good in ["k", "~!\"$%&'()*+,-./:;<=>?@[]^_`{|}", &"k".repeat(64)] {
        assert_eq!(test.call(put_cart_line::handle, put(good)).await.status, 200, "{good}");
    }
    let lengths = [0, 65, 255, 256, 8_000].map(|length| "k".repeat(length));
    let others = ["schlüssel", "鍵", "\u{a0}", "a b", " k", "a\tb", "a#b"].map(str::to_owned);
    for bad in lengths.iter().chain(&others) {
        let answer = test.refused(put_cart_line::handle, put(bad)).await;
        assert_eq!(answer.status, 422, "{bad}");
        assert_eq!(answer.invalid_fields(), ["idempotency-key: invalid"], "{bad}");
    }
}
