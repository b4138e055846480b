use std::time::Duration;

use sutler_domain::time::Clock;

use super::*;
use crate::{CATALOG, Fault, Operation, Rule, lambda_event};

#[tokio::test]
async fn the_stream_shows_each_change_once_with_both_images() {
    let db = TestDb::new();
    put(&db, COMMERCE, "SKU", "a", &[("available", n(5)), ("version", n(1))]).await;
    transact(&db, None, [take("a", 2), create("o")]).await.unwrap();
    db.client().delete_item().table_name(COMMERCE).set_key(Some(key("SKU", "a"))).send().await.unwrap();
    put(&db, CATALOG, "p", "s", &[]).await;
    let changes = db.drain_stream();
    let available = |item: &Option<Item>| item.as_ref().and_then(|item| item.get("available").cloned());
    let seen: Vec<_> = changes
        .iter()
        .map(|change| {
            let place = format!("{} {} {}/{}", change.table, change.event_name, change.pk, change.sk);
            (place, available(&change.old), available(&change.new))
        })
        .collect();
    let expected = [
        ("Catalog INSERT p/s", None, None),
        ("Commerce INSERT SKU/a", None, Some(n(5))),
        ("Commerce MODIFY SKU/a", Some(n(5)), Some(n(3))),
        ("Commerce INSERT ORDER/o", None, None),
        ("Commerce REMOVE SKU/a", Some(n(3)), None),
    ];
    assert_eq!(seen, expected.map(|(place, old, new)| (place.to_owned(), old, new)));
    assert!(changes[1..].is_sorted_by(|a, b| a.sequence < b.sequence));
    assert_eq!(db.drain_stream(), []);
    put(&db, COMMERCE, "SKU", "b", &[]).await;
    assert_eq!(db.drain_stream().len(), 1);
}

#[tokio::test]
async fn refused_and_lost_writes_leave_no_change_and_unheard_ones_do() {
    let db = TestDb::new();
    assert!(transact(&db, None, [create("o"), exists("absent")]).await.is_err());
    db.fault(Rule::before(Operation::TransactWriteItems, Fault::Dropped));
    assert!(transact(&db, None, [create("o")]).await.is_err());
    assert_eq!(db.drain_stream(), []);
    db.fault(Rule::after(Operation::TransactWriteItems, Fault::Dropped));
    assert!(transact(&db, None, [create("o")]).await.is_err());
    assert_eq!(db.drain_stream().len(), 1);
}

#[tokio::test]
async fn a_write_that_changes_nothing_is_no_change() {
    let db = TestDb::new();
    for version in [1, 1, 2] {
        put(&db, COMMERCE, "p", "s", &[("version", n(version))]).await;
    }
    assert_eq!(db.drain_stream().len(), 2);
}

#[tokio::test]
async fn a_long_backlog_is_read_to_its_end() {
    let db = TestDb::new();
    for batch in 0..12 {
        transact(&db, None, (0..100).map(|order| create(&format!("{batch}-{order}")))).await.unwrap();
    }
    assert_eq!(db.drain_stream().len(), 1_200);
}

#[tokio::test]
async fn the_record_has_the_shape_functions_receive() {
    let db = TestDb::new();
    put(&db, COMMERCE, "p", "s", &[("version", n(1))]).await;
    let changes = db.drain_stream();
    let event = lambda_event(&changes);
    let record = &event["Records"][0];
    assert_eq!(record["eventName"], "INSERT");
    assert_eq!(record["eventSource"], "aws:dynamodb");
    assert!(record["eventSourceARN"].as_str().unwrap().contains("table/Commerce/stream/"));
    assert_eq!(record["dynamodb"]["Keys"]["sk"]["S"], "s");
    assert_eq!(record["dynamodb"]["NewImage"]["version"]["N"], "1");
    assert_eq!(record["dynamodb"]["SequenceNumber"], changes[0].sequence.as_str());
    let typed: aws_lambda_events::dynamodb::Event = serde_json::from_value(event).unwrap();
    assert_eq!(typed.records[0].change.sequence_number.as_ref(), Some(&changes[0].sequence));
}

#[tokio::test]
async fn time_to_live_follows_the_fake_clock() {
    let db = TestDb::new();
    let at = db.clock().now().plus_seconds(60).seconds();
    put(&db, COMMERCE, "p", "s", &[("ttl", n(at))]).await;
    assert_eq!(db.sweep_ttl(), 0);
    db.clock().advance(Duration::from_secs(61));
    assert!(read(&db, COMMERCE, "p", "s").await.is_some());
    assert_eq!(db.sweep_ttl(), 1);
    let removed = db.drain_stream().pop().unwrap();
    assert_eq!((removed.event_name.as_str(), removed.new), ("REMOVE", None));
    assert_eq!(removed.record["userIdentity"]["principalId"], "dynamodb.amazonaws.com");
}

#[tokio::test]
async fn a_clock_that_jumps_back_keeps_the_order() {
    let db = TestDb::new();
    for step in 0..4 {
        put(&db, COMMERCE, "p", "s", &[("version", n(step))]).await;
        db.clock().set(db.clock().now().plus_seconds(-100));
    }
    let versions: Vec<_> =
        db.drain_stream().iter().map(|change| number(change.new.as_ref().unwrap(), "version")).collect();
    assert_eq!(versions, [0, 1, 2, 3]);
}
