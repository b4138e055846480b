//! PayPal's messages, signed by the stand-in, and everything near them.
#![cfg(feature = "paypal-webhook")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail them")]

use sutler_gateways::paypal_webhook::{SignatureError, Transmission, Verifier, parse_event};
use sutler_providers::{
    Answer, Fault, Providers,
    paypal::{self, Operation, ROOT},
};

const NOW: i64 = 1_798_761_600;
const TOLERANCE: i64 = 300;
const WEBHOOK: &str = "WH-TEST";
const BODY: &str = r#"{"id":"WH-1","event_type":"CHECKOUT.ORDER.APPROVED","resource":{}}"#;

/// A verifier that trusts the stand-in, and a message of its.
struct Post {
    providers: Providers,
    verifier: Verifier,
    made: paypal::Transmission,
    cert_url: String,
}

impl Post {
    async fn new() -> Self {
        let providers = Providers::start().await.unwrap();
        let base = providers.paypal_url();
        Self {
            verifier: Verifier::try_new(&base, Some(ROOT)).unwrap(),
            made: paypal::transmission("t-1", WEBHOOK, NOW, BODY.as_bytes()),
            cert_url: format!("{base}/v1/notifications/certs/CERT-stand-in"),
            providers,
        }
    }

    fn transmission(&self) -> Transmission<'_> {
        Transmission {
            id: &self.made.id,
            time: &self.made.time,
            signature: &self.made.signature,
            cert_url: &self.cert_url,
            algorithm: "SHA256withRSA",
        }
    }

    async fn check(&self, transmission: Transmission<'_>) -> Result<(), SignatureError> {
        self.verifier.verify(BODY.as_bytes(), &transmission, WEBHOOK, NOW, TOLERANCE).await
    }

    fn fetched(&self) -> u64 {
        let calls = self.providers.paypal().calls();
        calls.get(&Operation::Certificate).copied().unwrap_or_default()
    }
}

fn is_forged(result: &Result<(), SignatureError>) -> bool {
    matches!(result, Err(SignatureError::Forged))
}

#[tokio::test]
async fn a_message_of_paypals_is_believed_and_its_certificate_kept() {
    let post = Post::new().await;
    for _ in 0..3 {
        post.check(post.transmission()).await.unwrap();
    }
    assert_eq!(post.fetched(), 1);
}

#[tokio::test]
async fn a_message_that_was_changed_anywhere_is_refused() {
    let post = Post::new().await;
    let good = post.transmission();
    for at in 0..BODY.len() {
        let mut changed = BODY.as_bytes().to_vec();
        changed[at] ^= 1;
        let result = post.verifier.verify(&changed, &good, WEBHOOK, NOW, TOLERANCE).await;
        assert!(is_forged(&result), "{at}");
    }
    let other = paypal::transmission("t-1", WEBHOOK, NOW, b"{}");
    let later = paypal::transmission("t-1", WEBHOOK, NOW + 1, BODY.as_bytes());
    for forged in [
        Transmission { id: "t-2", ..good },
        Transmission { time: &later.time, ..good },
        Transmission { signature: &other.signature, ..good },
        Transmission { signature: "", ..good },
        Transmission { signature: "not base64", ..good },
        Transmission { signature: "AAAA", ..good },
        Transmission { time: "", ..good },
        Transmission { time: "yesterday", ..good },
        Transmission { algorithm: "SHA1withRSA", ..good },
        Transmission { algorithm: "", ..good },
    ] {
        assert!(is_forged(&post.check(forged).await), "{forged:?}");
    }
    for webhook in ["WH-OTHER", ""] {
        let result = post.verifier.verify(BODY.as_bytes(), &good, webhook, NOW, TOLERANCE).await;
        assert!(is_forged(&result), "{webhook:?}");
    }
}

#[tokio::test]
async fn a_message_holds_for_minutes_around_its_time() {
    let post = Post::new().await;
    for (at, good) in [(-301, false), (-300, true), (300, true), (301, false), (-1_000_000, false)] {
        let made = paypal::transmission("t-1", WEBHOOK, NOW + at, BODY.as_bytes());
        let transmission =
            Transmission { time: &made.time, signature: &made.signature, ..post.transmission() };
        let result = post.check(transmission).await;
        assert_eq!(result.is_ok(), good, "{at}: {result:?}");
        assert!(good || matches!(result, Err(SignatureError::Stale)), "{at}");
    }
}

#[tokio::test]
async fn a_certificate_lies_at_paypal_and_nowhere_else() {
    let post = Post::new().await;
    let base = post.providers.paypal_url();
    let host = base.trim_start_matches("http://").trim_end_matches("/paypal").to_owned();
    for url in [
        String::new(),
        "x".to_owned(),
        format!("https://{host}/paypal/v1/notifications/certs/CERT-stand-in"),
        format!("http://evil.example.com/paypal/v1/notifications/certs/CERT-stand-in?{base}"),
        format!("http://{host}@evil.example.com/paypal/v1/notifications/certs/CERT-stand-in"),
        format!("http://{host}.example.com/paypal/v1/notifications/certs/CERT-stand-in"),
        format!("http://user@{host}/paypal/v1/notifications/certs/CERT-stand-in"),
        format!("{base}/v1/notifications/certs/"),
        format!("{base}/v1/notifications/certs/../certs/CERT-stand-in"),
        format!("{base}/v1/notifications/certs/CERT-stand-in?x=1"),
        format!("{base}/v1/notifications/certs/CERT-stand-in#x"),
        format!("{base}/v1/notifications/certs/CERT%2dstand-in"),
        format!("{base}/v2/notifications/certs/CERT-stand-in"),
        format!(" {base}/v1/notifications/certs/CERT-stand-in"),
    ] {
        let transmission = Transmission { cert_url: &url, ..post.transmission() };
        assert!(is_forged(&post.check(transmission).await), "{url}");
    }
    assert_eq!(post.fetched(), 0);
    // The live PayPal has two names, and no certificate of the sandbox or of a stand-in counts there.
    let live = Verifier::try_new("https://api-m.paypal.com/", Some(ROOT)).unwrap();
    for url in [
        post.cert_url.as_str(),
        "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
        "http://api.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com:444/v1/notifications/certs/CERT-1",
        "https://api.paypal.com.evil.example.com/v1/notifications/certs/CERT-1",
    ] {
        let transmission = Transmission { cert_url: url, ..post.transmission() };
        let result = live.verify(BODY.as_bytes(), &transmission, WEBHOOK, NOW, TOLERANCE).await;
        assert!(is_forged(&result), "{url}");
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_judged_is_left_to_paypal() {
    let post = Post::new().await;
    let url = |name: &str| format!("{}/v1/notifications/certs/{name}", post.providers.paypal_url());
    // Issued to somebody else, though by a root we trust; and longer than anybody should read.
    for name in ["CERT-another", "CERT-endless"] {
        let url = url(name);
        let transmission = Transmission { cert_url: &url, ..post.transmission() };
        let result = post.check(transmission).await;
        assert!(matches!(result, Err(SignatureError::Undecided(_))), "{name}: {result:?}");
    }
    // There is none, or it moved: redirects are not followed.
    for name in ["CERT-none", "CERT-moved"] {
        let url = url(name);
        let transmission = Transmission { cert_url: &url, ..post.transmission() };
        assert!(is_forged(&post.check(transmission).await), "{name}");
    }
    post.providers.paypal().inject(Fault::new(Answer::Status(503)).on(Operation::Certificate));
    assert!(matches!(post.check(post.transmission()).await, Err(SignatureError::Undecided(_))));
    post.check(post.transmission()).await.unwrap();
    // Who trusts only the roots of browsers does not trust the stand-in's.
    let browser = Verifier::try_new(&post.providers.paypal_url(), None).unwrap();
    let result = browser.verify(BODY.as_bytes(), &post.transmission(), WEBHOOK, NOW, TOLERANCE).await;
    assert!(matches!(result, Err(SignatureError::Undecided(_))), "{result:?}");
    // Before its time, and after it.
    for now in [0, 5_000_000_000] {
        let made = paypal::transmission("t-1", WEBHOOK, now, BODY.as_bytes());
        let transmission =
            Transmission { time: &made.time, signature: &made.signature, ..post.transmission() };
        let result = post.verifier.verify(BODY.as_bytes(), &transmission, WEBHOOK, now, TOLERANCE).await;
        assert!(matches!(result, Err(SignatureError::Undecided(_))), "{now}: {result:?}");
    }
    assert!(Verifier::try_new("http://127.0.0.1:1", Some("no roots")).is_err());
}

#[test]
fn an_event_names_the_attempt_it_is_about() {
    let read = |kind: &str, resource: &str| {
        parse_event(format!(r#"{{"id":"WH-1","event_type":"{kind}","resource":{resource}}}"#).as_bytes())
    };
    for (kind, resource) in [
        ("CHECKOUT.ORDER.APPROVED", r#"{"id":"5O1","purchase_units":[{"custom_id":"ord_1/2"}]}"#),
        ("PAYMENT.CAPTURE.COMPLETED", r#"{"id":"2GG","custom_id":"ord_1/2","amount":{"value":"1.00"}}"#),
    ] {
        let event = read(kind, resource).unwrap();
        assert_eq!((event.attempt(), event.is_of_a_payment()), (Some(("ord_1", 2)), true), "{kind}");
    }
    let other = read("CUSTOMER.DISPUTE.CREATED", "{}").unwrap();
    assert_eq!((other.attempt(), other.is_of_a_payment()), (None, false));
    for custom in ["", "x", "ord_1/", "ord_1/x", "/", "ord_1/-1"] {
        let event = read("PAYMENT.CAPTURE.COMPLETED", &format!(r#"{{"custom_id":"{custom}"}}"#)).unwrap();
        assert_eq!(event.attempt(), None, "{custom}");
    }
    assert_eq!(parse_event(b"[]"), None);
}
