use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use serde_json::json;
use sutler_gateways::bot_check::{BotCheck, BotCheckError, Claim};
use sutler_services::identity::Doorkeeper;
use sutler_testkit::{TestAnswer, TestCall};

use super::{House, PASSWORD};
use crate::{login, register};

/// Believes `solved:<action>:…` once, as the real service does.
#[derive(Default)]
struct Challenges {
    used: Mutex<Vec<String>>,
    down: AtomicBool,
}

#[async_trait]
impl BotCheck for Challenges {
    async fn is_person(&self, claim: &Claim) -> Result<bool, BotCheckError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(BotCheckError::Unavailable("no answer".into()));
        }
        let mut used = self.used.lock().unwrap();
        let right = claim.token.starts_with(&format!("solved:{}:", claim.action));
        let fresh = right && !used.contains(&claim.token);
        used.push(claim.token.clone());
        Ok(fresh)
    }
}

async fn guarded() -> (House, Arc<Challenges>) {
    let mut house = House::open().await;
    let challenges = Arc::new(Challenges::default());
    let door = Doorkeeper::new(Some(challenges.clone()));
    house.test.app.door = door.clone();
    house.issuer.app.door = door;
    (house, challenges)
}

async fn register(house: &House, name: &str, token: Option<&str>) -> TestAnswer {
    let email = format!("{name}@example.com");
    let body = json!({"email": email, "username": name, "password": PASSWORD, "turnstile_token": token});
    house.test.call(register::handle, TestCall::post("/v1/auth/register", &body)).await
}

async fn login(house: &House, password: &str, token: Option<&str>) -> TestAnswer {
    let body = json!({"login": "ada", "password": password, "turnstile_token": token});
    TestAnswer::read(login::handle(&house.issuer, TestCall::post("/v1/auth/login", &body).request()).await)
}

#[tokio::test]
async fn only_people_register_and_each_challenge_counts_once() {
    let (house, _) = guarded().await;
    assert_eq!(register(&house, "ada", None).await.invalid_fields(), ["/turnstile_token: required"]);
    for bad in ["", "made up", "solved:login:1", &"x".repeat(3_000)] {
        let refused = register(&house, "ada", Some(bad)).await;
        assert_eq!(refused.invalid_fields(), ["/turnstile_token: not-valid"], "{bad}");
    }
    assert_eq!(house.events(), []);
    assert_eq!(register(&house, "ada", Some("solved:register:1")).await.status, 202);
    let again = register(&house, "bob", Some("solved:register:1")).await;
    assert_eq!(again.invalid_fields(), ["/turnstile_token: not-valid"]);
    assert_eq!(house.owner("bob").await, None);
}

#[tokio::test]
async fn a_mistake_in_the_form_does_not_use_up_its_challenge() {
    let (house, challenges) = guarded().await;
    assert_eq!(
        register(&house, "x", Some("solved:register:1")).await.invalid_fields(),
        ["/username: too-short"]
    );
    assert!(challenges.used.lock().unwrap().is_empty());
}

#[tokio::test]
async fn nobody_is_let_in_while_nobody_can_tell() {
    let (house, challenges) = guarded().await;
    challenges.down.store(true, Ordering::SeqCst);
    let refused = register(&house, "ada", Some("solved:register:1")).await;
    assert_eq!(refused.status, 503);
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(house.events(), []);
}

#[tokio::test]
async fn after_three_failures_only_people_sign_in() {
    let (house, _) = guarded().await;
    assert_eq!(register(&house, "ada", Some("solved:register:1")).await.status, 202);
    for _ in 0..3 {
        assert_eq!(login(&house, "not the password", None).await.status, 401);
    }
    // The right password does not tell itself apart from a wrong one.
    for password in [PASSWORD, "not the password"] {
        assert_eq!(login(&house, password, None).await.invalid_fields(), ["/turnstile_token: required"]);
    }
    assert_eq!(login(&house, PASSWORD, Some("solved:register:2")).await.status, 422);
    assert_eq!(login(&house, "not the password", Some("solved:login:1")).await.status, 401);
    assert_eq!(login(&house, PASSWORD, Some("solved:login:2")).await.status, 200);
    assert_eq!(login(&house, PASSWORD, None).await.status, 422, "the address is still watched");
}
