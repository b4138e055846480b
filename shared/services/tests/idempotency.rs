//! A call that is repeated under its key acts once, whatever goes wrong in between.
#![expect(clippy::expect_used, clippy::arithmetic_side_effects, reason = "a test fails by stopping")]

use std::{collections::BTreeMap, time::Duration};

use proptest::{prelude::*, test_runner::TestRunner};
use sutler_domain::idempotency::{Answer, Once, OnceKey};
use sutler_services::{
    Error,
    inventory::{self, Adjustment, Count},
};
use sutler_store::{
    Expression, Key, StoreError, Table, Transaction,
    codec::{decode, number},
};
use sutler_testkit::{Fault, Operation, RandomFaults, Rule, TestApp};

const DAY_S: u64 = 24 * 3_600;

/// A number that each effect raises by one, and that answers show.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Counter {
    count: u64,
}

struct House {
    test: TestApp,
}

/// What a call says of itself.
#[derive(Debug, Clone)]
struct Call {
    caller: &'static str,
    operation: &'static str,
    key: Option<&'static str>,
    body: &'static str,
}

const CALL: Call = Call { caller: "usr_ada", operation: "raise", key: Some("k"), body: "one" };

fn place() -> Key {
    Key::new(Table::Commerce, "COUNTER", "COUNTER")
}

fn show(outcome: &Counter) -> Answer {
    Answer { status: 200, body: outcome.count.to_string() }
}

impl House {
    async fn open() -> Self {
        let test = TestApp::new().await;
        test.put(place(), "counter", &Counter { count: 0 }).await;
        Self { test }
    }

    async fn count(&self) -> u64 {
        let item = self.test.app.store.get(&place()).await.expect("an answer").expect("a counter");
        decode::<Counter>(&item).expect("a counter").value.count
    }

    /// As use cases do it: an earlier answer, or an effect whose condition is what was read.
    async fn call(&self, call: &Call) -> Result<Answer, Error> {
        let store = &self.test.app.store;
        let key = call.key.map(|key| OnceKey {
            caller: call.caller.to_owned(),
            operation: call.operation,
            key: key.to_owned(),
            body_hash: call.body.to_owned(),
        });
        let once = Once { key, render: show, at: self.test.app.now() };
        if let Some(answer) = store.replay(&once).await? {
            return Ok(answer);
        }
        let next = self.count().await + 1;
        let raise = Expression::when("#count = :read")
            .then("SET #count = :next")
            .with(":read", number(next - 1))
            .with(":next", number(next));
        let mut transaction = Transaction::new();
        transaction.update(place(), raise);
        Ok(store.commit(transaction, &once, &Counter { count: next }).await?)
    }

    async fn answer(&self, call: &Call) -> String {
        self.call(call).await.expect("an answer").body
    }

    fn advance(&self, seconds: u64) {
        self.test.clock().advance(std::time::Duration::from_secs(seconds));
    }
}

fn is_reused(outcome: &Result<Answer, Error>) -> bool {
    matches!(outcome, Err(Error::Problem(sutler_domain::problem::Problem::KeyReused)))
}

#[tokio::test]
async fn the_same_request_is_answered_as_before_and_acts_once() {
    let house = House::open().await;
    assert_eq!(house.answer(&CALL).await, "1");
    assert_eq!(house.answer(&Call { key: Some("other"), ..CALL }).await, "2");
    for _ in 0..3 {
        assert_eq!(house.answer(&CALL).await, "1");
    }
    assert_eq!(house.count().await, 2);
}

#[tokio::test]
async fn without_a_key_every_call_acts() {
    let house = House::open().await;
    for expected in ["1", "2", "3"] {
        assert_eq!(house.answer(&Call { key: None, ..CALL }).await, expected);
    }
}

#[tokio::test]
async fn the_same_key_with_another_request_is_refused_and_does_nothing() {
    let house = House::open().await;
    house.answer(&CALL).await;
    assert!(is_reused(&house.call(&Call { body: "two", ..CALL }).await));
    assert_eq!((house.count().await, house.answer(&CALL).await.as_str()), (1, "1"));
}

#[tokio::test]
async fn a_key_belongs_to_one_caller_and_one_operation() {
    let house = House::open().await;
    house.answer(&CALL).await;
    assert_eq!(house.answer(&Call { caller: "usr_bob", body: "two", ..CALL }).await, "2");
    assert_eq!(house.answer(&Call { operation: "lower", body: "two", ..CALL }).await, "3");
    assert_eq!(house.answer(&CALL).await, "1");
}

#[tokio::test]
async fn duplicates_at_the_same_time_act_once_and_get_one_answer() {
    for seed in 0..30 {
        let house = House::open().await;
        house.test.db.random_faults(RandomFaults::new(seed));
        let (a, b, c) = tokio::join!(house.call(&CALL), house.call(&CALL), house.call(&CALL));
        for outcome in [a, b, c] {
            assert_eq!(outcome.expect("the winner's answer").body, "1", "seed {seed}");
        }
        assert_eq!(house.count().await, 1);
    }
}

#[tokio::test]
async fn of_two_requests_under_one_key_at_the_same_time_one_acts_and_the_other_is_refused() {
    for seed in 0..30 {
        let house = House::open().await;
        house.test.db.random_faults(RandomFaults::new(seed));
        let other = Call { body: "two", ..CALL };
        let (a, b) = tokio::join!(house.call(&CALL), house.call(&other));
        assert!(a.is_ok() != b.is_ok(), "seed {seed}: {a:?} {b:?}");
        assert!(is_reused(if a.is_ok() { &b } else { &a }));
        assert_eq!(house.count().await, 1);
    }
}

#[tokio::test]
async fn a_lost_answer_is_found_by_the_repetition() {
    for fault in [Fault::Dropped, Fault::TimedOut, Fault::InternalError] {
        let house = House::open().await;
        house.test.db.fault(Rule::after(Operation::TransactWriteItems, fault).times(8));
        let unknown = house.call(&CALL).await.expect_err("no answer at all");
        assert!(matches!(unknown, Error::Store(StoreError::Unavailable(_))), "{unknown:?}");
        house.test.db.calm();
        assert_eq!((house.answer(&CALL).await.as_str(), house.count().await), ("1", 1));
    }
}

#[tokio::test]
async fn a_call_that_had_no_effect_is_not_remembered() {
    let house = House::open().await;
    house.test.db.fault(Rule::before(Operation::TransactWriteItems, Fault::Dropped).times(8));
    house.call(&CALL).await.expect_err("no answer at all");
    assert_eq!(house.count().await, 0);
    // Refused as well: somebody else was faster, so what this call would have said is not true.
    let (store, once) = (&house.test.app.store, Once { key: None, render: show, at: house.test.app.now() });
    let mut refused = Transaction::new();
    refused.check(place(), Expression::when("#count = :n").with(":n", number(99)));
    let key = OnceKey {
        caller: CALL.caller.to_owned(),
        operation: CALL.operation,
        key: "k".to_owned(),
        body_hash: CALL.body.to_owned(),
    };
    let outcome = store.commit(refused, &Once { key: Some(key), ..once }, &Counter { count: 99 }).await;
    assert!(matches!(outcome, Err(StoreError::Refused(_))), "{outcome:?}");
    assert_eq!(house.answer(&CALL).await, "1");
}

#[tokio::test]
async fn a_process_that_dies_after_the_effect_has_answered() {
    let write = Operation::TransactWriteItems;
    for (rule, expected) in [(Rule::before(write, Fault::Killed), 0), (Rule::after(write, Fault::Killed), 1)]
    {
        let house = House::open().await;
        house.test.db.fault(rule);
        tokio::select! {
            biased;
            outcome = house.call(&CALL) => panic!("it did not die: {outcome:?}"),
            () = async { for _ in 0..1_000 { tokio::task::yield_now().await } } => {}
        }
        assert_eq!(house.count().await, expected);
        assert_eq!((house.answer(&CALL).await.as_str(), house.count().await), ("1", 1));
    }
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day_whether_its_record_was_cleaned_away_or_not() {
    for cleaned in [false, true] {
        let house = House::open().await;
        house.answer(&CALL).await;
        house.advance(DAY_S - 1);
        assert_eq!(house.answer(&CALL).await, "1");
        assert!(is_reused(&house.call(&Call { body: "two", ..CALL }).await));
        house.advance(1);
        if cleaned {
            house.test.clock().advance(std::time::Duration::from_secs(1));
            assert!(house.test.db.sweep_ttl() >= 1);
        }
        assert_eq!(house.answer(&Call { body: "two", ..CALL }).await, "2");
        assert_eq!(house.answer(&Call { body: "two", ..CALL }).await, "2", "for another day");
        assert!(is_reused(&house.call(&CALL).await));
    }
}

#[test]
fn any_history_of_calls_and_failures_acts_once_per_key() {
    let call = (0..2_usize, 0..2_usize, 0..2_usize, 0..4_usize);
    let histories = prop::collection::vec(call, 1..25);
    let play = |history: Vec<(usize, usize, usize, usize)>| async move {
        let house = House::open().await;
        let mut known: BTreeMap<(usize, usize), (usize, String)> = BTreeMap::new();
        for (caller, key, body, fault) in history {
            let call = Call {
                caller: ["usr_ada", "usr_bob"][caller],
                key: Some(["1", "2"][key]),
                body: ["one", "two"][body],
                ..CALL
            };
            let write = Operation::TransactWriteItems;
            match fault {
                0 => house.test.db.fault(Rule::before(write, Fault::Dropped).times(8)),
                1 => house.test.db.fault(Rule::after(write, Fault::TimedOut).times(8)),
                2 => house.test.db.fault(Rule::after(write, Fault::Dropped)),
                _ => {}
            }
            let before = house.count().await;
            let outcome = house.call(&call).await;
            house.test.db.calm();
            match known.get(&(caller, key)) {
                Some((first, answer)) if *first == body => {
                    assert_eq!(&outcome.expect("the first answer").body, answer);
                }
                Some(_) => assert!(is_reused(&outcome)),
                None if fault == 0 => assert!(outcome.is_err()),
                None => {
                    assert_eq!(
                        outcome.is_err(),
                        fault == 1,
                        "a lost answer is a failure, and no more than that"
                    );
                    known.insert((caller, key), (body, (before + 1).to_string()));
                }
            }
            assert_eq!(usize::try_from(house.count().await), Ok(known.len()));
        }
    };
    let result = TestRunner::new(ProptestConfig::with_cases(48)).run(&histories, |history| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(play(history));
        Ok(())
    });
    result.expect("every history");
}

#[tokio::test]
async fn nothing_is_tried_again_when_its_token_may_be_forgotten() {
    for (minutes, expected) in [(4, (true, 1)), (6, (false, 1)), (11, (false, 1))] {
        let test = TestApp::new().await;
        let seller = test.seller("shop").await;
        let thing = test.goods(&seller, 1_000, 0).await;
        test.db.fault(Rule::after(Operation::TransactWriteItems, Fault::Dropped));
        test.db.reset_meter();
        let once = test.once::<Adjustment>(|_| Answer { status: 200, body: String::new() });
        let (app, owner, count) = (&test.app, seller.seller(), Count::Delta(1));
        let adjusting = inventory::adjust(app, &owner, &thing, count, "counted", &once);
        let waiting = async {
            while test.db.meter().count(Operation::TransactWriteItems) == 0 {
                tokio::task::yield_now().await;
            }
            test.clock().advance(Duration::from_mins(minutes));
        };
        let (adjusted, ()) = tokio::join!(adjusting, waiting);
        assert_eq!(
            (adjusted.is_ok(), test.stock(&thing).await.0),
            expected,
            "{minutes} minutes: {adjusted:?}"
        );
    }
}
