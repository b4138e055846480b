//! The SDK's HTTP client that never leaves the process.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::{
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use dynoxide::Database;
use serde_json::{Map, Value, json};
use sutler_domain::time::Clock;

use crate::{
    FakeClock,
    capacity::{Call, Meter, Units, consumed},
    engine::{self, Operation},
    faults::{Fault, Faults, Moment, Plan},
    views::Views,
    wiretap::Wiretap,
};

/// What the clones of a test database share on the wire.
pub(crate) struct Wire {
    pub(crate) engine: Database,
    pub(crate) clock: FakeClock,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) meter: Mutex<Meter>,
    pub(crate) views: Mutex<Views>,
    pub(crate) tap: Mutex<Option<Arc<dyn Wiretap>>>,
}

/// The SDK's view of [`Wire`].
#[derive(Clone)]
pub(crate) struct Connector(pub(crate) Arc<Wire>);

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpClient for Connector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wire = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move { wire.answer(&request).await })
    }
}

/// How long a request is on its way at most: no client waits for longer.
const ON_THE_WAY_SECONDS_MAX: i64 = 60;

/// What became of a request.
struct Reply {
    status: u16,
    body: Value,
    error: Option<String>,
    units: (Units, Units),
}

impl Wire {
    async fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let operation = request.headers().get("x-amz-target").and_then(Operation::of_target);
        let body = request.body().bytes().and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
        let (Some(operation), Some(mut body)) = (operation, body) else {
            let error = json!({ "__type": "com.amazon.coral.service#UnknownOperationException" });
            return Ok(response(400, &error));
        };
        let tap = lock(&self.tap).clone();
        let plan = match &tap {
            Some(tap) => Plan { strike: tap.request(operation, &mut body), pauses: (1, 1) },
            None => lock(&self.faults).decide(operation, &body),
        };
        let sent = self.clock.now();
        pause(plan.pauses.0).await;
        let outcome = if self.clock.now() > sent.plus_seconds(ON_THE_WAY_SECONDS_MAX) {
            let nothing = (Units::default(), Units::default());
            Err((nothing, ConnectorError::timeout("the request took too long".into())))
        } else {
            self.carry_out(operation, &body, &plan).await
        };
        let (units, error) = match &outcome {
            Ok(reply) => (reply.units, reply.error.clone()),
            Err((units, error)) => {
                (*units, Some(if error.is_timeout() { "timed out" } else { "dropped" }.to_owned()))
            }
        };
        if let Some(tap) = &tap {
            tap.answer(operation, error.as_deref());
        }
        let items = engine::items(operation, &body);
        lock(&self.meter).calls.push(Call { operation, items, read: units.0, write: units.1, error });
        pause(plan.pauses.1).await;
        outcome.map(|reply| response(reply.status, &reply.body)).map_err(|(_, error)| error)
    }

    async fn carry_out(
        &self,
        operation: Operation,
        body: &Value,
        plan: &Plan,
    ) -> Result<Reply, ((Units, Units), ConnectorError)> {
        let nothing = (Units::default(), Units::default());
        if let Some(fault) = plan.at(Moment::Before)
            && let Some(reply) = self.strike(fault, operation, body, nothing).await?
        {
            return Ok(reply);
        }
        let reply = match plan.strike {
            Some((_, Fault::Unprocessed)) => {
                self.run_first(engine::items(operation, body).div_euclid(2), operation, body)
            }
            Some((_, Fault::CutShort(keys))) => self.run_first(keys, operation, body),
            _ => self.run(operation, body, matches!(plan.strike, Some((_, Fault::Stale)))),
        };
        if let Some(fault) = plan.at(Moment::After)
            && let Some(lost) = self.strike(fault, operation, body, reply.units).await?
        {
            return Ok(lost);
        }
        Ok(reply)
    }

    /// Applies a fault; without an answer of its own the request goes on.
    async fn strike(
        &self,
        fault: &Fault,
        operation: Operation,
        body: &Value,
        units: (Units, Units),
    ) -> Result<Option<Reply>, ((Units, Units), ConnectorError)> {
        match fault {
            Fault::Dropped => Err((units, ConnectorError::io("the connection was reset".into()))),
            Fault::TimedOut => Err((units, ConnectorError::timeout("no answer in time".into()))),
            Fault::Killed => std::future::pending().await,
            Fault::Slow(delay) => {
                self.clock.advance(*delay);
                Ok(None)
            }
            Fault::Throttled
            | Fault::InternalError
            | Fault::Conflict
            | Fault::Cancelled(_)
            | Fault::Stale
            | Fault::CutShort(_)
            | Fault::Unprocessed => Ok(fault.answer(operation, body).map(|(status, name, body)| Reply {
                status,
                body,
                error: Some(name.to_owned()),
                units,
            })),
        }
    }

    /// Asks the engine, always for the consumed capacity, and shows that only to a caller who asked too.
    fn run(&self, operation: Operation, body: &Value, stale: bool) -> Reply {
        let mut asked = body.clone();
        if let Some(token) = asked.get_mut("ClientRequestToken") {
            *token = json!(lock(&self.views).token(token.as_str().unwrap_or_default(), self.clock.now()));
        }
        let quiet =
            operation.metered() && body.get("ReturnConsumedCapacity").is_none_or(|mode| mode == "NONE");
        if let (true, Some(fields)) = (quiet, asked.as_object_mut()) {
            fields.insert("ReturnConsumedCapacity".to_owned(), json!("TOTAL"));
        }
        match engine::run(&self.engine, operation, &asked) {
            Ok(mut answer) => {
                if operation == Operation::Query && body.get("ConsistentRead") != Some(&json!(true)) {
                    answer = lock(&self.views).query(body, answer, stale);
                }
                let units = consumed(operation, &answer);
                if let (true, Some(fields)) = (quiet, answer.as_object_mut()) {
                    fields.remove("ConsumedCapacity");
                }
                Reply { status: 200, body: answer, error: None, units }
            }
            Err(error) => {
                let kind = error.error_type();
                let name = kind.rsplit_once('#').map_or(kind, |(_, name)| name);
                Reply {
                    status: error.status_code(),
                    body: serde_json::from_str(&error.to_json()).unwrap_or_default(),
                    error: Some(name.to_owned()),
                    units: (Units::default(), Units::default()),
                }
            }
        }
    }

    /// Carries out the first `room` keys of a batch read and gives the others back.
    fn run_first(&self, mut room: usize, operation: Operation, body: &Value) -> Reply {
        let (mut taken, mut left) = (Map::new(), Map::new());
        for (table, request) in body.get("RequestItems").and_then(Value::as_object).into_iter().flatten() {
            let keys = request.get("Keys").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let (now, later) = keys.split_at(room.min(keys.len()));
            room = room.saturating_sub(now.len());
            for (keys, part) in [(now, &mut taken), (later, &mut left)] {
                if let (false, Some(fields)) = (keys.is_empty(), request.as_object()) {
                    let mut fields = fields.clone();
                    fields.insert("Keys".to_owned(), json!(keys));
                    part.insert(table.clone(), Value::Object(fields));
                }
            }
        }
        let mut reply = if taken.is_empty() {
            let units = (Units::default(), Units::default());
            Reply { status: 200, body: json!({ "Responses": {} }), error: None, units }
        } else {
            let mut first = body.clone();
            if let Some(fields) = first.as_object_mut() {
                fields.insert("RequestItems".to_owned(), Value::Object(taken));
            }
            self.run(operation, &first, false)
        };
        if let (None, Some(fields)) = (&reply.error, reply.body.as_object_mut()) {
            fields.insert("UnprocessedKeys".to_owned(), Value::Object(left));
        }
        reply
    }
}

/// Takes a lock that no holder leaves in a broken state.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) async fn pause(times: u64) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

fn response(status: u16, body: &Value) -> HttpResponse {
    let status = StatusCode::try_from(status).expect("a status code");
    let mut response = HttpResponse::new(status, SdkBody::from(body.to_string()));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    response
}
