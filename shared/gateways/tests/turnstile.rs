//! Turnstile's adapter against its stand-in.
#![cfg(feature = "turnstile")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail them")]

use async_trait::async_trait;
use sutler_gateways::{
    bot_check::{BotCheck, BotCheckError, Claim},
    secret::{Secret, SecretSlot, SecretsError},
    turnstile::Turnstile,
};
use sutler_providers::Providers;

struct Key(Option<&'static str>);

#[async_trait]
impl SecretSlot for Key {
    async fn read(&self, _: i64) -> Result<Option<Secret>, SecretsError> {
        Ok(self.0.map(Secret::new))
    }

    async fn write(&self, _: &Secret, _: &str, _: i64) -> Result<(), SecretsError> {
        Err(SecretsError::Missing)
    }
}

fn claim(token: &str, action: &'static str) -> Claim {
    Claim { token: token.to_owned(), action, source_ip: "203.0.113.7".to_owned() }
}

fn turnstile(base_url: &str, key: Option<&'static str>, frontend: &str) -> Turnstile<Key> {
    Turnstile::try_new(base_url, Key(key), frontend).unwrap()
}

#[tokio::test]
async fn a_challenge_counts_for_its_page_and_its_form_and_no_other() {
    let providers = Providers::start().await.unwrap();
    let here = turnstile(&providers.base_url(), Some("0xkey"), "http://LOCALHOST:3000/shop");
    assert!(here.is_person(&claim("solved:register:1", "register")).await.unwrap());
    for (token, action) in [("made up", "register"), ("", "register"), ("solved:login:1", "register")] {
        assert!(!here.is_person(&claim(token, action)).await.unwrap(), "{token}");
    }
    let elsewhere = turnstile(&providers.base_url(), Some("0xkey"), "https://shop.example.com");
    assert!(!elsewhere.is_person(&claim("solved:register:2", "register")).await.unwrap());
}

#[tokio::test]
async fn nobody_is_a_person_while_the_service_cannot_be_asked() {
    let providers = Providers::start().await.unwrap();
    let base_url = providers.base_url();
    let claim = claim("solved:login:1", "login");
    for key in [None, Some("wrong")] {
        let asked = turnstile(&base_url, key, "http://localhost").is_person(&claim).await;
        assert!(matches!(asked, Err(BotCheckError::Rejected(_))), "{key:?}: {asked:?}");
    }
    drop(providers);
    let asked = turnstile(&base_url, Some("0xkey"), "http://localhost").is_person(&claim).await;
    assert!(matches!(asked, Err(BotCheckError::Unavailable(_))), "{asked:?}");
    assert!(Turnstile::try_new(&base_url, Key(None), "localhost").is_err());
}
