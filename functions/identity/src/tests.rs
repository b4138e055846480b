//! Accounts as their owners, and those who would like to be, see them.

mod accounts;
mod bots;
mod keys;
mod profile;
mod sessions;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use serde_json::{Value, json};
use sutler_domain::{account::Username, ids::UserId};
use sutler_gateways::secret::{Secret, SecretSlot, SecretsError};
use sutler_services::{
    App,
    identity::{self, Issuer},
};
use sutler_store::users::username_key;
use sutler_testkit::{Change, TestAnswer, TestApp, TestCall};

use crate::{get_me, login, refresh, register, verify_email};

const PASSWORD: &str = "correct horse battery staple";

/// A secret that is kept in memory, and that may refuse its next writes.
#[derive(Default)]
struct MemorySlot {
    text: Mutex<Option<String>>,
    outages: AtomicU32,
}

#[async_trait]
impl SecretSlot for MemorySlot {
    async fn read(&self, _: i64) -> Result<Option<Secret>, SecretsError> {
        // Gives another run the chance to come in between, as a real call does.
        tokio::task::yield_now().await;
        Ok(self.text.lock().unwrap().clone().map(Secret::new))
    }

    async fn write(&self, secret: &Secret, token: &str, _: i64) -> Result<(), SecretsError> {
        assert!((32..=64).contains(&token.len()), "{token}");
        if self.outages.load(Ordering::SeqCst) > 0 {
            self.outages.fetch_sub(1, Ordering::SeqCst);
            return Err(SecretsError::Unavailable("no answer".into()));
        }
        *self.text.lock().unwrap() = Some(secret.expose().to_owned());
        Ok(())
    }
}

/// A marketplace with a signing key.
struct House {
    test: TestApp,
    slot: Arc<MemorySlot>,
    issuer: Issuer,
}

impl House {
    async fn open() -> Self {
        let house = Self::without_keys().await;
        house.rotate().await;
        house
    }

    async fn without_keys() -> Self {
        let test = TestApp::new().await;
        let slot = Arc::new(MemorySlot::default());
        let issuer = Issuer::new(test.app.clone(), slot.clone());
        Self { test, slot, issuer }
    }

    fn app(&self) -> &App {
        &self.test.app
    }

    fn advance(&self, seconds: u64) {
        self.test.clock().advance(std::time::Duration::from_secs(seconds));
    }

    async fn rotate(&self) -> identity::Rotation {
        identity::rotate_signing_keys(self.app(), &*self.slot).await.unwrap()
    }

    async fn register(&self, email: &str, username: &str) -> TestAnswer {
        let body = json!({"email": email, "username": username, "password": PASSWORD});
        self.test.call(register::handle, TestCall::post("/v1/auth/register", &body)).await
    }

    /// A registered user called `name`, not verified.
    async fn account(&self, name: &str) -> UserId {
        assert_eq!(self.register(&format!("{name}@example.com"), name).await.status, 202);
        self.owner(name).await.unwrap()
    }

    async fn owner(&self, name: &str) -> Option<UserId> {
        let key = username_key(&Username::parse(name).unwrap());
        self.app().store.name_owner(&key).await.unwrap()
    }

    async fn verify(&self, token: &str) -> TestAnswer {
        let call = TestCall::post("/v1/auth/verify-email", &json!({"token": token}));
        self.test.call(verify_email::handle, call).await
    }

    async fn login_from(&self, source_ip: &str, name: &str, password: &str) -> TestAnswer {
        let body = json!({"login": name, "password": password});
        let call = TestCall::post("/v1/auth/login", &body).from(source_ip);
        TestAnswer::read(login::handle(&self.issuer, call.request()).await)
    }

    async fn login(&self, name: &str, password: &str) -> TestAnswer {
        self.login_from("203.0.113.7", name, password).await
    }

    async fn refresh(&self, token: &str) -> TestAnswer {
        let call = TestCall::post("/v1/auth/refresh", &json!({"refresh_token": token}));
        TestAnswer::read(refresh::handle(&self.issuer, call.request()).await)
    }

    /// Who an access token belongs to.
    async fn me(&self, access_token: &str) -> TestAnswer {
        self.test.call(get_me::handle, TestCall::get("/v1/users/me").token(access_token)).await
    }

    /// The events that were written since the last look.
    fn events(&self) -> Vec<Change> {
        let changes = self.test.db.drain_stream();
        changes.into_iter().filter(|change| change.sk.starts_with("EVENT#")).collect()
    }
}

fn text(answer: &TestAnswer, pointer: &str) -> String {
    answer.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn refresh_token(answer: &TestAnswer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    text(answer, "/refresh_token")
}

fn access_token(answer: &TestAnswer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    text(answer, "/access_token")
}
