//! The adapters of those who check addresses, against their stand-ins.
#![cfg(all(feature = "google-address", feature = "amazon-address"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail them")]

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_types::region::Region;
use sutler_domain::{
    address::{Address, AddressDraft},
    address_check::{CheckedBy, Opinion, Verdict},
};
use sutler_gateways::{
    address_check::{AddressCheck, AddressCheckError, Question},
    amazon_address::AmazonAddressCheck,
    google_address::GoogleAddressCheck,
    secret::{Secret, SecretSlot, SecretsError},
};
use sutler_providers::{
    Answer, Providers,
    addresses::{Fault, Operation},
};

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

fn google(providers: &Providers, key: Option<&'static str>) -> GoogleAddressCheck<Key> {
    GoogleAddressCheck::new(&providers.google_url(), Key(key))
}

fn amazon(providers: &Providers, key_id: &str) -> AmazonAddressCheck {
    let config = aws_sdk_geoplaces::Config::builder()
        .behavior_version(aws_sdk_geoplaces::config::BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new(key_id, "secret", None, None, "test"))
        .http_client(plain())
        .endpoint_url(providers.geo_places_url());
    AmazonAddressCheck::new(config)
}

/// The HTTP client of a function.
fn plain() -> aws_smithy_runtime_api::client::http::SharedHttpClient {
    use aws_smithy_http_client::{
        Builder,
        tls::{Provider, rustls_provider::CryptoMode},
    };
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https()
}

/// Both, with the call that each makes.
fn both(providers: &Providers) -> [(Operation, Box<dyn AddressCheck>); 2] {
    [
        (Operation::GoogleValidate, Box::new(google(providers, Some("AIza")))),
        (Operation::AmazonGeocode, Box::new(amazon(providers, "AKIA"))),
    ]
}

fn address(line1: &str, country: &str) -> Address {
    let draft = AddressDraft {
        name: "Ada Lovelace".to_owned(),
        line1: line1.to_owned(),
        line2: Some("Flat 2".to_owned()),
        city: "Typoville".to_owned(),
        region: Some("IL".to_owned()),
        postal_code: Some(if country == "ET" { "1000" } else { "62701" }.to_owned()),
        country: country.to_owned(),
        phone: Some("+12175550123".to_owned()),
    };
    Address::parse(&draft).unwrap()
}

fn question(line1: &str, country: &str) -> Question {
    Question { address: address(line1, country), is_kept: true, key: "k-1".to_owned() }
}

async fn ask(check: &dyn AddressCheck, line1: &str) -> Opinion {
    check.check(&question(line1, "US")).await.unwrap()
}

fn told(opinion: &Opinion) -> Vec<(&str, &str, Option<&str>)> {
    opinion.suggestions.iter().map(|s| (s.pointer.as_str(), s.code, s.value.as_deref())).collect()
}

#[tokio::test]
async fn a_known_address_is_accepted_with_its_place() {
    let providers = Providers::start().await.unwrap();
    for (_, check) in both(&providers) {
        let opinion = ask(&*check, "1 Market Street").await;
        assert_eq!((opinion.verdict, told(&opinion)), (Verdict::Accept, vec![]));
        assert_eq!(opinion.address, address("1 Market Street", "US"));
        let at = opinion.coordinates.unwrap();
        // Read from text by one, from a float by the other.
        assert!(at.latitude().starts_with("39.7990"), "{}", at.latitude());
        assert!(at.longitude().starts_with("-89.6439"), "{}", at.longitude());
    }
}

#[tokio::test]
async fn what_is_spelt_otherwise_is_for_the_buyer_to_confirm() {
    let providers = Providers::start().await.unwrap();
    let opinion = ask(&google(&providers, Some("AIza")), "1 Typo Street").await;
    let expected = vec![("/line1", "changed", Some("1 Type Street"))];
    assert_eq!((opinion.verdict, told(&opinion)), (Verdict::Confirm, expected));
    let opinion = ask(&google(&providers, Some("AIza")), "Tower 1").await;
    assert_eq!((opinion.verdict, told(&opinion)), (Verdict::Confirm, vec![("/line2", "missing", None)]));
    let opinion = ask(&amazon(&providers, "AKIA"), "1 Typo Street").await;
    let expected = vec![("/city", "changed", Some("Typeville"))];
    assert_eq!((opinion.verdict, told(&opinion)), (Verdict::Confirm, expected));
    let opinion = ask(&amazon(&providers, "AKIA"), "Tower 1").await;
    assert_eq!((opinion.verdict, told(&opinion)), (Verdict::Confirm, vec![("/line1", "unconfirmed", None)]));
}

#[tokio::test]
async fn what_does_not_exist_is_to_be_fixed_and_has_no_place() {
    let providers = Providers::start().await.unwrap();
    for (_, check) in both(&providers) {
        let opinion = ask(&*check, "1 Nowhere Lane").await;
        assert_eq!(opinion.verdict, Verdict::Fix);
        assert_eq!(told(&opinion), [("/line1", "unconfirmed", None)]);
        assert_eq!((opinion.address, opinion.coordinates), (address("1 Nowhere Lane", "US"), None));
    }
}

#[tokio::test]
async fn one_failure_is_tried_again_and_more_are_no_opinion() {
    let providers = Providers::start().await.unwrap();
    for (operation, check) in both(&providers) {
        for answer in [Answer::Status(500), Answer::Status(503), Answer::Status(429), Answer::Drop] {
            let before = providers.addresses().calls().get(&operation).copied().unwrap_or(0);
            providers.addresses().inject(Fault::new(answer).on(operation));
            assert_eq!(ask(&*check, "1 Market Street").await.verdict, Verdict::Accept, "{answer:?}");
            providers.addresses().inject(Fault::new(answer).on(operation).times(2));
            let failed = check.check(&question("1 Market Street", "US")).await;
            assert!(matches!(failed, Err(AddressCheckError::Unavailable(_))), "{answer:?}: {failed:?}");
            assert_eq!(providers.addresses().calls()[&operation].saturating_sub(before), 4, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn nobody_waits_for_an_answer_that_takes_too_long() {
    let providers = Providers::start().await.unwrap();
    for (operation, check) in both(&providers) {
        providers.addresses().inject(Fault::slow(10_000).on(operation).times(2));
        let question = question("1 Market Street", "US");
        let asked = check.check(&question);
        let failed = tokio::time::timeout(std::time::Duration::from_secs(5), asked).await.unwrap();
        assert!(matches!(failed, Err(AddressCheckError::Unavailable(_))), "{failed:?}");
    }
}

#[tokio::test]
async fn garbage_is_no_opinion_and_no_failure_shows_an_address() {
    let providers = Providers::start().await.unwrap();
    for (operation, check) in both(&providers) {
        for status in [200, 400, 403, 502] {
            providers.addresses().inject(Fault::new(Answer::Garbage(status)).on(operation).times(2));
            let failed = check.check(&question("1 Market Street", "US")).await.unwrap_err();
            let shown = format!("{failed} {failed:?}");
            assert!(!["Market", "Ada", "62701"].iter().any(|word| shown.contains(word)), "{shown}");
            providers.addresses().reset();
        }
    }
}

#[tokio::test]
async fn a_key_that_is_refused_is_for_people_to_mend() {
    let providers = Providers::start().await.unwrap();
    for key in [None, Some(""), Some("s3cret")] {
        let failed = google(&providers, key).check(&question("1 Market Street", "US")).await.unwrap_err();
        assert!(matches!(failed, AddressCheckError::Rejected(_)), "{key:?}: {failed:?}");
        assert!(!format!("{failed:?}").contains("s3cret"), "{failed:?}");
    }
    let failed = amazon(&providers, "REFUSED").check(&question("1 Market Street", "US")).await.unwrap_err();
    assert!(matches!(failed, AddressCheckError::Rejected(_)), "{failed:?}");
    // A call that is refused is not made again.
    assert_eq!(providers.addresses().calls()[&Operation::AmazonGeocode], 1);
}

#[tokio::test]
async fn a_country_that_is_not_covered_has_no_opinion() {
    let providers = Providers::start().await.unwrap();
    for ((_, check), country) in both(&providers).into_iter().zip(["ET", "AQ"]) {
        let failed = check.check(&question("1 Market Street", country)).await.unwrap_err();
        assert!(matches!(failed, AddressCheckError::NotCovered(_)), "{country}: {failed:?}");
        assert!(!format!("{failed} {failed:?}").contains("Market"), "{failed:?}");
    }
}

#[tokio::test]
async fn each_says_whose_opinion_it_is() {
    let providers = Providers::start().await.unwrap();
    let names = both(&providers).map(|(_, check)| check.checked_by());
    assert_eq!(names, [CheckedBy::Google, CheckedBy::Amazon]);
}
