use serde_json::json;
use sutler_domain::account::Role;
use sutler_services::identity::{grant_role, issue_verification};
use sutler_testkit::{Fault, Operation, Rule, TestAnswer, TestCall};

use super::{House, PASSWORD, access_token};
use crate::{register, resend_verification, verify_email};

async fn resend(house: &House, email: &str) -> TestAnswer {
    let call = TestCall::post("/v1/auth/resend-verification", &json!({"email": email}));
    house.test.call(resend_verification::handle, call).await
}

#[tokio::test]
async fn registering_answers_the_same_for_a_taken_address() {
    let house = House::open().await;
    let first = house.register("ada@example.com", "ada").await;
    insta::assert_json_snapshot!("register", first.body);
    assert_eq!(first.status, 202);
    assert_eq!(house.register("ADA@example.com", "someone").await, first);
    assert_eq!(house.owner("someone").await, None);
    assert!(house.owner("ada").await.is_some());
}

#[tokio::test]
async fn a_taken_user_name_is_refused_whatever_the_address() {
    let house = House::open().await;
    house.account("ada").await;
    for email in ["ada@example.com", "new@example.com"] {
        let answer = house.register(email, "ada").await;
        assert_eq!((answer.status, answer.problem()), (409, "taken"));
        assert_eq!(answer.invalid_fields(), ["/username: taken"]);
    }
}

#[tokio::test]
async fn two_registrations_of_one_address_at_once_make_one_account() {
    let house = House::open().await;
    let (one, two) = tokio::join!(
        house.register("ada@example.com", "ada.one"),
        house.register("ada@example.com", "ada.two")
    );
    assert_eq!((one.status, one.body), (two.status, two.body));
    let owners = [house.owner("ada.one").await, house.owner("ada.two").await];
    assert_eq!(owners.iter().flatten().count(), 1);
    assert_eq!(house.events().len(), 1);
}

#[tokio::test]
async fn a_registration_whose_answer_got_lost_happens_once() {
    let house = House::open().await;
    house.test.db.fault(Rule::after(Operation::TransactWriteItems, Fault::Dropped));
    assert_eq!(house.register("ada@example.com", "ada").await.status, 202);
    assert_eq!(house.events().len(), 1);
}

#[tokio::test]
async fn bad_registrations_name_their_fields_and_write_nothing() {
    let house = House::open().await;
    drop(house.test.db.drain_stream());
    for (email, username, password, named) in [
        ("nobody", "A", PASSWORD, vec!["/email: invalid", "/username: too-short"]),
        ("ada@example.com", "ada", "tiny", vec!["/password: too-short"]),
        ("ada@example.com", "ada", "password123", vec!["/password: common"]),
        ("ada@example.com", "lovelace", "i am lovelace", vec!["/password: contains-name"]),
    ] {
        let body = json!({"email": email, "username": username, "password": password});
        let answer = house.test.call(register::handle, TestCall::post("/v1/auth/register", &body)).await;
        assert_eq!(
            (answer.status, answer.invalid_fields()),
            (422, named.iter().map(ToString::to_string).collect())
        );
        assert!(!answer.text.contains(password), "{}", answer.text);
    }
    for (body, status, problem) in [
        ("", 400, "malformed-request"),
        ("{", 400, "malformed-request"),
        ("[]", 422, "invalid"),
        (r#"{"email": 1}"#, 422, "invalid"),
        (r#"{"email": "a@b.org", "username": "abc", "password": "x", "roles": ["admin"]}"#, 422, "invalid"),
    ] {
        let answer = house
            .test
            .call(register::handle, TestCall::post("/v1/auth/register", &json!({})).text(body))
            .await;
        assert_eq!((answer.status, answer.problem()), (status, problem), "{body}");
    }
    assert_eq!(house.test.db.drain_stream().len(), 0);
}

#[tokio::test]
async fn the_event_of_a_registration_names_nobody_and_holds_no_secret() {
    let house = House::open().await;
    let user = house.account("ada").await;
    let [event] = <[_; 1]>::try_from(house.events()).unwrap();
    assert_eq!(event.pk, format!("USER#{user}"));
    let record = event.record.to_string();
    assert!(record.contains("user.verification_requested"), "{record}");
    assert!(!record.contains("example.com") && !record.contains("hash\":{\"S\":\"$"), "{record}");
}

#[tokio::test]
async fn a_verification_token_works_once() {
    let house = House::open().await;
    let user = house.account("ada").await;
    let mail = issue_verification(house.app(), &user).await.unwrap().unwrap();
    assert_eq!((mail.email.as_str(), mail.username.as_str()), ("ada@example.com", "ada"));
    assert_eq!(house.me(&access_token(&house.login("ada", PASSWORD).await)).await.body["verified"], false);

    let (one, two) = tokio::join!(house.verify(&mail.token), house.verify(&mail.token));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 422]);
    assert_eq!(house.verify(&mail.token).await.problem(), "token-invalid");
    assert_eq!(house.me(&access_token(&house.login("ada", PASSWORD).await)).await.body["verified"], true);
    assert!(issue_verification(house.app(), &user).await.unwrap().is_none());
}

#[tokio::test]
async fn only_the_newest_unexpired_token_of_its_own_account_verifies() {
    let house = House::open().await;
    let (ada, bob) = (house.account("ada").await, house.account("bob").await);
    let old = issue_verification(house.app(), &ada).await.unwrap().unwrap().token;
    let new = issue_verification(house.app(), &ada).await.unwrap().unwrap().token;
    let secret = new.split_once('.').unwrap().1;
    let foreign = format!("{}.{secret}", bob.ulid());
    for bad in [old.as_str(), foreign.as_str(), "", ".", "x", "x.y", secret] {
        assert_eq!(house.verify(bad).await.problem(), "token-invalid", "{bad}");
    }
    house.advance(24 * 3_600);
    assert_eq!(house.verify(&new).await.problem(), "token-invalid");
    let unread =
        house.test.call(verify_email::handle, TestCall::post("/v1/auth/verify-email", &json!({"x": 1})));
    assert_eq!(unread.await.status, 422);
}

#[tokio::test]
async fn another_mail_can_be_asked_for_once_a_minute_until_the_address_is_verified() {
    let house = House::open().await;
    let user = house.account("ada").await;
    assert_eq!(house.events().len(), 1);
    let answer = resend(&house, "ada@example.com").await;
    insta::assert_json_snapshot!("resend_verification", answer.body);
    assert_eq!(house.events().len(), 0);
    house.advance(60);
    let (one, two) = tokio::join!(resend(&house, "ada@example.com"), resend(&house, "Ada@Example.com"));
    assert_eq!((&one, &two), (&answer, &answer));
    assert_eq!(house.events().len(), 1);

    let mail = issue_verification(house.app(), &user).await.unwrap().unwrap();
    assert_eq!(house.verify(&mail.token).await.status, 204);
    assert_eq!(house.events().len(), 1, "it is told that the address is verified");
    house.advance(60);
    for email in ["ada@example.com", "nobody@example.com"] {
        assert_eq!(resend(&house, email).await, answer);
    }
    assert_eq!(house.events().len(), 0);
    assert_eq!(resend(&house, "nobody").await.invalid_fields(), ["/email: invalid"]);
}

#[tokio::test]
async fn a_role_is_granted_once_and_shows_in_the_next_token() {
    let house = House::open().await;
    let user = house.account("ada").await;
    for _ in 0..2 {
        grant_role(house.app(), &user, Role::Support).await.unwrap();
    }
    let me = house.me(&access_token(&house.login("ada", PASSWORD).await)).await;
    assert_eq!(me.body["roles"], json!(["support"]));
}
