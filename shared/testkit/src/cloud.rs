//! Secrets Manager and SQS inside the process, beneath the real SDK clients and our adapters.

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
use sutler_gateways::{queue::Queue, secrets::Secrets};

/// A message as it was queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Where.
    pub queue_url: String,
    /// What.
    pub body: String,
}

/// Some secrets and some queues. Clones share everything.
#[derive(Debug, Clone, Default)]
pub struct TestCloud(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    secrets: BTreeMap<String, String>,
    queued: Vec<Queued>,
    faults: VecDeque<u16>,
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
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panicked while it held the cloud")
    }

    /// Sets the secret `id`.
    pub fn set_secret(&self, id: &str, text: &str) {
        self.state().secrets.insert(id.to_owned(), text.to_owned());
    }

    /// Makes the next call fail with an HTTP status.
    pub fn fail(&self, status: u16) {
        self.state().faults.push_back(status);
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
        self.calls = self.calls.saturating_add(1);
        if let Some(status) = self.faults.pop_front() {
            return (status, json!({ "__type": "InternalFailure" }));
        }
        let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match operation {
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
}

impl HttpConnector for TestCloud {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").unwrap_or_default();
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
