use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{KeysAndAttributes, ReturnConsumedCapacity},
};
use proptest::{prelude::*, test_runner::TestRunner};

use super::*;
use crate::{CATALOG, IDENTITY, LEDGER, Operation, TABLES, Units};

#[tokio::test]
async fn the_tables_are_those_of_the_template() {
    let db = TestDb::new();
    let mut indexes = Vec::new();
    for table in TABLES {
        let described = db.client().describe_table().table_name(table).send().await.unwrap().table.unwrap();
        let stream = described.stream_specification.unwrap().stream_view_type.unwrap();
        assert_eq!(stream.as_str(), "NEW_AND_OLD_IMAGES");
        indexes.extend(described.global_secondary_indexes.unwrap_or_default().into_iter().map(|index| {
            let keys = index.key_schema.unwrap().into_iter().map(|key| key.attribute_name);
            format!("{table}.{} {}", index.index_name.unwrap(), keys.collect::<Vec<_>>().join(" "))
        }));
    }
    indexes.sort();
    let expected = [
        "Catalog.by_category gsi1pk gsi1sk",
        "Catalog.by_seller gsi3pk gsi3sk",
        "Catalog.newest gsi2pk gsi2sk",
        "Commerce.by_buyer gsi1pk gsi1sk",
        "Commerce.by_due gsi3pk gsi3sk",
        "Commerce.by_seller gsi2pk gsi2sk",
        "Ledger.by_order gsi1pk gsi1sk",
    ];
    assert_eq!(indexes, expected);
}

#[tokio::test]
async fn databases_are_apart_and_clones_are_not() {
    let (db, other) = (TestDb::new(), TestDb::new());
    put(&db.clone(), IDENTITY, "p", "s", &[]).await;
    assert!(read(&db, IDENTITY, "p", "s").await.is_some());
    assert!(read(&other, IDENTITY, "p", "s").await.is_none());
}

#[tokio::test]
async fn a_refused_update_shows_the_item_as_found() {
    let db = TestDb::new();
    put(&db, COMMERCE, "p", "s", &[("version", n(3))]).await;
    let update = |sk: &str| {
        db.client()
            .update_item()
            .table_name(COMMERCE)
            .set_key(Some(key("p", sk)))
            .update_expression("SET version = :next")
            .condition_expression("version = :expected")
            .expression_attribute_values(":next", n(3))
            .expression_attribute_values(":expected", n(2))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
    };
    for (sk, found) in [("s", Some(3)), ("absent", None)] {
        let failure = update(sk).await.unwrap_err().into_service_error();
        let UpdateItemError::ConditionalCheckFailedException(refused) = failure else {
            panic!("{failure:?}")
        };
        assert_eq!(refused.item.map(|item| number(&item, "version")), found);
    }
    assert_eq!(read(&db, COMMERCE, "p", "absent").await, None);
}

#[tokio::test]
async fn one_batch_reads_several_tables() {
    let db = TestDb::new();
    put(&db, CATALOG, "p", "s", &[]).await;
    put(&db, COMMERCE, "p", "s", &[]).await;
    db.reset_meter();
    let keys = |sk: [&str; 2]| {
        let keys = sk.map(|sk| key("p", sk)).to_vec();
        KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build().unwrap()
    };
    let request = db.client().batch_get_item();
    let request = request.request_items(CATALOG, keys(["s", "x"])).request_items(COMMERCE, keys(["s", "x"]));
    let found = request.send().await.unwrap();
    let responses = found.responses.unwrap();
    assert_eq!((responses[CATALOG].len(), responses[COMMERCE].len()), (1, 1));
    let meter = db.meter();
    assert_eq!((meter.round_trips(), meter.calls[0].items), (1, 4));
    assert_eq!(meter.read(), Units::whole(4));
}

#[tokio::test]
async fn an_index_holds_only_items_with_its_keys() {
    let db = TestDb::new();
    for (sk, rank) in [("a", Some("2")), ("b", Some("1")), ("c", None)] {
        let fields: Vec<_> =
            rank.map(|rank| [("gsi1pk", s("B")), ("gsi1sk", s(rank))]).into_iter().flatten().collect();
        put(&db, COMMERCE, "p", sk, &fields).await;
    }
    let page = |start: Option<Item>| {
        db.client()
            .query()
            .table_name(COMMERCE)
            .index_name("by_buyer")
            .key_condition_expression("gsi1pk = :b")
            .expression_attribute_values(":b", s("B"))
            .limit(1)
            .set_exclusive_start_key(start)
            .send()
    };
    let first = page(None).await.unwrap();
    assert_eq!(first.items()[0]["sk"], s("b"));
    let second = page(first.last_evaluated_key).await.unwrap();
    assert_eq!(second.items()[0]["sk"], s("a"));
    let consistent = db.client().query().table_name(COMMERCE).index_name("by_buyer").consistent_read(true);
    let consistent =
        consistent.key_condition_expression("gsi1pk = :b").expression_attribute_values(":b", s("B"));
    assert_eq!(name(&consistent.send().await.unwrap_err()), "ValidationException");
}

#[tokio::test]
async fn an_item_holds_at_most_400_kb() {
    let db = TestDb::new();
    let write = |bytes: usize| {
        let mut item = key("p", "s");
        item.insert("f".to_owned(), s(&"x".repeat(bytes)));
        db.client().put_item().table_name(LEDGER).set_item(Some(item)).send()
    };
    // Names and keys count: pk, p, sk, s, f.
    write(400 * 1_024 - 7).await.unwrap();
    assert_eq!(name(&write(400 * 1_024 - 6).await.unwrap_err()), "ValidationException");
    assert_eq!(db.meter().write(), Units::whole(400));
}

#[tokio::test]
async fn capacity_is_metered_but_not_shown_unasked() {
    let db = TestDb::new();
    put(&db, COMMERCE, "p", "s", &[("gsi1pk", s("a")), ("gsi1sk", s("b"))]).await;
    assert_eq!(db.meter().write(), Units::whole(2));
    db.reset_meter();
    let request = || db.client().get_item().table_name(COMMERCE).set_key(Some(key("p", "s")));
    assert_eq!(request().send().await.unwrap().consumed_capacity, None);
    let asked = request().return_consumed_capacity(ReturnConsumedCapacity::Total).send().await.unwrap();
    assert!(asked.consumed_capacity.is_some());
    let meter = db.meter();
    assert_eq!(meter.count(Operation::GetItem), 2);
    assert_eq!((meter.read().to_string(), meter.write()), ("1".to_owned(), Units::whole(0)));
}

/// Sums are exact over the whole range of `i64`, far beyond what a float keeps.
#[test]
fn numbers_are_exact() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let db = TestDb::new();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(64));
    let pairs = (i64::MIN / 2..i64::MAX / 2, i64::MIN / 2..i64::MAX / 2);
    let result = runner.run(&pairs, |(first, second)| {
        let sum = runtime.block_on(async {
            put(&db, LEDGER, "p", "s", &[("balance", n(first))]).await;
            let update = db.client().update_item().table_name(LEDGER).set_key(Some(key("p", "s")));
            let update = update
                .update_expression("ADD balance :second")
                .expression_attribute_values(":second", n(second));
            update.send().await.unwrap();
            number(&read(&db, LEDGER, "p", "s").await.unwrap(), "balance")
        });
        prop_assert_eq!(sum, first + second);
        Ok(())
    });
    result.unwrap();
}

#[tokio::test]
async fn numbers_have_38_digits() {
    let db = TestDb::new();
    let digits = "9".repeat(38);
    put(&db, LEDGER, "p", "s", &[("balance", n(&digits))]).await;
    assert_eq!(read(&db, LEDGER, "p", "s").await.unwrap()["balance"], n(&digits));
    let mut item = key("p", "s");
    item.insert("balance".to_owned(), n(format!("{digits}9")));
    let refused = db.client().put_item().table_name(LEDGER).set_item(Some(item)).send().await.unwrap_err();
    assert_eq!(name(&refused), "ValidationException");
}

#[tokio::test]
async fn a_batch_answers_at_most_16_mb() {
    let db = TestDb::new();
    let large = s(&"x".repeat(390 * 1_024));
    let keys: Vec<_> = (0..50).map(|sk| key("p", &sk.to_string())).collect();
    for sk in 0..50 {
        put(&db, COMMERCE, "p", &sk.to_string(), &[("f", large.clone())]).await;
    }
    let keys = KeysAndAttributes::builder().set_keys(Some(keys)).build().unwrap();
    let page = db.client().batch_get_item().request_items(COMMERCE, keys).send().await.unwrap();
    let read = page.responses.unwrap()[COMMERCE].len();
    let left = page.unprocessed_keys.unwrap()[COMMERCE].keys().len();
    assert!(left > 0 && read + left == 50, "{read} read, {left} left");
}

#[tokio::test]
async fn requests_dynamodb_refuses_are_refused() {
    let db = TestDb::new();
    put(&db, COMMERCE, "p", "s", &[]).await;
    let update = |expression: &str| {
        let update = db.client().update_item().table_name(COMMERCE).set_key(Some(key("p", "s")));
        update.update_expression(expression).expression_attribute_values(":v", n(1)).send()
    };
    for reason in ["SET state = :v", "SET sk = :v", "SET a = :v, b = :absent", "SET a = b"] {
        assert_eq!(name(&update(reason).await.unwrap_err()), "ValidationException", "{reason}");
    }
    for index_key in [s(""), n(1)] {
        let mut item = key("p", "s");
        item.extend([("gsi1pk".to_owned(), index_key), ("gsi1sk".to_owned(), s("x"))]);
        let refused =
            db.client().put_item().table_name(COMMERCE).set_item(Some(item)).send().await.unwrap_err();
        assert_eq!(name(&refused), "ValidationException");
    }
    for count in [2, 101] {
        let keys =
            (0..count).map(|sk| key("p", if count == 2 { "s".to_owned() } else { sk.to_string() }.as_str()));
        let keys = KeysAndAttributes::builder().set_keys(Some(keys.collect())).build().unwrap();
        let refused = db.client().batch_get_item().request_items(COMMERCE, keys).send().await.unwrap_err();
        assert_eq!(name(&refused), "ValidationException", "twice the same key, or too many");
    }
}
