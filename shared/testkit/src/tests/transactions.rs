use super::*;
use crate::Operation;

#[tokio::test]
async fn reasons_come_per_item_in_order_with_the_item_as_found() {
    let db = TestDb::new();
    put(&db, COMMERCE, "SKU", "a", &[("available", n(5)), ("version", n(1))]).await;
    put(&db, COMMERCE, "SKU", "b", &[("available", n(1)), ("version", n(1))]).await;
    let refused =
        transact(&db, None, [take("a", 1), take("b", 2), create("o"), exists("c")]).await.unwrap_err();
    assert_eq!(codes(&refused), ["None", "ConditionalCheckFailed", "None", "ConditionalCheckFailed"]);
    let reasons = reasons(&refused);
    assert_eq!(number(reasons[1].item.as_ref().unwrap(), "available"), 1);
    assert!(reasons[3].item.as_ref().is_none_or(Item::is_empty));
    // Nothing of it happened.
    assert_eq!(number(&read(&db, COMMERCE, "SKU", "a").await.unwrap(), "available"), 5);
    assert_eq!(read(&db, COMMERCE, "ORDER", "o").await, None);
}

#[tokio::test]
async fn a_token_recognises_its_own_success() {
    let db = TestDb::new();
    put(&db, COMMERCE, "SKU", "a", &[("available", n(5)), ("version", n(1))]).await;
    for _ in 0..3 {
        transact(&db, Some("token"), [take("a", 2), create("o")]).await.unwrap();
    }
    assert_eq!(number(&read(&db, COMMERCE, "SKU", "a").await.unwrap(), "available"), 3);
    let other = transact(&db, Some("token"), [take("a", 1)]).await.unwrap_err();
    assert_eq!(name(&other), "IdempotentParameterMismatchException");
    // Without the token the same writes are new ones.
    let again = transact(&db, None, [take("a", 2), create("o")]).await.unwrap_err();
    assert_eq!(codes(&again), ["None", "ConditionalCheckFailed"]);
}

#[tokio::test]
async fn a_refused_token_may_be_tried_again() {
    let db = TestDb::new();
    put(&db, COMMERCE, "SKU", "a", &[("available", n(0)), ("version", n(1))]).await;
    assert!(transact(&db, Some("token"), [take("a", 1)]).await.is_err());
    put(&db, COMMERCE, "SKU", "a", &[("available", n(1)), ("version", n(1))]).await;
    transact(&db, Some("token"), [take("a", 1)]).await.unwrap();
}

#[tokio::test]
async fn a_token_is_forgotten_after_ten_minutes() {
    let db = TestDb::new();
    transact(&db, Some("token"), [create("o")]).await.unwrap();
    db.clock().advance(std::time::Duration::from_mins(10));
    transact(&db, Some("token"), [create("o")]).await.unwrap();
    db.clock().advance(std::time::Duration::from_secs(1));
    let late = transact(&db, Some("token"), [create("o")]).await.unwrap_err();
    assert_eq!(codes(&late), ["ConditionalCheckFailed"]);
    // A new window begins.
    transact(&db, Some("token"), [create("p")]).await.unwrap();
    transact(&db, Some("token"), [create("p")]).await.unwrap();
}

#[tokio::test]
async fn a_replay_costs_reads_and_changes_nothing() {
    let db = TestDb::new();
    transact(&db, Some("token"), [create("o")]).await.unwrap();
    let first = db.meter();
    db.reset_meter();
    transact(&db, Some("token"), [create("o")]).await.unwrap();
    let replay = db.meter();
    assert_eq!((first.write(), first.read()), (crate::Units::whole(2), crate::Units::whole(0)));
    assert_eq!((replay.write(), replay.read()), (crate::Units::whole(0), crate::Units::whole(2)));
    assert_eq!(db.drain_stream().len(), 1);
}

#[tokio::test]
async fn a_transaction_touches_an_item_once() {
    let db = TestDb::new();
    put(&db, COMMERCE, "SKU", "a", &[("available", n(5)), ("version", n(1))]).await;
    let twice = transact(&db, None, [take("a", 1), take("a", 1)]).await.unwrap_err();
    assert_eq!(name(&twice), "ValidationException");
}

#[tokio::test]
async fn a_transaction_holds_at_most_a_hundred_items() {
    let db = TestDb::new();
    let orders = |count: usize| (0..count).map(|order| create(&order.to_string())).collect::<Vec<_>>();
    let many = transact(&db, None, orders(101)).await.unwrap_err();
    assert_eq!(name(&many), "ValidationException");
    transact(&db, None, orders(100)).await.unwrap();
    let meter = db.meter();
    assert_eq!(meter.operations(), [Operation::TransactWriteItems; 2]);
    assert_eq!(meter.calls[1].items, 100);
    assert_eq!(meter.write(), crate::Units::whole(200));
}
