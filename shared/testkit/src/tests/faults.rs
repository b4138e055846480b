use std::time::Duration;

use aws_sdk_dynamodb::{config::retry::RetryConfig, types::KeysAndAttributes};
use sutler_domain::time::Clock;

use super::*;
use crate::{Fault, Moment, Operation, RandomFaults, Reason, Rule};

const WRITE: Operation = Operation::TransactWriteItems;

#[tokio::test]
async fn before_means_no_effect_and_after_means_effect() {
    for (rule, created) in [
        (Rule::before(WRITE, Fault::Dropped), false),
        (Rule::before(WRITE, Fault::TimedOut), false),
        (Rule::before(WRITE, Fault::InternalError), false),
        (Rule::after(WRITE, Fault::Dropped), true),
        (Rule::after(WRITE, Fault::TimedOut), true),
        (Rule::after(WRITE, Fault::InternalError), true),
    ] {
        let db = TestDb::new();
        db.fault(rule.clone());
        assert!(transact(&db, None, [create("o")]).await.is_err(), "{rule:?}");
        assert_eq!(read(&db, COMMERCE, "ORDER", "o").await.is_some(), created, "{rule:?}");
        // Once is once.
        transact(&db, None, [create("p")]).await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_answer_is_recovered_by_the_token() {
    let db = TestDb::new();
    put(&db, COMMERCE, "SKU", "a", &[("available", n(5)), ("version", n(1))]).await;
    db.fault(Rule::after(WRITE, Fault::TimedOut));
    assert!(transact(&db, Some("token"), [take("a", 2)]).await.is_err());
    transact(&db, Some("token"), [take("a", 2)]).await.unwrap();
    assert_eq!(number(&read(&db, COMMERCE, "SKU", "a").await.unwrap(), "available"), 3);
}

#[tokio::test]
async fn the_sdk_sees_real_error_types() {
    let db = TestDb::new();
    db.fault(Rule::before(WRITE, Fault::Dropped));
    let dropped = transact(&db, None, [create("o")]).await.unwrap_err();
    assert!(dropped.as_service_error().is_none());
    db.fault(Rule::before(WRITE, Fault::TimedOut));
    let late = transact(&db, None, [create("o")]).await.unwrap_err();
    assert!(
        matches!(late, aws_sdk_dynamodb::error::SdkError::DispatchFailure(failure) if failure.is_timeout())
    );
    for (fault, expected) in [
        (Fault::Throttled, "ProvisionedThroughputExceededException"),
        (Fault::InternalError, "InternalServerError"),
        (Fault::Conflict, "TransactionCanceledException"),
    ] {
        db.fault(Rule::before(WRITE, fault));
        assert_eq!(name(&transact(&db, None, [create("o")]).await.unwrap_err()), expected);
    }
    db.fault(Rule::before(Operation::PutItem, Fault::Conflict));
    let single = db.client().put_item().table_name(COMMERCE).set_item(Some(key("p", "s"))).send().await;
    assert_eq!(name(&single.unwrap_err()), "TransactionConflictException");
    let errors: Vec<_> = db.meter().calls.into_iter().map(|call| call.error.unwrap()).collect();
    assert_eq!(errors[..2], ["dropped", "timed out"]);
    assert_eq!(errors.len(), 6);
}

#[tokio::test]
async fn reasons_can_be_mixed_per_item() {
    let db = TestDb::new();
    let mix = vec![(0, Reason::ConditionalCheckFailed), (2, Reason::TransactionConflict)];
    db.fault(Rule::before(WRITE, Fault::Cancelled(mix)));
    let failure = transact(&db, None, [create("o"), create("p"), create("q")]).await.unwrap_err();
    assert_eq!(codes(&failure), ["ConditionalCheckFailed", "None", "TransactionConflict"]);
    assert_eq!(read(&db, COMMERCE, "ORDER", "p").await, None);
}

#[tokio::test]
async fn rules_wait_for_their_turn() {
    let db = TestDb::new();
    db.fault(Rule::before(WRITE, Fault::Throttled).skip(1).times(2));
    let mut outcomes = Vec::new();
    for order in ["a", "b", "c", "d"] {
        outcomes.push(transact(&db, None, [create(order)]).await.is_ok());
        // Another operation is none of the rule's business.
        read(&db, COMMERCE, "ORDER", order).await;
    }
    assert_eq!(outcomes, [true, false, false, true]);
}

#[tokio::test]
async fn a_batch_comes_back_in_parts() {
    let db = TestDb::new();
    let all = ["a", "b", "c"];
    for sk in all {
        put(&db, COMMERCE, "p", sk, &[]).await;
    }
    db.fault(Rule::before(Operation::BatchGetItem, Fault::Unprocessed).times(3));
    let keys = all.map(|sk| key("p", sk)).to_vec();
    let keys = KeysAndAttributes::builder().set_keys(Some(keys)).build().unwrap();
    let mut pending = [(COMMERCE.to_owned(), keys)].into();
    let mut sizes = Vec::new();
    while sizes.len() < 4 {
        let page = db.client().batch_get_item().set_request_items(Some(pending)).send().await.unwrap();
        sizes.push(page.responses.unwrap_or_default().values().map(Vec::len).sum::<usize>());
        pending = page.unprocessed_keys.unwrap_or_default();
        if pending.is_empty() {
            break;
        }
    }
    assert_eq!(sizes, [1, 1, 0, 1]);
}

#[tokio::test]
async fn a_slow_request_moves_the_clock_only() {
    let db = TestDb::new();
    let before = db.clock().now();
    db.fault(Rule::after(WRITE, Fault::Slow(Duration::from_secs(30))));
    transact(&db, None, [create("o")]).await.unwrap();
    assert_eq!(db.clock().now(), before.plus_seconds(30));
}

#[tokio::test]
async fn a_killed_process_leaves_its_write_behind() {
    let db = TestDb::new();
    db.fault(Rule::after(WRITE, Fault::Killed));
    let worker = tokio::spawn({
        let db = db.clone();
        async move { transact(&db, None, [create("o")]).await.is_ok() }
    });
    while read(&db, COMMERCE, "ORDER", "o").await.is_none() {}
    worker.abort();
    assert!(worker.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn the_sdk_may_retry_where_a_test_wants_it() {
    let db = TestDb::new();
    db.fault(Rule::before(Operation::GetItem, Fault::InternalError));
    let retries = RetryConfig::standard().with_max_attempts(2).with_initial_backoff(Duration::from_millis(1));
    let client = db.client_with_retries(retries);
    client.get_item().table_name(COMMERCE).set_key(Some(key("p", "s"))).send().await.unwrap();
    assert_eq!(db.meter().round_trips(), 2);
}

#[tokio::test]
async fn a_seed_replays_its_faults() {
    let errors = async |seed: u64| {
        let db = TestDb::new();
        db.random_faults(RandomFaults::rough(seed));
        for order in 0..200 {
            let _outcome = transact(&db, None, [create(&order.to_string())]).await;
        }
        let errors: Vec<_> = db.meter().calls.into_iter().map(|call| call.error).collect();
        db.calm();
        transact(&db, None, [create("calm")]).await.unwrap();
        errors
    };
    let first = errors(7).await;
    assert_eq!(first, errors(7).await);
    assert_ne!(first, errors(8).await);
    let failed = first.iter().flatten().count();
    assert!((20..80).contains(&failed), "{failed} of 200");
}

#[tokio::test]
async fn a_rate_strikes_only_where_it_can() {
    let db = TestDb::new();
    let always = |fault| RandomFaults::new(1).rate(1_000, Moment::Before, fault);
    db.random_faults(always(Fault::Unprocessed));
    transact(&db, None, [create("o")]).await.unwrap();
    db.random_faults(always(Fault::Conflict));
    assert!(read(&db, COMMERCE, "ORDER", "o").await.is_some());
    assert!(transact(&db, None, [create("p")]).await.is_err());
}

#[tokio::test]
async fn a_rule_can_wait_for_a_key() {
    let db = TestDb::new();
    db.fault(Rule::before(WRITE, Fault::Throttled).touching("second"));
    transact(&db, None, [create("first")]).await.unwrap();
    assert!(transact(&db, None, [create("second")]).await.is_err());
    transact(&db, None, [create("second")]).await.unwrap();
}

#[tokio::test]
async fn a_stale_index_shows_an_earlier_state_and_a_consistent_read_does_not() {
    let db = TestDb::new();
    let count = async |consistent: bool| {
        db.fault(Rule::before(Operation::Query, Fault::Stale));
        let query = db.client().query().table_name(COMMERCE).key_condition_expression("pk = :p");
        let query = query.expression_attribute_values(":p", s("p")).consistent_read(consistent);
        let page = query.send().await.unwrap();
        page.count
    };
    put(&db, COMMERCE, "p", "a", &[]).await;
    assert_eq!((count(false).await, count(true).await), (0, 1));
    db.calm();
    let index = async || {
        let query = db.client().query().table_name(COMMERCE).index_name("by_buyer");
        let query = query.key_condition_expression("gsi1pk = :b").expression_attribute_values(":b", s("B"));
        query.send().await.unwrap().count
    };
    put(&db, COMMERCE, "p", "a", &[("gsi1pk", s("B")), ("gsi1sk", s("1"))]).await;
    assert_eq!(index().await, 1);
    put(&db, COMMERCE, "p", "a", &[]).await;
    db.fault(Rule::before(Operation::Query, Fault::Stale));
    assert_eq!(index().await, 1);
    assert_eq!(index().await, 0);
}
