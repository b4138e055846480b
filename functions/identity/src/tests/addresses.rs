use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use serde_json::{Value, json};
use sutler_domain::{
    address::AddressDraft,
    address_check::{CheckedBy, Coordinates, Doubt, Field, Opinion, Verdict},
};
use sutler_gateways::address_check::{AddressCheck, AddressCheckError, Question};
use sutler_services::addresses::Surveyor;
use sutler_testkit::{Logs, TestAnswer, TestApp, TestCall, TestUser};

use super::text;
use crate::{add_address, list_addresses, validate_address};

/// Knows every street but those of `Nowhere`, and spells `Typo` as `Type`.
#[derive(Default)]
struct Map {
    fails: Mutex<Option<fn() -> AddressCheckError>>,
    asked: AtomicU32,
    kept: AtomicU32,
}

#[async_trait]
impl AddressCheck for Map {
    fn checked_by(&self) -> CheckedBy {
        CheckedBy::Google
    }

    async fn check(&self, question: &Question) -> Result<Opinion, AddressCheckError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.kept.fetch_add(u32::from(question.is_kept), Ordering::SeqCst);
        // Gives another run the chance to come in between, as a real call does.
        tokio::task::yield_now().await;
        if let Some(failure) = *self.fails.lock().unwrap() {
            return Err(failure());
        }
        let typed = &question.address;
        let found = AddressDraft { line1: typed.line1.replace("Typo", "Type"), ..AddressDraft::from(typed) };
        let (verdict, doubts) = if typed.line1.contains("Nowhere") {
            (Verdict::Fix, [(Field::Line1, Doubt::Unconfirmed)].into())
        } else if typed.line1.contains("Typo") {
            (Verdict::Confirm, [].into())
        } else {
            (Verdict::Accept, [].into())
        };
        let coordinates = Coordinates::parse("39.799017", "-89.643957").filter(|_| verdict != Verdict::Fix);
        Ok(Opinion::new(verdict, typed, &found, &doubts, coordinates))
    }
}

async fn surveyed() -> (TestApp, Arc<Map>) {
    let (mut test, map) = (TestApp::new().await, Arc::new(Map::default()));
    test.app.surveyor = Surveyor::new(Some(map.clone()));
    (test, map)
}

fn home(line1: &str) -> Value {
    json!({
        "name": "Ada Example", "line1": line1, "city": "Springfield", "region": "IL", "postal_code": "62701",
        "country": "US",
    })
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

async fn validate(test: &TestApp, user: &TestUser, body: &Value) -> TestAnswer {
    let call = TestCall::post("/v1/addresses/validate", body).by(user);
    test.call(validate_address::handle, call).await
}

async fn add(test: &TestApp, user: &TestUser, body: &Value) -> TestAnswer {
    test.call(add_address::handle, TestCall::post("/v1/users/me/addresses", body).by(user)).await
}

async fn book(test: &TestApp, user: &TestUser) -> Value {
    let call = TestCall::get("/v1/users/me/addresses").by(user);
    test.call(list_addresses::handle, call).await.body["items"].clone()
}

#[tokio::test]
async fn an_address_is_checked_before_it_is_used_and_nothing_is_kept() {
    let (test, map) = surveyed().await;
    let ada = test.user("ada").await;
    drop(test.db.drain_stream());
    insta::assert_json_snapshot!(
        "validate_accept",
        validate(&test, &ada, &home(" 1 Market Street ")).await.body
    );
    insta::assert_json_snapshot!(
        "validate_confirm",
        validate(&test, &ada, &home("1 Typo Street")).await.body
    );
    insta::assert_json_snapshot!("validate_fix", validate(&test, &ada, &home("1 Nowhere Lane")).await.body);
    assert_eq!((map.asked.load(Ordering::SeqCst), map.kept.load(Ordering::SeqCst)), (3, 0));
    let unreadable = with(home("1 Market Street"), "postal_code", json!("ABC"));
    let answer = validate(&test, &ada, &with(unreadable, "region", Value::Null)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    insta::assert_json_snapshot!("validate_fix_built_in", answer.body);
    assert_eq!(map.asked.load(Ordering::SeqCst), 3, "nobody is asked about what is no address");
    assert_eq!(test.db.drain_stream(), []);
}

#[tokio::test]
async fn without_a_provider_our_own_rules_decide() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let answer = validate(&test, &ada, &home("1 Nowhere Lane")).await;
    insta::assert_json_snapshot!("validate_built_in", answer.body);
    let added = add(&test, &ada, &home("1 Nowhere Lane")).await;
    assert_eq!((added.status, text(&added, "/check/checked_by")), (201, "built-in".to_owned()));
}

#[tokio::test]
async fn only_verified_users_have_addresses_checked() {
    let (test, map) = surveyed().await;
    let (ada, eve) = (test.user("ada").await, test.unverified("eve").await);
    let call = TestCall::post("/v1/addresses/validate", &home("1 Market Street"));
    test.needs_token(&ada, validate_address::handle, call.clone()).await;
    let refused = test.refused(validate_address::handle, call.by(&eve)).await;
    assert_eq!((refused.status, refused.problem()), (403, "email-not-verified"));
    assert_eq!(map.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_is_no_question_names_its_fields() {
    let (test, map) = surveyed().await;
    let ada = test.user("ada").await;
    let good = home("1 Market Street");
    for (body, named) in [
        (with(good.clone(), "confirmed", json!(true)), "/confirmed: unknown-field"),
        (with(good.clone(), "city", json!(7)), "/city: wrong-type"),
        (with(good.clone(), "line1", Value::Null), "/line1: wrong-type"),
        (json!({}), "/name: missing"),
        (json!("1 Market Street"), ": wrong-type"),
    ] {
        let answer = validate(&test, &ada, &body).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![named.to_owned()]), "{body}");
    }
    let call = TestCall::post("/v1/addresses/validate", &good).by(&ada).text("{\"name\":");
    assert_eq!(test.call(validate_address::handle, call).await.problem(), "malformed-request");
    assert_eq!(map.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_provider_that_fails_blocks_nobody_and_its_log_names_nobody() {
    let (test, map) = surveyed().await;
    let ada = test.user("ada").await;
    let failures: [fn() -> AddressCheckError; 3] = [
        || AddressCheckError::Unavailable("no answer in time".into()),
        || AddressCheckError::NotCovered("the answer was 400, INVALID_ARGUMENT".into()),
        || AddressCheckError::Rejected("the answer was 403, PERMISSION_DENIED".into()),
    ];
    for (failure, level) in failures.into_iter().zip(["WARN", "INFO", "ERROR"]) {
        *map.fails.lock().unwrap() = Some(failure);
        let logs = Logs::capture();
        let answer = validate(&test, &ada, &home("1 Nowhere Lane")).await;
        let told = (answer.status, text(&answer, "/verdict"), text(&answer, "/checked_by"));
        assert_eq!(told, (200, "accept".to_owned(), "built-in".to_owned()));
        let added = add(&test, &ada, &home("1 Nowhere Lane")).await;
        assert_eq!((added.status, text(&added, "/check/checked_by")), (201, "built-in".to_owned()));
        let logs = logs.text();
        assert!(logs.contains(&format!("\"level\":\"{level}\"")), "{logs}");
        for personal in ["Nowhere", "Springfield", "62701", "Ada"] {
            assert!(!logs.contains(personal), "{logs}");
        }
    }
    let bad = with(home("1 Market Street"), "postal_code", json!("ABC"));
    assert_eq!(add(&test, &ada, &bad).await.invalid_fields(), ["/postal_code: invalid"]);
}

#[tokio::test]
async fn an_address_keeps_its_verdict_and_its_place() {
    let (test, map) = surveyed().await;
    let ada = test.user("ada").await;
    let added = add(&test, &ada, &home("1 Market Street")).await;
    assert_eq!(added.status, 201, "{}", added.text);
    insta::assert_json_snapshot!("add_address_checked", added.body);
    // The buyer's spelling stays, whether they looked at the suggestion or not.
    let unseen = add(&test, &ada, &home("1 Typo Street")).await;
    let confirmed = add(&test, &ada, &with(home("1 Typo Street"), "confirmed", json!(true))).await;
    for (added, is_confirmed) in [(&unseen, false), (&confirmed, true)] {
        assert_eq!((added.status, text(added, "/line1")), (201, "1 Typo Street".to_owned()));
        assert_eq!(
            (text(added, "/check/verdict"), &added.body["check"]["confirmed"]),
            ("confirm".to_owned(), &json!(is_confirmed))
        );
    }
    assert_eq!((map.asked.load(Ordering::SeqCst), map.kept.load(Ordering::SeqCst)), (3, 3));
    assert_eq!(book(&test, &ada).await, json!([added.body, unseen.body, confirmed.body]));
}

#[tokio::test]
async fn what_cannot_be_found_is_refused_until_its_owner_confirms_it() {
    let (test, _) = surveyed().await;
    let ada = test.user("ada").await;
    for body in [home("1 Nowhere Lane"), with(home("1 Nowhere Lane"), "confirmed", json!(false))] {
        let call = TestCall::post("/v1/users/me/addresses", &body).by(&ada);
        let refused = test.refused(add_address::handle, call).await;
        assert_eq!((refused.status, refused.problem()), (422, "invalid"));
        assert_eq!(refused.invalid_fields(), ["/line1: unconfirmed", "/confirmed: required"]);
    }
    let added = add(&test, &ada, &with(home("1 Nowhere Lane"), "confirmed", json!(true))).await;
    assert_eq!((added.status, text(&added, "/check/verdict")), (201, "fix".to_owned()), "{}", added.text);
    assert_eq!(book(&test, &ada).await, json!([added.body]));
    // Our own rules cannot be overruled.
    let bad = with(with(home("1 Market Street"), "postal_code", json!("ABC")), "confirmed", json!(true));
    assert_eq!(add(&test, &ada, &bad).await.invalid_fields(), ["/postal_code: invalid"]);
}

#[tokio::test]
async fn a_repeated_address_is_asked_about_and_added_once() {
    let (test, map) = surveyed().await;
    let ada = test.user("ada").await;
    let body = home("1 Market Street");
    let call = || TestCall::post("/v1/users/me/addresses", &body).by(&ada).key("k-1");
    let (one, two) =
        tokio::join!(test.call(add_address::handle, call()), test.call(add_address::handle, call()));
    assert_eq!((one.status, &one), (201, &two));
    *map.fails.lock().unwrap() = Some(|| AddressCheckError::Unavailable("no answer".into()));
    let asked = map.asked.load(Ordering::SeqCst);
    assert_eq!(test.call(add_address::handle, call()).await, one);
    assert_eq!(map.asked.load(Ordering::SeqCst), asked, "a repetition asks nobody again");
    assert_eq!(book(&test, &ada).await.as_array().unwrap().len(), 1);
}
