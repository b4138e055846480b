//! The calls under `/stripe/v1/`: who calls, what they call, once per idempotency key.

use axum::{
    Router,
    body::Bytes,
    extract::State as Shared,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header::AUTHORIZATION},
    response::Response,
    routing::any,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::{
    Fault, Operation, State, Stripe,
    error::Refusal,
    form::Form,
    idempotency::{self, Begun},
};
use crate::{
    courier::wait,
    faults::{Answer, When, injected},
    server::{respond, to_its_end},
};

pub(crate) fn router(stripe: &Stripe) -> Router {
    Router::new().route("/stripe/v1/{*path}", any(handle)).with_state(stripe.clone())
}

/// One call, read but not yet judged.
struct Call {
    operation: Operation,
    path: String,
    id: String,
    form: Form,
    key: Option<String>,
    publishable: bool,
}

async fn handle(
    Shared(stripe): Shared<Stripe>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    to_its_end(async move {
        match Call::read(&method, &uri, &headers, &body) {
            Ok(call) => stripe.serve(&call).await,
            Err(refusal) => respond(refusal.status(), &refusal.body()),
        }
    })
    .await
}

impl Call {
    fn read(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let form = if method == Method::GET {
            Form::parse(uri.query().unwrap_or_default().as_bytes())
        } else {
            Form::parse(body)
        };
        let api_key = api_key(headers, &form);
        let publishable = match api_key.as_deref() {
            Some(key) if key.starts_with("sk_test_") || key.starts_with("rk_test_") => false,
            Some(key) if key.starts_with("pk_test_") => true,
            Some(_) => {
                return Err(Refusal::unauthorised("Invalid API Key provided: only test keys work here."));
            }
            None => return Err(Refusal::unauthorised("You did not provide an API key.")),
        };
        let (operation, id) = operation(method, uri.path())?;
        let browser = matches!(operation, Operation::RetrieveIntent | Operation::ConfirmIntent);
        if publishable && !browser {
            let message =
                "This API call cannot be made with a publishable API key. Please use a secret API key.";
            return Err(Refusal::unauthorised(message));
        }
        let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok());
        let key = key.filter(|_| method == Method::POST).map(str::to_owned);
        Ok(Self { operation, path: uri.path().to_owned(), id, form, key, publishable })
    }
}

fn operation(method: &Method, path: &str) -> Result<(Operation, String), Refusal> {
    let parts: Vec<&str> = path.trim_start_matches("/stripe/v1/").split('/').collect();
    let (operation, id) = match (method.as_str(), parts.as_slice()) {
        ("POST", ["payment_intents"]) => (Operation::CreateIntent, ""),
        ("GET", ["payment_intents", id]) => (Operation::RetrieveIntent, *id),
        ("POST", ["payment_intents", id, "confirm"]) => (Operation::ConfirmIntent, *id),
        ("POST", ["payment_intents", id, "cancel"]) => (Operation::CancelIntent, *id),
        ("POST", ["checkout", "sessions"]) => (Operation::CreateSession, ""),
        ("GET", ["checkout", "sessions", id]) => (Operation::RetrieveSession, *id),
        ("POST", ["checkout", "sessions", id, "expire"]) => (Operation::ExpireSession, *id),
        ("POST", ["refunds"]) => (Operation::CreateRefund, ""),
        ("GET", ["refunds", id]) => (Operation::RetrieveRefund, *id),
        ("GET", ["charges", id]) => (Operation::RetrieveCharge, *id),
        ("GET", ["events", id]) => (Operation::RetrieveEvent, *id),
        _ => return Err(Refusal::url()),
    };
    Ok((operation, id.to_owned()))
}

/// The key from wherever Stripe accepts it: bearer token, basic user name, or a browser's form field.
fn api_key(headers: &HeaderMap, form: &Form) -> Option<String> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(header) = header else { return form.text("key").map(str::to_owned) };
    if let Some(token) = header.strip_prefix("Bearer ") {
        return Some(token.to_owned());
    }
    let pair = BASE64_STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    Some(String::from_utf8(pair).ok()?.split(':').next()?.to_owned())
}

impl Stripe {
    async fn serve(&self, call: &Call) -> Response {
        let (fault, begun) = {
            let fault = self.arrive(call.operation);
            let mut state = self.state();
            let key = call.key.as_deref();
            (
                fault,
                key.map_or(Ok(Begun::First), |key| {
                    idempotency::begin(&mut state, key, &call.path, &call.form)
                }),
            )
        };
        let (answer, replayed) = match begun {
            Err(refusal) => (respond(refusal.status(), &refusal.body()), false),
            Ok(Begun::Replay(status, body)) => (respond(status, &body), true),
            Ok(Begun::First) if fault.when == When::Before => return self.struck_before(call, fault).await,
            Ok(Begun::First) => (self.run(call, fault), false),
        };
        wait(fault.delay_ms).await;
        injected(fault.answer, Refusal::injected_body).unwrap_or_else(|| marked(answer, replayed))
    }

    /// A fault that comes first: the call runs, late, only when its answer is to be the usual one.
    async fn struck_before(&self, call: &Call, fault: Fault) -> Response {
        wait(fault.delay_ms).await;
        let Some(answer) = injected(fault.answer, Refusal::injected_body) else {
            return self.run(call, fault);
        };
        if let Some(key) = &call.key {
            let mut state = self.state();
            match fault.answer {
                Answer::Status(status) if fault.kept => {
                    idempotency::finish(&mut state, key, status, &Refusal::injected(status).body());
                }
                Answer::Status(_) | Answer::Garbage(_) | Answer::Drop | Answer::Usual => {
                    idempotency::forget(&mut state, key);
                }
            }
        }
        answer
    }

    /// Runs the call and keeps its answer under its key.
    fn run(&self, call: &Call, fault: Fault) -> Response {
        let mut state = self.state();
        let result = self.execute(&mut state, call);
        let (status, body, ran) = match result {
            Ok(body) => (200, body, true),
            Err(refusal) => (refusal.status(), refusal.body(), refusal.ran),
        };
        if let Some(key) = &call.key {
            match fault.answer {
                Answer::Status(status) if fault.kept => {
                    idempotency::finish(&mut state, key, status, &Refusal::injected(status).body());
                }
                Answer::Status(_) | Answer::Garbage(_) | Answer::Drop | Answer::Usual if ran => {
                    idempotency::finish(&mut state, key, status, &body);
                }
                Answer::Status(_) | Answer::Garbage(_) | Answer::Drop | Answer::Usual => {
                    idempotency::forget(&mut state, key);
                }
            }
        }
        respond(status, &body)
    }

    fn execute(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        check_client_secret(state, call)?;
        let (id, form) = (call.id.as_str(), &call.form);
        match call.operation {
            Operation::CreateIntent => self.create_intent(state, form),
            Operation::RetrieveIntent => self.retrieve_intent(state, id),
            Operation::ConfirmIntent => self.confirm_intent(state, id, form),
            Operation::CancelIntent => self.cancel_intent(state, id, form),
            Operation::CreateSession => self.create_session(state, form),
            Operation::RetrieveSession => self.retrieve_session(state, id, form),
            Operation::ExpireSession => self.expire_session(state, id),
            Operation::CreateRefund => self.create_refund(state, form),
            Operation::RetrieveRefund => Self::retrieve_refund(state, id),
            Operation::RetrieveCharge => {
                let charge = state.charges.get(id).ok_or_else(|| Refusal::missing("charge", id))?;
                Ok(charge.json())
            }
            Operation::RetrieveEvent => self.retrieve_event(id),
        }
    }
}

/// A browser proves with the client secret that the intent is its own.
fn check_client_secret(state: &State, call: &Call) -> Result<(), Refusal> {
    let given = call.form.text("client_secret");
    if given.is_none() && !call.publishable {
        return Ok(());
    }
    let Some(intent) = state.intents.get(&call.id) else { return Ok(()) };
    if given == Some(intent.client_secret.as_str()) {
        return Ok(());
    }
    let message = "The client_secret provided does not match the PaymentIntent.";
    Err(Refusal::parameter("client_secret", "payment_intent_invalid_parameter", message))
}

fn marked(mut answer: Response, replayed: bool) -> Response {
    if replayed {
        let name = HeaderName::from_static("idempotent-replayed");
        answer.headers_mut().insert(name, HeaderValue::from_static("true"));
    }
    answer
}
