//! The stand-in of Stripe, called as a backend and a browser would.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail them"
)]

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, body::Bytes};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use sutler_providers::{
    Providers,
    stripe::{Answer, Challenge, Emit, Fault, Order, RefundStatus, WebhookChanges, signature},
};
use tokio::{net::TcpListener, sync::Mutex};

const SECRET: &str = "whsec_test";
const CREATE: &str = "amount=2599&currency=usd&metadata[order_id]=ord_1&metadata[attempt]=1";
const PATIENCE: Duration = Duration::from_secs(10);

/// What a call was answered with; `None` when the connection was dropped.
type Answered = Option<(u16, Value)>;

struct Caller {
    url: String,
    api_key: &'static str,
}

impl Caller {
    fn backend(providers: &Providers) -> Self {
        Self { url: providers.stripe_url(), api_key: "sk_test_1" }
    }

    fn browser(providers: &Providers) -> Self {
        Self { url: providers.stripe_url(), api_key: "pk_test_1" }
    }

    async fn send(&self, method: Method, path: &str, key: Option<&str>, form: &str) -> Answered {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.api_key))
            .header("content-type", "application/x-www-form-urlencoded");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = client.request(request.body(Full::from(form.to_owned())).unwrap()).await.ok()?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    async fn post(&self, path: &str, form: &str) -> (u16, Value) {
        self.send(Method::POST, path, None, form).await.unwrap()
    }

    async fn keyed(&self, path: &str, key: &str, form: &str) -> Answered {
        self.send(Method::POST, path, Some(key), form).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(Method::GET, path, None, "").await.unwrap()
    }

    async fn intent(&self) -> String {
        let (status, intent) = self.post("/v1/payment_intents", CREATE).await;
        assert_eq!(status, 200, "{intent}");
        text(&intent, "/id").to_owned()
    }

    async fn paid(&self) -> String {
        let id = self.intent().await;
        let (status, intent) = self.confirm(&id, "pm_card_visa").await;
        assert_eq!((status, text(&intent, "/status")), (200, "succeeded"));
        id
    }

    async fn confirm(&self, id: &str, card: &str) -> (u16, Value) {
        self.post(&format!("/v1/payment_intents/{id}/confirm"), &format!("payment_method={card}")).await
    }

    async fn refund(&self, intent: &str, amount: u64) -> (u16, Value) {
        self.post("/v1/refunds", &format!("payment_intent={intent}&amount={amount}")).await
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

/// A webhook that checks signatures and remembers what came.
struct Hook {
    url: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    events: Mutex<Vec<(String, String)>>,
    refusals: Mutex<u32>,
}

impl Hook {
    async fn start(refusals: u32) -> Self {
        let seen = Arc::new(Seen { refusals: Mutex::new(refusals), ..Seen::default() });
        let router = Router::new().route("/hook", post(receive)).with_state(seen.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    async fn kinds(&self) -> Vec<String> {
        self.seen.events.lock().await.iter().map(|(_, kind)| kind.clone()).collect()
    }
}

async fn receive(State(seen): State<Arc<Seen>>, headers: HeaderMap, body: String) -> StatusCode {
    let header = headers["stripe-signature"].to_str().unwrap();
    let at = header.strip_prefix("t=").unwrap().split(',').next().unwrap().parse().unwrap();
    if header != signature(SECRET, at, &body) {
        return StatusCode::BAD_REQUEST;
    }
    let mut refusals = seen.refusals.lock().await;
    if *refusals > 0 {
        *refusals = refusals.saturating_sub(1);
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let event: Value = serde_json::from_str(&body).unwrap();
    seen.events.lock().await.push((text(&event, "/id").to_owned(), text(&event, "/type").to_owned()));
    StatusCode::OK
}

#[tokio::test]
async fn a_card_that_works_is_charged_once() {
    let providers = Providers::start().await.unwrap();
    let stripe = Caller::backend(&providers);
    let id = stripe.paid().await;
    let (_, intent) = stripe.get(&format!("/v1/payment_intents/{id}")).await;
    assert_eq!(intent["amount_received"], 2599);
    assert_eq!(intent["metadata"], json!({"order_id": "ord_1", "attempt": "1"}));
    let (status, error) = stripe.confirm(&id, "pm_card_visa").await;
    assert_eq!((status, text(&error, "/error/code")), (400, "payment_intent_unexpected_state"));
    assert_eq!(providers.stripe().snapshot().charges.len(), 1);
}

#[tokio::test]
async fn a_declined_card_leaves_the_intent_payable() {
    let providers = Providers::start().await.unwrap();
    let stripe = Caller::backend(&providers);
    let id = stripe.intent().await;
    let (status, error) = stripe.confirm(&id, "pm_card_chargeDeclined").await;
    assert_eq!((status, text(&error, "/error/code")), (402, "card_declined"));
    assert_eq!(text(&error, "/error/decline_code"), "generic_decline");
    assert_eq!(text(&error, "/error/payment_intent/status"), "requires_payment_method");
    assert_eq!(text(&error, "/error/payment_intent/last_payment_error/code"), "card_declined");
    assert_eq!(stripe.confirm(&id, "pm_card_visa").await.0, 200);
}

#[tokio::test]
async fn a_challenge_is_passed_or_failed() {
    let providers = Providers::start().await.unwrap();
    let stripe = Caller::backend(&providers);
    let id = stripe.intent().await;
    for (challenge, after) in
        [(Challenge::Failed, "requires_payment_method"), (Challenge::Passed, "succeeded")]
    {
        let (status, intent) = stripe.confirm(&id, "pm_card_authenticationRequired").await;
        assert_eq!((status, text(&intent, "/status")), (200, "requires_action"));
        let intent = providers.stripe().authenticate(&id, challenge).unwrap();
        assert_eq!(text(&intent, "/status"), after);
    }
    assert!(providers.stripe().authenticate(&id, Challenge::Passed).is_err());
}

#[tokio::test]
async fn a_browser_needs_the_client_secret_and_may_do_little() {
    let providers = Providers::start().await.unwrap();
    let id = Caller::backend(&providers).intent().await;
    let secret = providers.stripe().snapshot().intents[0].client_secret.clone();
    let browser = Caller::browser(&providers);
    let confirm = format!("/v1/payment_intents/{id}/confirm");
    assert_eq!(browser.post(&confirm, "payment_method=pm_card_visa").await.0, 400);
    assert_eq!(browser.post(&confirm, "payment_method=pm_card_visa&client_secret=other").await.0, 400);
    let cheaper = format!("payment_method=pm_card_visa&client_secret={secret}&amount=1");
    assert_eq!(browser.post(&confirm, &cheaper).await.0, 400);
    let form = format!("payment_method=pm_card_visa&client_secret={secret}");
    assert_eq!(browser.post(&confirm, &form).await.0, 200);
    assert_eq!(browser.post("/v1/payment_intents", CREATE).await.0, 401);
    assert_eq!(browser.refund(&id, 1).await.0, 401);
    let stranger = Caller { api_key: "sk_live_1", ..browser };
    assert_eq!(stranger.get(&format!("/v1/payment_intents/{id}")).await.0, 401);
}

#[tokio::test]
async fn what_stripe_refuses_is_refused() {
    let providers = Providers::start().await.unwrap();
    let stripe = Caller::backend(&providers);
    for (form, code) in [
        ("currency=usd", "parameter_missing"),
        ("amount=2599", "parameter_missing"),
        ("amount=0&currency=usd", "parameter_invalid_integer"),
        ("amount=-5&currency=usd", "parameter_invalid_integer"),
        ("amount=12.5&currency=usd", "parameter_invalid_integer"),
        ("amount=49&currency=usd", "amount_too_small"),
        ("amount=100000000&currency=usd", "amount_too_large"),
        ("amount=100&currency=xxx", "parameter_invalid_empty"),
    ] {
        let (status, error) = stripe.post("/v1/payment_intents", form).await;
        assert_eq!((status, text(&error, "/error/code")), (400, code), "{form}");
    }
    let (status, error) = stripe.get("/v1/payment_intents/pi_none").await;
    assert_eq!((status, text(&error, "/error/code")), (404, "resource_missing"));
    assert_eq!(stripe.post("/v1/nothing", "").await.0, 404);
    let paid = stripe.paid().await;
    let (status, error) = stripe.post(&format!("/v1/payment_intents/{paid}/cancel"), "").await;
    assert_eq!((status, text(&error, "/error/code")), (400, "payment_intent_unexpected_state"));
    let open = stripe.intent().await;
    assert_eq!(stripe.refund(&open, 1).await.0, 400);
    assert_eq!(stripe.confirm(&open, "pm_card_unknown").await.0, 400);
    assert_eq!(stripe.post(&format!("/v1/payment_intents/{open}/confirm"), "").await.0, 400);
    assert_eq!(stripe.post(&format!("/v1/payment_intents/{open}/cancel"), "").await.0, 200);
    assert_eq!(stripe.confirm(&open, "pm_card_visa").await.0, 400);
}

#[tokio::test]
async fn refunds_never_exceed_the_charge() {
    let providers = Providers::start().await.unwrap();
    let stripe = Caller::backend(&providers);
    let id = stripe.paid().await;
    assert_eq!(stripe.refund(&id, 2000).await.0, 200);
    assert_eq!(stripe.refund(&id, 600).await.0, 400);
    let (status, rest) = stripe.post("/v1/refunds", &format!("payment_intent={id}")).await;
    assert_eq!((status, rest["amount"].as_u64()), (200, Some(599)));
    let (status, error) = stripe.refund(&id, 1).await;
    assert_eq!((status, text(&error, "/error/code")), (400, "charge_already_refunded"));
    let (status, again) = stripe.get(&format!("/v1/refunds/{}", text(&rest, "/id"))).await;
    assert_eq!((status, again), (200, rest.clone()));
    providers.stripe().settle(text(&rest, "/id"), RefundStatus::Failed).unwrap();
    assert_eq!(stripe.refund(&id, 599).await.0, 200);
}

#[tokio::test]
async fn a_key_answers_the_same_again_and_refuses_another_body() {
    let providers = Providers::start().await.unwrap();
    let stripe = Caller::backend(&providers);
    let first = stripe.keyed("/v1/payment_intents", "k", CREATE).await;
    let reordered = "metadata[attempt]=1&metadata[order_id]=ord_1&currency=usd&amount=2599";
    assert_eq!(stripe.keyed("/v1/payment_intents", "k", reordered).await, first);
    let (status, error) = stripe.keyed("/v1/payment_intents", "k", "amount=1&currency=usd").await.unwrap();
    assert_eq!((status, text(&error, "/error/type")), (400, "idempotency_error"));
    let (status, error) = stripe.keyed("/v1/refunds", "k", CREATE).await.unwrap();
    assert_eq!((status, text(&error, "/error/type")), (400, "idempotency_error"));
    assert_eq!(providers.stripe().snapshot().intents.len(), 1);
    // A call that never ran leaves its key free.
    assert_eq!(stripe.keyed("/v1/payment_intents", "k2", "amount=1&currency=usd").await.unwrap().0, 400);
    assert_eq!(stripe.keyed("/v1/payment_intents", "k2", CREATE).await.unwrap().0, 200);
}

#[tokio::test]
async fn faults_strike_before_and_after_the_effect() {
    let providers = Providers::start().await.unwrap();
    let (stripe, control) = (Caller::backend(&providers), providers.stripe());
    let intents = || control.snapshot().intents.len();
    let create = async |key| stripe.keyed("/v1/payment_intents", key, CREATE).await;

    control.inject(Fault::new(Answer::Status(503)));
    assert_eq!(create("a").await.unwrap().0, 503);
    assert_eq!(intents(), 0);
    control.inject(Fault::new(Answer::Drop));
    assert_eq!(create("a").await, None);
    assert_eq!(intents(), 0);
    control.inject(Fault::new(Answer::Drop).after_effect());
    assert_eq!(create("a").await, None);
    assert_eq!(intents(), 1);
    assert_eq!(create("a").await.unwrap().0, 200);
    assert_eq!(intents(), 1);
    control.inject(Fault::new(Answer::Status(500)).after_effect().kept());
    assert_eq!(create("b").await.unwrap().0, 500);
    assert_eq!(create("b").await.unwrap().0, 500, "Stripe keeps its own errors under the key");
    assert_eq!(intents(), 2);
}

#[tokio::test]
async fn a_slow_call_takes_effect_even_when_its_caller_left() {
    let providers = Providers::start().await.unwrap();
    let stripe = Caller::backend(&providers);
    providers.stripe().inject(Fault::slow(300));
    let impatient = stripe.keyed("/v1/payment_intents", "k", CREATE);
    assert!(tokio::time::timeout(Duration::from_millis(100), impatient).await.is_err());
    let (status, error) = stripe.keyed("/v1/payment_intents", "k", CREATE).await.unwrap();
    assert_eq!((status, text(&error, "/error/code")), (409, "idempotency_key_in_use"));
    let mut last = status;
    while last == 409 {
        last = stripe.keyed("/v1/payment_intents", "k", CREATE).await.unwrap().0;
    }
    assert_eq!((last, providers.stripe().snapshot().intents.len()), (200, 1));
}

#[tokio::test]
async fn events_are_signed_and_delivered() {
    let (providers, hook) = (Providers::start().await.unwrap(), Hook::start(0).await);
    let (stripe, control) = (Caller::backend(&providers), providers.stripe());
    control.set_webhook(&hook.url, SECRET);
    let id = stripe.paid().await;
    stripe.refund(&id, 100).await;
    assert!(control.settled(PATIENCE).await);
    let mut kinds = hook.kinds().await;
    kinds.sort();
    let expected = [
        "charge.refunded",
        "charge.succeeded",
        "payment_intent.created",
        "payment_intent.succeeded",
        "refund.created",
        "refund.updated",
    ];
    assert_eq!(kinds, expected);
    assert!(control.events().iter().all(sutler_providers::stripe::EventRecord::is_delivered));
}

#[tokio::test]
async fn deliveries_are_repeated_until_answered_and_given_up_at_last() {
    let (providers, hook) = (Providers::start().await.unwrap(), Hook::start(2).await);
    let (stripe, control) = (Caller::backend(&providers), providers.stripe());
    control.set_webhook(&hook.url, SECRET);
    let changes = WebhookChanges { backoff_ms: Some(1), tries_max: Some(3), ..WebhookChanges::default() };
    control.configure_webhook(changes);
    stripe.intent().await;
    assert!(control.settled(PATIENCE).await);
    assert_eq!(control.events()[0].attempts.len(), 3);
    assert_eq!(hook.kinds().await, ["payment_intent.created"]);
    control.set_webhook("http://127.0.0.1:9/nobody", SECRET);
    stripe.intent().await;
    assert!(control.settled(PATIENCE).await);
    let last = control.events().pop().unwrap();
    assert_eq!((last.attempts.len(), last.is_delivered()), (3, false));
}

#[tokio::test]
async fn an_event_is_delivered_several_times_in_parallel() {
    let (providers, hook) = (Providers::start().await.unwrap(), Hook::start(0).await);
    let (stripe, control) = (Caller::backend(&providers), providers.stripe());
    control.set_webhook(&hook.url, SECRET);
    control.configure_webhook(WebhookChanges {
        copies: Some(3),
        spread_ms: Some(5),
        ..WebhookChanges::default()
    });
    stripe.intent().await;
    assert!(control.settled(PATIENCE).await);
    let event = control.events()[0].id.clone();
    assert_eq!(hook.kinds().await.len(), 3);
    assert!(control.redeliver(&event, 2));
    assert!(control.settled(PATIENCE).await);
    let events = hook.seen.events.lock().await;
    assert_eq!(events.len(), 5);
    assert!(events.iter().all(|(id, _)| *id == event));
}

#[tokio::test]
async fn held_events_are_released_in_reverse_or_never() {
    let (providers, hook) = (Providers::start().await.unwrap(), Hook::start(0).await);
    let (stripe, control) = (Caller::backend(&providers), providers.stripe());
    control.set_webhook(&hook.url, SECRET);
    control.configure_webhook(WebhookChanges { hold: Some(true), ..WebhookChanges::default() });
    stripe.paid().await;
    assert!(control.settled(PATIENCE).await);
    assert!(hook.kinds().await.is_empty());
    control.release(Order::Reversed);
    assert!(control.settled(PATIENCE).await);
    assert_eq!(
        hook.kinds().await,
        ["payment_intent.succeeded", "charge.succeeded", "payment_intent.created"]
    );
    control.configure_webhook(WebhookChanges { hold: Some(true), ..WebhookChanges::default() });
    stripe.intent().await;
    control.discard_held();
    control.release(Order::AsEmitted);
    assert!(control.settled(PATIENCE).await);
    assert_eq!(hook.kinds().await.len(), 3);
}

#[tokio::test]
async fn an_event_made_by_hand_may_lie() {
    let (providers, hook) = (Providers::start().await.unwrap(), Hook::start(0).await);
    let (stripe, control) = (Caller::backend(&providers), providers.stripe());
    control.configure_webhook(WebhookChanges { tries_max: Some(1), ..WebhookChanges::default() });
    let id = stripe.intent().await;
    control.set_webhook(&hook.url, SECRET);
    let lie = Emit {
        kind: "payment_intent.succeeded".to_owned(),
        intent: Some(id),
        object: Some(json!({"amount_received": 1, "currency": "eur", "status": "succeeded"})),
        ..Emit::default()
    };
    control.emit_by_hand(lie.clone()).unwrap();
    control.emit_by_hand(Emit { secret: Some("whsec_other".to_owned()), ..lie }).unwrap();
    assert!(control.settled(PATIENCE).await);
    let events = control.events();
    assert_eq!(events[1].body["data"]["object"]["amount_received"], 1);
    assert_eq!(events[1].body["data"]["object"]["metadata"]["order_id"], "ord_1");
    assert_eq!((events[1].is_delivered(), events[2].is_delivered()), (true, false));
}

#[tokio::test]
async fn the_controls_work_over_http_and_refuse_typos() {
    let (providers, hook) = (Providers::start().await.unwrap(), Hook::start(0).await);
    let stripe = Caller::backend(&providers);
    let control = async |method: Method, path: &str, body: Value| {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let request = Request::builder().method(method).uri(format!("{}/_test/{path}", providers.base_url()));
        let request = request.header("content-type", "application/json");
        let response =
            client.request(request.body(Full::<Bytes>::from(body.to_string())).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    };
    let settings = json!({"url": hook.url, "secret": SECRET, "copies": 2});
    assert_eq!(control(Method::POST, "stripe/webhook", settings).await.0, 200);
    assert_eq!(control(Method::POST, "stripe/webhook", json!({"urll": ""})).await.0, 422);
    let fault = json!({"operation": "create_intent", "when": "after", "answer": {"status": 500}});
    assert_eq!(control(Method::POST, "stripe/faults", fault).await.0, 200);
    assert_eq!(stripe.post("/v1/payment_intents", CREATE).await.0, 500);
    assert_eq!(stripe.post("/v1/payment_intents", CREATE).await.0, 200);
    assert_eq!(control(Method::POST, "stripe/settled", json!({})).await.1, json!({"settled": true}));
    let (_, state) = control(Method::GET, "stripe/state", json!({})).await;
    assert_eq!(state["intents"].as_array().unwrap().len(), 2);
    assert_eq!(state["calls"]["create_intent"], 2);
    assert_eq!(state["events"][1]["attempts"].as_array().unwrap().len(), 2);
    let id = text(&state, "/intents/1/id");
    stripe.confirm(id, "pm_card_authenticationRequired").await;
    let answer = json!({"outcome": "passed"});
    let (status, intent) = control(Method::POST, &format!("stripe/intents/{id}/authenticate"), answer).await;
    assert_eq!((status, text(&intent, "/status")), (200, "succeeded"));
    assert_eq!(control(Method::POST, "reset", json!({})).await.0, 200);
    let (_, state) = control(Method::GET, "stripe/state", json!({})).await;
    assert_eq!((&state["intents"], &state["webhook"]["url"]), (&json!([]), &json!(hook.url)));
}

#[tokio::test]
async fn a_stopped_stand_in_gives_its_port_back() {
    let providers = Providers::start().await.unwrap();
    let address = providers.base_url().strip_prefix("http://").unwrap().parse().unwrap();
    providers.stop(PATIENCE).await;
    Providers::bind(address).await.unwrap();
}
