//! Requests that nobody should send, made of those that the samples show.

use base64::{Engine, engine::general_purpose::STANDARD};
use lambda_http::{Body, Request, Response};
use proptest::{
    prelude::*,
    sample::Index,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Map, Value, json};
use sutler_http::ApiError;

use crate::TestAnswer;

/// How many requests each handler gets.
const REQUESTS: usize = 150;

/// Hands a handler many broken variants of a sample event, the same in every run, sent by `token`. It may refuse
/// each, and must not fail.
///
/// # Panics
/// When an answer blames us, or is no problem document though it refuses.
pub async fn bombard<H>(sample: &str, token: &str, handle: H)
where
    H: AsyncFn(Request) -> Result<Response<Body>, ApiError>,
{
    let sample: Value = serde_json::from_str(sample).expect("a sample event");
    let mut runner = runner();
    let variants = variant(sample, token.to_owned());
    let mut readable = 0_usize;
    for _ in 0..REQUESTS {
        let event = variants.new_tree(&mut runner).expect("a request").current();
        // What API Gateway itself would not let pass is not for the handler.
        let Ok(request) = lambda_http::request::from_str(&event.to_string()) else { continue };
        readable = readable.saturating_add(1);
        let answer = TestAnswer::read(handle(request).await);
        assert!(answer.status < 500, "{}\n{event}", answer.text);
        assert!(answer.status < 400 || !answer.problem().is_empty(), "{}\n{event}", answer.text);
    }
    assert!(readable > REQUESTS.div_euclid(2), "most requests reach the handler, not only {readable}");
}

/// [`bombard`]s every handler of a package with variants of its own sample.
#[macro_export]
macro_rules! bombard_all {
    ($state:expr, $token:expr; $($handler:ident),+ $(,)?) => {$(
        $crate::bombard(
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/", stringify!($handler), ".json")),
            $token,
            async |request| $handler::handle($state, request).await,
        )
        .await;
    )+};
}

fn runner() -> TestRunner {
    TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// `count` broken variants of a value, the same in every run.
///
/// # Panics
/// Never in practice: nothing is filtered out.
pub fn broken(value: &Value, count: usize) -> impl Iterator<Item = Value> {
    let changes = prop::collection::vec(changes(), 1..3);
    let (mut runner, value) = (runner(), value.clone());
    (0..count).map(move |_| {
        let changes = changes.new_tree(&mut runner).expect("changes").current();
        changes.into_iter().fold(value.clone(), changed)
    })
}

/// Text that parsers stumble over.
fn text() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        3 => prop::sample::select(vec![
            "", " ", "0", "-1", "1e400", "NaN", "null", "\u{0}", "\u{7f}", "\u{202e}", "é", "東京", "👩‍👩‍👧", "../..", "%2e%2f",
            "<script>", "' OR 1=1 --", "#", "a#b", "18446744073709551616", "9223372036854775807", "a@b",
            "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH", "ord_01j8zq5k3n0v7x2y4t6b8d9fgh", "var_01J8ZQ5K3N0V7X2Y4T6B8D9FGH99",
            "ord_8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "crt_é1J8ZQ5K3N0V7X2Y4T6B8D9FGH", "2027-01-01T00:00:00Z",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,30}",
        1 => any::<String>(),
        1 => prop::sample::select(vec![64_usize, 65, 256, 2_049, 70_000]).prop_map(|length| "x".repeat(length)),
        1 => prop::sample::select(vec![100_usize, 1_000]).prop_map(|length| "🦀".repeat(length)),
    ]
}

/// JSON that parsers stumble over.
fn value() -> impl Strategy<Value = Value> + Clone {
    let numbers = prop::sample::select(vec![
        json!(0),
        json!(-1),
        json!(1.5),
        json!(99),
        json!(100),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(9_007_199_254_740_992_u64),
        json!(4_294_967_296_u64),
        json!(1e300),
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        numbers,
        text().prop_map(Value::String),
        Just((0..60).fold(json!(1), |inner, _| json!([inner]))),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((text(), inner), 0..4).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// Paths to everything inside a value.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, inner)| {
            pointers(inner, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
        }),
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(place, inner)| pointers(inner, &format!("{at}/{place}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The value with one thing in it replaced, taken away or added.
fn changed(mut value: Value, (place, how, new, name): (Index, u8, Value, String)) -> Value {
    let mut places = Vec::new();
    pointers(&value, "", &mut places);
    let place = place.get(&places);
    match (how, place.rsplit_once('/')) {
        (0, Some((parent, field))) => {
            if let Some(Value::Object(fields)) = value.pointer_mut(parent) {
                fields.remove(field);
            }
        }
        (1, _) => {
            if let Some(Value::Object(fields)) = value.pointer_mut(place) {
                fields.insert(name, new);
            }
        }
        _ => {
            if let Some(found) = value.pointer_mut(place) {
                *found = new;
            }
        }
    }
    value
}

fn changes() -> impl Strategy<Value = (Index, u8, Value, String)> {
    (any::<Index>(), 0..4_u8, value(), text())
}

/// A body near the sample's, or nothing like it.
fn body(sample: Value) -> impl Strategy<Value = Value> {
    let near = prop::collection::vec(changes(), 0..3)
        .prop_map(move |changes| changes.into_iter().fold(sample.clone(), changed));
    prop_oneof![
        6 => near.prop_map(|body| json!(body.to_string())),
        2 => value().prop_map(|body| json!(body.to_string())),
        1 => text().prop_map(Value::String),
        1 => Just(Value::Null),
        1 => Just(json!("[".repeat(5_000))),
    ]
}

fn variant(sample: Value, token: String) -> impl Strategy<Value = Value> {
    let inside = sample.get("body").and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
    let headers = prop::sample::select(vec![
        "idempotency-key",
        "if-match",
        "cart-token",
        "authorization",
        "content-type",
    ]);
    let parameters = prop::sample::select(vec!["limit", "cursor", "role", "category", "slug", "x"]);
    (
        body(inside.unwrap_or_else(|| json!({}))),
        prop::option::weighted(0.3, (headers, text())),
        prop::collection::vec((parameters, text()), 0..3),
        prop::option::weighted(0.15, (any::<Index>(), text())),
        prop::option::weighted(0.1, any::<Vec<u8>>()),
    )
        .prop_map(move |(body, header, query, path, bytes)| {
            let mut event = sample.clone();
            let mut set = |at: &str, name: &str, new: Value| {
                if let Some(fields) = event.as_object_mut() {
                    let inner = fields.entry(at).or_insert_with(|| json!({}));
                    inner.as_object_mut().map(|inner| inner.insert(name.to_owned(), new));
                }
            };
            set("headers", "authorization", json!(format!("Bearer {token}")));
            if let Some((name, text)) = header {
                set("headers", name, json!(text));
            }
            for (name, text) in query {
                set("queryStringParameters", name, json!(text));
            }
            if let Some((place, text)) = path {
                let names: Vec<String> = sample
                    .get("pathParameters")
                    .and_then(Value::as_object)
                    .map_or_else(Vec::new, |all: &Map<String, Value>| all.keys().cloned().collect());
                if !names.is_empty() {
                    set("pathParameters", place.get::<String>(&names), json!(text));
                }
            }
            if let Some(fields) = event.as_object_mut() {
                fields.insert("isBase64Encoded".to_owned(), json!(bytes.is_some()));
                let encoded = bytes.map(|bytes| json!(STANDARD.encode(bytes)));
                fields.insert("body".to_owned(), encoded.unwrap_or(body));
            }
            event
        })
}
