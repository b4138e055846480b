//! The AWS adapters against canned answers, as they come over the wire.
#![cfg(all(feature = "mail", feature = "queue", feature = "bus", feature = "secrets"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail them")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::{body::SdkBody, retry::RetryConfig};
use aws_types::region::Region;
use sutler_gateways::{
    bus::{Bus, BusEvent, PublishError},
    mail::{Mail, MailError, Mailer, SesMailer},
    queue::{Queue, QueueError},
    secret::Secret,
    secrets::{Secrets, SecretsError},
};

/// A status and a body; none is a connection that broke.
type Answer = Option<(u16, &'static str)>;

/// Answers each call with the next canned answer and remembers what was asked.
#[derive(Debug, Clone, Default)]
struct Canned {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        Self { answers, asked: Arc::default() }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().unwrap_or_default();
        self.asked.lock().unwrap().push(String::from_utf8_lossy(body).into_owned());
        let answer = self.answers.lock().unwrap().pop_front().unwrap();
        HttpConnectorFuture::ready(match answer {
            Some((status, body)) => Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))),
            None => Err(ConnectorError::io("connection reset".into())),
        })
    }
}

impl HttpClient for Canned {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// A client of one service that asks `$canned`.
macro_rules! client {
    ($sdk:ident, $canned:expr) => {{
        let config = $sdk::Config::builder()
            .behavior_version($sdk::config::BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("a", "b", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .http_client($canned.clone());
        $sdk::Client::from_conf(config.build())
    }};
}

fn mail() -> Mail {
    Mail {
        to: "ada@example.com".to_owned(),
        subject: "Your order".to_owned(),
        text: "Thanks".to_owned(),
        html: "<p>Thanks</p>".to_owned(),
        tag: "order_placed".to_owned(),
    }
}

#[tokio::test]
async fn a_mail_carries_both_forms_and_its_tag() {
    let canned = Canned::new([Some((200, r#"{"MessageId":"m"}"#))]);
    SesMailer::new(client!(aws_sdk_sesv2, canned), "Shop <shop@example.com>".to_owned())
        .send(&mail())
        .await
        .unwrap();
    let asked: serde_json::Value = serde_json::from_str(&canned.asked().concat()).unwrap();
    assert_eq!(asked["FromEmailAddress"], "Shop <shop@example.com>");
    assert_eq!(asked["Destination"]["ToAddresses"][0], "ada@example.com");
    assert_eq!(asked["Content"]["Simple"]["Subject"]["Data"], "Your order");
    assert_eq!(asked["Content"]["Simple"]["Body"]["Text"]["Data"], "Thanks");
    assert_eq!(asked["Content"]["Simple"]["Body"]["Html"]["Data"], "<p>Thanks</p>");
    assert_eq!(asked["EmailTags"][0]["Value"], "order_placed");
}

#[tokio::test]
async fn a_mail_is_tried_again_only_where_that_helps() {
    for (answer, again) in [
        (Some((400, r#"{"__type":"MessageRejected","message":"no"}"#)), false),
        (Some((400, r#"{"__type":"BadRequestException"}"#)), false),
        (Some((400, r#"{"__type":"SendingPausedException"}"#)), true),
        (Some((429, r#"{"__type":"TooManyRequestsException"}"#)), true),
        (Some((500, "")), true),
        (None, true),
    ] {
        let canned = Canned::new([answer]);
        let mailer = SesMailer::new(client!(aws_sdk_sesv2, canned), "shop@example.com".to_owned());
        let failure = mailer.send(&mail()).await.unwrap_err();
        assert_eq!(matches!(failure, MailError::Unavailable(_)), again, "{answer:?}");
    }
}

#[tokio::test]
async fn a_refusal_says_why_and_names_nobody() {
    let refusal = r#"{"__type":"MessageRejected","message":"Email address is not verified. The following identities failed the check in region EU-WEST-1: Ada@Example.com"}"#;
    let canned = Canned::new([Some((400, refusal))]);
    let mailer = SesMailer::new(client!(aws_sdk_sesv2, canned), "shop@example.com".to_owned());
    let failure = mailer.send(&mail()).await.unwrap_err();
    let told = format!("{failure:?}");
    assert!(told.contains("address is not verified") && !told.to_lowercase().contains("ada@"), "{told}");
}

#[tokio::test]
async fn a_message_is_queued_with_its_attributes() {
    let canned = Canned::new([
        Some((200, r#"{"MessageId":"m","MD5OfMessageBody":"321c3cf486ed509164edec1e1981fec8"}"#)),
        Some((400, r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist"}"#)),
        Some((503, "")),
    ]);
    let queue = Queue::new(client!(aws_sdk_sqs, canned));
    let url = "https://sqs.eu-west-1.amazonaws.com/1/q";
    queue.send(url, "payload", &[("trace", "1-2")]).await.unwrap();
    let asked: serde_json::Value = serde_json::from_str(canned.asked().first().unwrap()).unwrap();
    assert_eq!((&asked["MessageBody"], &asked["QueueUrl"]), (&"payload".into(), &url.into()));
    assert_eq!(asked["MessageAttributes"]["trace"]["StringValue"], "1-2");
    assert!(matches!(queue.send(url, "payload", &[]).await, Err(QueueError::Rejected(_))));
    assert!(matches!(queue.send(url, "payload", &[]).await, Err(QueueError::Unavailable(_))));
}

#[tokio::test]
async fn each_event_has_its_own_result() {
    let canned = Canned::new([
        Some((
            200,
            r#"{"FailedEntryCount":2,"Entries":[{"EventId":"1"},{"ErrorCode":"ThrottlingException"},{"ErrorCode":"InternalFailure"},
               {"ErrorCode":"MalformedDetail"},{"EventId":"5"},{"EventId":"6"},{"EventId":"7"},{"EventId":"8"},{"EventId":"9"}]}"#,
        )),
        Some((400, r#"{"__type":"ResourceNotFoundException"}"#)),
        Some((500, "")),
    ]);
    let bus = Bus::new(client!(aws_sdk_eventbridge, canned), "main".to_owned());
    let event = |n: usize| BusEvent {
        source: "sutler.orders".to_owned(),
        detail_type: "order_paid".to_owned(),
        detail: format!("{{\"n\":{n}}}"),
        trace_header: None,
    };
    let results = bus.publish(&(0..21).map(event).collect::<Vec<_>>()).await;
    let kinds = results.iter().map(|result| match result {
        Ok(()) => '.',
        Err(PublishError::Unavailable(_)) => 'u',
        Err(PublishError::Rejected(_)) => 'r',
    });
    // The tenth has no result at all, the next ten share a refusal, the last one an outage.
    assert_eq!(kinds.collect::<String>(), ".uur.....urrrrrrrrrru");
    assert!(canned.asked().iter().all(|asked| asked.contains("\"EventBusName\":\"main\"")));
    assert!(bus.publish(&[]).await.is_empty());
}

#[tokio::test]
async fn a_secret_is_read_once_while_it_is_fresh() {
    let canned = Canned::new([
        Some((200, r#"{"SecretString":"one"}"#)),
        Some((200, r#"{"SecretString":"two"}"#)),
        Some((200, r#"{"VersionId":"v"}"#)),
        Some((200, r#"{"SecretString":"four"}"#)),
    ]);
    let secrets = Secrets::new(client!(aws_sdk_secretsmanager, canned), 300);
    for (now, text, calls) in [(1000, "one", 1), (1299, "one", 1), (1300, "two", 2)] {
        assert_eq!(secrets.get("key", now).await.unwrap().expose(), text);
        assert_eq!(canned.asked().len(), calls);
    }
    secrets.put("key", &Secret::new("three"), "rotation_01J8ZQ5K3N0V7X2Y4T6B8D9FGH", 1400).await.unwrap();
    assert!(canned.asked().concat().contains("rotation_01J8ZQ5K3N0V7X2Y4T6B8D9FGH"));
    assert_eq!(secrets.get("key", 1401).await.unwrap().expose(), "three");
    // A clock that went back does not keep a secret alive.
    assert_eq!(secrets.get("key", 900).await.unwrap().expose(), "four");
}

#[tokio::test]
async fn a_missing_secret_is_told_from_an_outage_and_neither_is_cached() {
    let canned = Canned::new([
        Some((400, r#"{"__type":"ResourceNotFoundException"}"#)),
        Some((400, r#"{"__type":"ThrottlingException"}"#)),
        None,
        Some((200, r#"{"SecretBinary":"AA=="}"#)),
        Some((200, r#"{"SecretString":"one"}"#)),
    ]);
    let secrets = Secrets::new(client!(aws_sdk_secretsmanager, canned), 300);
    assert!(matches!(secrets.get("key", 1).await, Err(SecretsError::Missing)));
    assert!(matches!(secrets.get("key", 1).await, Err(SecretsError::Unavailable(_))));
    assert!(matches!(secrets.get("key", 1).await, Err(SecretsError::Unavailable(_))));
    assert!(matches!(secrets.get("key", 1).await, Err(SecretsError::Missing)));
    assert_eq!(secrets.get("key", 1).await.unwrap().expose(), "one");
}
