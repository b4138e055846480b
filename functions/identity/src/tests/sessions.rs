use std::sync::Arc;

use serde_json::json;
use sutler_domain::password::Password;
use sutler_services::identity::{self, Credentials, Visitor};
use sutler_testkit::TestCall;
use tokio::task::JoinSet;

use super::{House, PASSWORD, access_token, refresh_token};
use crate::logout;

#[tokio::test]
async fn a_sign_in_answers_tokens_that_work() {
    let house = House::open().await;
    let user = house.account("ada").await;
    let answer = house.login("ada", PASSWORD).await;
    insta::assert_json_snapshot!("login", answer.body, {".access_token" => "[jwt]", ".refresh_token" => "[token]"});
    assert_eq!(house.me(&access_token(&answer)).await.body["id"], user.as_str());
    assert_eq!(house.login("ADA@example.com", PASSWORD).await.status, 200);
    for text in [&answer.text, &house.me(&access_token(&answer)).await.text] {
        assert!(!text.contains("hash") && !text.contains("salt") && !text.contains(PASSWORD), "{text}");
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_account_are_answered_alike() {
    let house = House::open().await;
    house.account("ada").await;
    let wrong = house.login("ada", "not the password").await;
    assert_eq!((wrong.status, wrong.problem()), (401, "wrong-credentials"));
    for name in ["nobody", "nobody@example.com", "", "not a name", "ada@"] {
        assert_eq!(house.login(name, PASSWORD).await, wrong, "{name}");
    }
    assert_eq!(house.login("ada", "").await.invalid_fields(), ["/password: too-short"]);
    assert_eq!(house.login("ada", &"x".repeat(129)).await.invalid_fields(), ["/password: too-long"]);
}

#[tokio::test]
async fn failures_lock_an_account_out_for_longer_and_longer() {
    let house = House::open().await;
    house.account("ada").await;
    for name in ["ada", "nobody"] {
        for _ in 0..6 {
            assert_eq!(house.login(name, "not the password").await.status, 401);
        }
        let locked = house.login(name, PASSWORD).await;
        assert_eq!((locked.status, locked.problem()), (429, "too-many-requests"));
        assert_eq!(locked.headers["retry-after"], "60");
    }
    // The other name of the account does not help.
    assert_eq!(house.login("ada@example.com", PASSWORD).await.status, 429);
    house.advance(60);
    assert_eq!(house.login("ada", "not the password").await.status, 401);
    assert_eq!(house.login("ada", PASSWORD).await.headers["retry-after"], "120");
    house.advance(120);
    assert_eq!(house.login("ada", PASSWORD).await.status, 200);
    // A success forgets the failures.
    assert_eq!(house.login("ada", "not the password").await.status, 401);
    assert_eq!(house.login("ada", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn failures_lock_an_address_out_whatever_account_is_tried() {
    let house = House::open().await;
    house.account("ada").await;
    for n in 0..21 {
        assert_eq!(house.login(&format!("nobody{n}"), PASSWORD).await.status, 401);
    }
    assert_eq!(house.login("ada", PASSWORD).await.headers["retry-after"], "60");
    assert_eq!(house.login_from("203.0.113.8", "ada", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn many_tries_at_once_are_no_better_than_one_after_the_other() {
    let house = House::open().await;
    house.account("ada").await;
    let issuer = Arc::new(house.issuer.clone());
    let mut tries = JoinSet::new();
    for n in 0..20 {
        let issuer = Arc::clone(&issuer);
        tries.spawn(async move {
            let password = Password::claimed(&format!("guess number {n}")).unwrap();
            let source_ip = format!("203.0.113.{n}");
            let visitor = Visitor { source_ip, turnstile_token: None };
            identity::login(&issuer, &Credentials { name: "ada".to_owned(), password, visitor }).await
        });
    }
    let mut told = 0;
    while let Some(outcome) = tries.join_next().await {
        let error = outcome.unwrap().unwrap_err().to_string();
        told += u32::from(error == "wrong credentials");
    }
    assert!(told <= 6, "{told} guesses were answered");
}

#[tokio::test]
async fn each_refresh_token_works_once() {
    let house = House::open().await;
    house.account("ada").await;
    let first = refresh_token(&house.login("ada", PASSWORD).await);
    house.advance(60);
    let answer = house.refresh(&first).await;
    insta::assert_json_snapshot!("refresh", answer.body, {".access_token" => "[jwt]", ".refresh_token" => "[token]"});
    assert_eq!(house.me(&access_token(&answer)).await.status, 200);
    let second = refresh_token(&answer);
    assert_ne!(first, second);
    house.advance(60);
    let third = refresh_token(&house.refresh(&second).await);
    assert_ne!(second, third);
}

#[tokio::test]
async fn a_used_refresh_token_ends_its_session_and_no_other() {
    let house = House::open().await;
    house.account("ada").await;
    let stolen = refresh_token(&house.login("ada", PASSWORD).await);
    let other = refresh_token(&house.login("ada", PASSWORD).await);
    let current = refresh_token(&house.refresh(&stolen).await);
    house.advance(10);
    let refused = house.refresh(&stolen).await;
    assert_eq!((refused.status, refused.problem()), (401, "unauthenticated"));
    assert_eq!(house.refresh(&current).await.status, 401);
    assert_eq!(house.refresh(&other).await.status, 200);
}

#[tokio::test]
async fn a_token_two_generations_old_ends_its_session_at_once() {
    let house = House::open().await;
    house.account("ada").await;
    let first = refresh_token(&house.login("ada", PASSWORD).await);
    let second = refresh_token(&house.refresh(&first).await);
    let third = refresh_token(&house.refresh(&second).await);
    assert_eq!(house.refresh(&first).await.status, 401);
    assert_eq!(house.refresh(&third).await.status, 401);
}

#[tokio::test]
async fn refreshing_twice_at_once_answers_the_same_pair() {
    let house = House::open().await;
    house.account("ada").await;
    let token = refresh_token(&house.login("ada", PASSWORD).await);
    house.advance(60);
    let (one, two) = tokio::join!(house.refresh(&token), house.refresh(&token));
    assert_eq!(one.status, 200);
    assert_eq!(one, two);
    house.advance(9);
    assert_eq!(house.refresh(&token).await, one);
    assert_eq!(house.refresh(&refresh_token(&one)).await.status, 200);
}

#[tokio::test]
async fn foreign_forged_and_broken_refresh_tokens_are_refused() {
    let house = House::open().await;
    house.account("ada").await;
    for bad in ["", ".", "x", "ses_01J8ZQ5K3N0V7X2Y4T6B8D9FGH.secret", "ses_x.y"] {
        assert_eq!(house.refresh(bad).await.problem(), "unauthenticated", "{bad}");
    }
    let token = refresh_token(&house.login("ada", PASSWORD).await);
    let session = token.split_once('.').unwrap().0;
    assert_eq!(house.refresh(&format!("{session}.guessed")).await.status, 401);
}

#[tokio::test]
async fn a_session_ends_a_day_after_its_last_refresh_and_after_30_days_at_last() {
    let house = House::open().await;
    house.account("ada").await;
    let unused = refresh_token(&house.login("ada", PASSWORD).await);
    let mut token = refresh_token(&house.login("ada", PASSWORD).await);
    for _ in 0..31 {
        house.advance(23 * 3_600);
        token = refresh_token(&house.refresh(&token).await);
    }
    assert_eq!(house.refresh(&unused).await.status, 401);
    // The next one comes 30 days and 16 hours after the sign-in.
    house.advance(23 * 3_600);
    assert_eq!(house.refresh(&token).await.status, 401);
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let house = House::open().await;
    house.account("ada").await;
    let token = refresh_token(&house.login("ada", PASSWORD).await);
    for token in [token.as_str(), token.as_str(), "ses_01J8ZQ5K3N0V7X2Y4T6B8D9FGH.x", "x"] {
        let call = TestCall::post("/v1/auth/logout", &json!({"refresh_token": token}));
        assert_eq!(house.test.call(logout::handle, call).await.status, 204);
    }
    assert_eq!(house.refresh(&token).await.status, 401);
}

#[tokio::test]
async fn an_access_token_is_refused_when_expired_tampered_with_or_foreign() {
    let house = House::open().await;
    house.account("ada").await;
    let token = access_token(&house.login("ada", PASSWORD).await);
    let (head, signature) = token.rsplit_once('.').unwrap();
    let swapped: String = signature.chars().rev().collect();
    for bad in ["", "x", &format!("{head}."), &format!("{head}.{swapped}"), &format!("x{token}")] {
        assert_eq!(house.me(bad).await.problem(), "unauthenticated", "{bad}");
    }
    house.advance(599);
    assert_eq!(house.me(&token).await.status, 200);
    house.advance(1);
    assert_eq!(house.me(&token).await.status, 401);
    let elsewhere = House::open().await;
    elsewhere.account("ada").await;
    let foreign = access_token(&elsewhere.login("ada", PASSWORD).await);
    assert_eq!(house.me(&foreign).await.status, 401);
}
