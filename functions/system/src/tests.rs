//! Health, description and self-check, as anyone and as staff see them.

use serde_json::{Value, json};
use sutler_domain::{account::Role, stock::StockOp};
use sutler_store::stock;
use sutler_testkit::{Fault, Operation, Rule, Stage, TestAnswer, TestApp, TestCall};

use crate::{check_invariants, get_docs, get_health, get_openapi};

#[tokio::test]
async fn health_tells_the_version_and_whether_the_database_answers() {
    let test = TestApp::new().await;
    let call = || TestCall::get("/v1/health");
    let well = test.call(get_health::handle, call()).await;
    assert_eq!(well.status, 200);
    insta::assert_json_snapshot!("get_health", well.body, {".version" => "[version]"});
    assert_eq!(well.body["version"], env!("CARGO_PKG_VERSION"));
    for fault in [Fault::Dropped, Fault::InternalError] {
        for operation in [Operation::GetItem, Operation::Query] {
            test.db.fault(Rule::before(operation, fault.clone()).times(100));
        }
        let ill = test.call(get_health::handle, call()).await;
        assert_eq!((ill.status, ill.problem()), (503, "try-again"), "{fault:?}");
        assert_eq!(ill.headers["retry-after"], "1");
        assert_eq!(
            ill.body,
            json!({"type": "urn:sutler:problem:try-again", "title": "Temporarily unavailable", "status": 503})
        );
        test.db.calm();
    }
    assert_eq!(test.call(get_health::handle, call()).await, well);
}

#[tokio::test]
async fn the_description_is_openapi_3_1_with_every_path_it_names() {
    let answer = TestAnswer::read(get_openapi::handle(&(), TestCall::get("/openapi.json").request()).await);
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "application/json"));
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
    assert!(text(&answer.body["openapi"]).starts_with("3.1."), "{}", answer.body["openapi"]);
    let paths = answer.body["paths"].as_object().unwrap();
    for (path, method) in [
        ("/v1/carts/{cart}/merge", "post"),
        ("/v1/orders", "get"),
        ("/v1/webhooks/stripe", "post"),
        ("/v1/orders/{order}/parts/{part}/shipments", "post"),
        ("/v1/admin/invariants", "get"),
    ] {
        assert!(paths[path][method]["operationId"].is_string(), "{method} {path}");
    }
    // Whatever it refers to is in it.
    let mut pending = vec![&answer.body];
    let mut references = 0;
    while let Some(value) = pending.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    references += 1;
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(answer.body.pointer(pointer).is_some(), "{reference}");
                }
                pending.extend(fields.values());
            }
            Value::Array(items) => pending.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    assert!(references > 100, "{references}");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[tokio::test]
async fn the_reference_page_loads_nothing_from_elsewhere() {
    let answer = TestAnswer::read(get_docs::handle(&(), TestCall::get("/docs").request()).await);
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "text/html; charset=utf-8"));
    // The address in a sample is not loaded, and a function that writes samples is no style.
    let page = answer.text.replace("\"https://example.com/\"", "").replace("curl(", "");
    assert!(page.starts_with("<!doctype html>") && page.contains("./openapi.json"));
    for outside in ["://", "\"//", "'//", "`//", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[tokio::test]
async fn the_books_agree_after_orders_at_every_stage() {
    let test = TestApp::new().await;
    let (seller, buyer) = (test.seller("ada").await, test.user("bob").await);
    let finance = test.staff("fay", Role::Finance).await;
    let thing = test.goods(&seller, 1_999, 50).await;
    let check = || test.call(check_invariants::handle, TestCall::get("/v1/admin/invariants").by(&finance));
    insta::assert_json_snapshot!("check_invariants_empty", check().await.body);
    for stage in Stage::ALL {
        test.order_at(stage, &buyer, &seller, &[(&thing, 2)]).await;
    }
    drop(test.db.drain_stream());
    let found = check().await;
    assert_eq!(found.status, 200, "{}", found.text);
    insta::assert_json_snapshot!("check_invariants", found.body);
    assert_eq!(test.db.drain_stream(), [], "a check changes nothing");
}

#[tokio::test]
async fn what_does_not_agree_is_told() {
    let test = TestApp::new().await;
    let (seller, buyer) = (test.seller("ada").await, test.user("bob").await);
    let admin = test.staff("root", Role::Admin).await;
    let thing = test.goods(&seller, 1_999, 50).await;
    let id = test.order(&buyer, &[(&thing, 2)]).await;
    // A unit that no order holds, and an order that nobody released.
    let (key, change) = stock::moved(StockOp::Reserve, &thing, 0, 1, "by hand");
    test.app.store.update(&key, &change).await.unwrap();
    test.clock().advance(std::time::Duration::from_secs(900 + 601));
    let call = TestCall::get("/v1/admin/invariants").token(&test.sign_in(&admin.user));
    let found = test.call(check_invariants::handle, call).await;
    let expected = json!([
        format!("{thing} has 3 reserved, but its orders hold 2"),
        format!("{id} should have been released at 2027-01-01T00:15:00.000Z"),
    ]);
    assert_eq!((&found.body["clean"], &found.body["problems"]), (&json!(false), &expected));
}

#[tokio::test]
async fn only_finance_and_administrators_check_the_books() {
    let test = TestApp::new().await;
    let finance = test.staff("fay", Role::Finance).await;
    let call = TestCall::get("/v1/admin/invariants");
    test.needs_token(&finance, check_invariants::handle, call.clone()).await;
    let others = [
        test.user("bob").await,
        test.seller("ada").await,
        test.unverified("tim").await,
        test.staff("sue", Role::Support).await,
    ];
    for other in &others {
        let answer = test.refused(check_invariants::handle, call.clone().by(other)).await;
        assert_eq!((answer.status, answer.problem()), (403, "forbidden"));
    }
    for staff in [&finance, &test.staff("root", Role::Admin).await] {
        assert_eq!(test.call(check_invariants::handle, call.clone().by(staff)).await.status, 200);
    }
}
