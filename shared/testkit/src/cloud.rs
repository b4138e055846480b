//! Secrets Manager, SQS, EventBridge, SES and S3 inside the process, beneath the real SDK clients and our adapters.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::{
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::{body::SdkBody, retry::RetryConfig};
use serde_json::{Value, json};
use sutler_gateways::{
    bus::{Bus, BusEvent},
    mail::{Mail, SesMailer},
    queue::Queue,
    secrets::Secrets,
};

use crate::files::FILES_URL;

/// A message as it was queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Where.
    pub queue_url: String,
    /// What.
    pub body: String,
}

/// Some secrets, some queues, a bus, a mail service and some files. Clones share everything.
#[derive(Clone, Default)]
pub struct TestCloud(Arc<Mutex<State>>);

impl std::fmt::Debug for TestCloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestCloud")
    }
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    secrets: BTreeMap<String, String>,
    queued: Vec<Queued>,
    published: Vec<BusEvent>,
    mails: Vec<Mail>,
    faults: VecDeque<Option<u16>>,
    lost_answers: usize,
    refused_events: VecDeque<String>,
    calls: usize,
}

/// A client of one service that asks `$cloud`.
macro_rules! client {
    ($sdk:ident, $cloud:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version($sdk::config::BehaviorVersion::latest())
                .region($sdk::config::Region::from_static("eu-central-1"))
                .credentials_provider(Credentials::new("test", "test", None, None, "testkit"))
                .retry_config(RetryConfig::disabled())
                .http_client($cloud.clone())
                .build(),
        )
    };
}

impl TestCloud {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panicked while it held the cloud")
    }

    /// Sets the secret `id`.
    pub fn set_secret(&self, id: &str, text: &str) {
        self.state().secrets.insert(id.to_owned(), text.to_owned());
    }

    /// Makes the next call fail with an HTTP status.
    pub fn fail(&self, status: u16) {
        self.state().faults.push_back(Some(status));
    }

    /// Lets the next call pass, before faults that are added later.
    pub fn pass(&self) {
        self.state().faults.push_back(None);
    }

    /// Makes the next call take effect and its answer get lost.
    pub fn lose_answer(&self) {
        let mut state = self.state();
        state.lost_answers = state.lost_answers.saturating_add(1);
    }

    /// Makes the bus refuse the next event of this kind, and take the others of the same call.
    pub fn refuse_event(&self, detail_type: &str) {
        self.state().refused_events.push_back(detail_type.to_owned());
    }

    /// Our adapter of EventBridge.
    #[must_use]
    pub fn bus(&self) -> Bus {
        Bus::new(client!(aws_sdk_eventbridge, self), "bus".to_owned())
    }

    /// Our adapter of SES.
    #[must_use]
    pub fn mailer(&self) -> SesMailer {
        SesMailer::new(client!(aws_sdk_sesv2, self), "Shop <shop@example.com>".to_owned())
    }

    /// Everything that was published, oldest first.
    #[must_use]
    pub fn published(&self) -> Vec<BusEvent> {
        self.state().published.clone()
    }

    /// Every mail that was sent, oldest first.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.state().mails.clone()
    }

    /// The secret `id`, if it has a value.
    #[must_use]
    pub fn secret(&self, id: &str) -> Option<String> {
        self.state().secrets.get(id).cloned()
    }

    /// Our adapter of Secrets Manager, which keeps what it reads for `age_s_max` seconds.
    #[must_use]
    pub fn secrets(&self, age_s_max: i64) -> Secrets {
        Secrets::new(client!(aws_sdk_secretsmanager, self), age_s_max)
    }

    /// Our adapter of SQS.
    #[must_use]
    pub fn queue(&self) -> Queue {
        Queue::new(client!(aws_sdk_sqs, self))
    }

    /// Everything that was queued, oldest first.
    #[must_use]
    pub fn queued(&self) -> Vec<Queued> {
        self.state().queued.clone()
    }

    /// How many calls were made in all.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.state().calls
    }
}

impl State {
    fn answer(&mut self, operation: &str, body: &Value) -> (u16, Value) {
        if let Some(status) = self.fault() {
            return (status, json!({ "__type": "InternalFailure" }));
        }
        let answer = self.carry_out(operation, body);
        if self.is_lost() { (500, json!({ "__type": "InternalFailure" })) } else { answer }
    }

    /// The status that the next call fails with before it has an effect.
    pub(crate) fn fault(&mut self) -> Option<u16> {
        self.calls = self.calls.saturating_add(1);
        self.faults.pop_front().flatten()
    }

    /// Whether the answer of the call gets lost after it had its effect.
    pub(crate) fn is_lost(&mut self) -> bool {
        let left = self.lost_answers.checked_sub(1);
        self.lost_answers = left.unwrap_or(0);
        left.is_some()
    }

    fn carry_out(&mut self, operation: &str, body: &Value) -> (u16, Value) {
        let field = |name: &str| text(body, &format!("/{name}"));
        match operation {
            "secretsmanager.PutSecretValue" => {
                self.secrets.insert(field("SecretId"), field("SecretString"));
                (200, json!({ "VersionId": field("ClientRequestToken") }))
            }
            "AWSEvents.PutEvents" => self.put_events(body),
            "/v2/email/outbound-emails" => {
                let content = |part: &str| text(body, &format!("/Content/Simple/{part}/Data"));
                self.mails.push(Mail {
                    to: text(body, "/Destination/ToAddresses/0"),
                    subject: content("Subject"),
                    text: content("Body/Text"),
                    html: content("Body/Html"),
                    tag: text(body, "/EmailTags/0/Value"),
                });
                (200, json!({ "MessageId": self.mails.len().to_string() }))
            }
            "secretsmanager.GetSecretValue" => match self.secrets.get(&field("SecretId")) {
                Some(text) => (200, json!({ "SecretString": text })),
                None => (400, json!({ "__type": "ResourceNotFoundException" })),
            },
            "AmazonSQS.SendMessage" => {
                self.queued.push(Queued { queue_url: field("QueueUrl"), body: field("MessageBody") });
                (200, json!({ "MessageId": self.queued.len().to_string() }))
            }
            _ => (400, json!({ "__type": "UnknownOperationException" })),
        }
    }

    fn put_events(&mut self, body: &Value) -> (u16, Value) {
        let mut results = Vec::new();
        for entry in body.get("Entries").and_then(Value::as_array).into_iter().flatten() {
            let event = BusEvent {
                source: text(entry, "/Source"),
                detail_type: text(entry, "/DetailType"),
                detail: text(entry, "/Detail"),
                trace_header: entry.get("TraceHeader").and_then(Value::as_str).map(str::to_owned),
            };
            if let Some(at) = self.refused_events.iter().position(|kind| *kind == event.detail_type) {
                self.refused_events.remove(at);
                results.push(json!({ "ErrorCode": "InternalFailure" }));
            } else {
                results.push(json!({ "EventId": self.published.len().to_string() }));
                self.published.push(event);
            }
        }
        let failed = results.iter().filter(|result| result.get("ErrorCode").is_some()).count();
        (200, json!({ "FailedEntryCount": failed, "Entries": results }))
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl HttpConnector for TestCloud {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if let Some(path) = request.uri().strip_prefix(FILES_URL) {
            let response = self.state().file_call(path, &request);
            return HttpConnectorFuture::ready(Ok(response));
        }
        // SES is the one that names the operation by a path.
        let path = request.uri().split_once("amazonaws.com").map_or("", |(_, path)| path);
        let operation = request.headers().get("x-amz-target").unwrap_or(path);
        let body = request.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok());
        let (status, answer) = self.state().answer(operation, &body.unwrap_or_default());
        let status = StatusCode::try_from(status).expect("a status code");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(answer.to_string()))))
    }
}

impl HttpClient for TestCloud {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
