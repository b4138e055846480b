//! What runs by the clock.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use sutler_domain::{
    idempotency::Answer,
    ids::OrderId,
    order::{CancelReason, OrderState},
    password::{Password, Registration},
    stock::StockOp,
};
use sutler_gateways::secrets::Slot;
use sutler_services::{
    auth::authenticate,
    identity::{self, Credentials, Issuer, Rotation, Visitor},
    orders,
    payments::{self, News, Report},
};
use sutler_store::{
    Expression, Transaction,
    codec::text,
    orders::{DUE_SHARDS, order_key},
    stock,
};
use sutler_testkit::{Fault, Logs, Operation, RandomFaults, Rule};

use super::{Market, kinds};
use crate::{
    expire_orders, rebalance_stock,
    rotate_signing_keys::{self, Keys},
};

const EXPIRY: Duration = Duration::from_mins(15);
const DAY: Duration = Duration::from_hours(24);

impl Market {
    async fn sweep(&self) -> Value {
        serde_json::to_value(expire_orders::handle(&self.test.app).await.unwrap()).unwrap()
    }

    async fn unpaid(&self) -> OrderId {
        self.test.order(&self.buyer, &[(&self.thing, 1)]).await
    }

    async fn state(&self, order: &OrderId) -> OrderState {
        self.test.read_order(order).await.order.value.state
    }

    async fn is_released(&self, order: &OrderId) -> bool {
        matches!(self.state(order).await, OrderState::Cancelled { reason: CancelReason::Expired, .. })
    }
}

#[tokio::test]
async fn exactly_the_orders_whose_time_is_over_are_released() {
    let market = Market::open().await;
    let (due, paid) = (market.unpaid().await, market.unpaid().await);
    market.test.pay(&market.buyer, &paid).await;
    market.test.clock().advance(Duration::from_secs(1));
    let later = market.unpaid().await;
    market.test.clock().advance(Duration::from_secs(899));
    assert_eq!(
        market.sweep().await,
        json!({"released": 0, "holds": 0}),
        "its time is over at its last millisecond"
    );
    market.test.clock().advance(Duration::from_millis(1));
    assert_eq!(market.sweep().await, json!({"released": 1, "holds": 0}));
    assert!(market.is_released(&due).await);
    assert!(matches!(market.state(&paid).await, OrderState::Paid { .. }));
    assert!(matches!(market.state(&later).await, OrderState::AwaitingPayment { .. }));
    assert_eq!(market.sweep().await, json!({"released": 0, "holds": 0}), "a second run finds nothing");
    assert_eq!(market.test.stock(&market.thing).await, (8, 1, 1));
    let released =
        market.happened().await.into_iter().filter(|event| event["detail-type"] == "order.cancelled");
    assert_eq!(released.count(), 1);
    market.test.assert_clean().await;
}

#[tokio::test]
async fn what_is_spread_is_evened_out_and_gathered_in_the_end() {
    let market = Market::open().await;
    let test = &market.test;
    test.flash_sale(&market.seller, &market.thing, 4, None).await;
    let id = test.order(&market.buyer, &[(&market.thing, 9)]).await;
    let run = async || serde_json::to_value(rebalance_stock::handle(&test.app).await.unwrap()).unwrap();
    run().await;
    orders::cancel(
        &test.app,
        &id,
        market.buyer.id(),
        None,
        &test.once(|_| Answer { status: 200, body: String::new() }),
    )
    .await
    .unwrap();
    run().await;
    assert_eq!(test.shards(&market.thing).await, [3, 3, 2, 2]);
    assert_eq!(run().await, json!({"moved": 0}));
    // A run that finds nothing because the index lags behind does nothing.
    test.flash_sale(&market.seller, &market.thing, 1, None).await;
    test.db.fault(Rule::before(Operation::Query, Fault::Stale).times(4));
    assert_eq!(run().await, json!({"moved": 0}));
    run().await;
    assert_eq!(test.shards(&market.thing).await, [10]);
    test.assert_clean().await;
}

#[tokio::test]
async fn any_number_of_overdue_orders_is_released_run_by_run() {
    const ORDERS: u32 = 250;
    let market = Market::open().await;
    let plenty = market.test.goods(&market.seller, 100, ORDERS).await;
    let model = market.test.order(&market.buyer, &[(&plenty, 1)]).await;
    let model = market.test.read_order(&model).await;
    let (key, held) = stock::moved(StockOp::Reserve, &plenty, 0, ORDERS - 1, "the others");
    market.test.app.store.update(&key, &held).await.unwrap();
    // All in one shard of the index, more than one run looks at there.
    for _ in 1..ORDERS {
        let mut order = model.order.value.clone();
        while shard(&order.id) != 0 || order.id == model.order.value.id {
            order.id = OrderId::generate(&*market.test.app.ids, market.test.app.now());
        }
        let mut part = model.parts[0].value.clone();
        part.order = order.id.clone();
        let mut transaction = Transaction::new();
        sutler_store::orders::create(&mut transaction, &order, &[part]).unwrap();
        market.test.app.store.transact(transaction).await.unwrap();
    }
    market.test.clock().advance(EXPIRY * 2);
    let mut runs = Vec::new();
    while runs.last() != Some(&0) {
        runs.push(market.sweep().await["released"].as_u64().unwrap());
    }
    assert!(runs.len() > 2 && runs[0] < u64::from(ORDERS), "each run is bounded: {runs:?}");
    assert_eq!(runs.iter().sum::<u64>(), u64::from(ORDERS));
    assert_eq!(market.test.stock(&plenty).await, (ORDERS, 0, 0));
    market.test.assert_clean().await;
}

/// The shard of the expiry index that an order is in.
fn shard(order: &OrderId) -> u8 {
    order.as_str().bytes().fold(0, u8::wrapping_add) % DUE_SHARDS
}

#[tokio::test]
async fn runs_at_the_same_time_release_each_order_once() {
    let market = Market::open().await;
    for _ in 0..10 {
        market.unpaid().await;
    }
    market.test.clock().advance(EXPIRY * 2);
    market.test.db.random_faults(RandomFaults::new(3));
    let (one, two, three) = tokio::join!(market.sweep(), market.sweep(), market.sweep());
    let sum: u64 = [one, two, three].iter().map(|swept| swept["released"].as_u64().unwrap()).sum();
    assert_eq!(sum, 10);
    assert_eq!(market.test.stock(&market.thing).await, (10, 0, 0));
    market.test.assert_clean().await;
}

#[tokio::test]
async fn a_payment_at_the_same_time_is_either_in_time_or_late_and_never_both() {
    for seed in 0..20 {
        let market = Market::open().await;
        let order = market.unpaid().await;
        market.test.clock().advance(EXPIRY * 2);
        market.test.db.random_faults(RandomFaults::new(seed));
        // A late payment takes the goods again, so either way the order ends paid.
        let report = Report {
            gateway: "stripe",
            message: Some("evt_1".to_owned()),
            order: order.clone(),
            attempt: 1,
            provider_id: "pi_0".to_owned(),
            news: News::Succeeded(market.test.read_order(&order).await.order.value.totals.total),
        };
        let pay = payments::finalise(&market.test.app, &report);
        let (_, paid) = tokio::join!(market.sweep(), pay);
        paid.map(|_| ()).unwrap();
        assert!(matches!(market.state(&order).await, OrderState::Paid { .. }), "seed {seed}");
        assert_eq!(market.test.stock(&market.thing).await, (9, 0, 1));
        let told = market.happened().await;
        assert_eq!(kinds(&told).iter().filter(|kind| **kind == "order.paid").count(), 1);
        market.test.assert_clean().await;
    }
}

#[tokio::test]
async fn an_order_that_cannot_be_released_does_not_keep_the_others_from_it() {
    let market = Market::open().await;
    let mut orders = Vec::new();
    for _ in 0..8 {
        orders.push(market.unpaid().await);
    }
    // One whose item does not read any more, in whichever shard and place it is.
    let broken = Expression::when("attribute_exists(#pk)")
        .then("SET #email = :x")
        .with(":x", sutler_store::codec::number(1));
    market.test.app.store.update(&order_key(&orders[0]), &broken).await.unwrap();
    market.test.clock().advance(EXPIRY * 2);
    let logs = Logs::capture();
    expire_orders::handle(&market.test.app).await.unwrap_err();
    assert!(logs.text().contains(orders[0].as_str()), "the log names it");
    for order in &orders[1..] {
        assert!(market.is_released(order).await);
    }
    let mended =
        Expression::when("attribute_exists(#pk)").then("SET #email = :x").with(":x", text("b@example.com"));
    market.test.app.store.update(&order_key(&orders[0]), &mended).await.unwrap();
    assert_eq!(market.sweep().await, json!({"released": 1, "holds": 0}));
    market.test.assert_clean().await;
}

#[tokio::test]
async fn a_stale_index_releases_nothing_twice_and_nothing_paid() {
    let market = Market::open().await;
    let (given_up, paid) = (market.unpaid().await, market.unpaid().await);
    let then = market.test.app.now().plus_seconds(1_800);
    // What the index will show then is what it shows now.
    let mut overdue = 0;
    for shard in 0..DUE_SHARDS {
        overdue += market.test.app.store.overdue(shard, then, 200).await.unwrap().len();
    }
    assert_eq!(overdue, 2);
    market.test.pay(&market.buyer, &paid).await;
    market.test.clock().set(then);
    orders::expire(&market.test.app, &given_up).await.map(|_| ()).unwrap();
    market.test.db.fault(Rule::before(Operation::Query, Fault::Stale).touching("by_due").times(4));
    assert_eq!(market.sweep().await, json!({"released": 0, "holds": 0}));
    assert!(matches!(market.state(&paid).await, OrderState::Paid { .. }));
    market.test.assert_clean().await;
}

const SECRET: &str = "signing-keys";

/// The rotation as it is deployed, over Secrets Manager.
fn keys(market: &Market) -> Keys {
    Keys { app: market.test.app.clone(), slot: Slot::new(market.cloud.secrets(0), SECRET) }
}

async fn rotate(market: &Market) -> Rotation {
    rotate_signing_keys::handle(&keys(market)).await.unwrap()
}

/// A token as signing in gives it, with the keys of the secret.
async fn token(market: &Market) -> String {
    let password = Password::claimed("correct horse battery staple").unwrap();
    let new = Registration::parse("tim@example.com", "tim", password.expose()).unwrap();
    // From the second time on the account is there already.
    drop(identity::register(&market.test.app, &Visitor::default(), &new).await);
    let slot = Slot::new(market.cloud.secrets(0), SECRET);
    let issuer = Issuer::new(market.test.app.clone(), Arc::new(slot));
    let credentials = Credentials { name: "tim".to_owned(), password, visitor: Visitor::default() };
    identity::login(&issuer, &credentials).await.unwrap().access_token
}

async fn published(market: &Market) -> Vec<String> {
    let keys = market.test.app.store.public_keys().await.unwrap();
    keys.into_iter().map(|key| key.value.kid).filter(|kid| kid != "test").collect()
}

/// Every process meets a token with what is published now.
async fn verifies(market: &Market, token: &str) -> bool {
    let mut fresh = market.test.app.clone();
    fresh.keys = Arc::default();
    authenticate(&fresh, token).await.is_ok()
}

#[tokio::test]
async fn a_token_that_was_signed_before_a_rotation_verifies_after_it() {
    let market = Market::open().await;
    rotate(&market).await;
    market.test.clock().advance(DAY * 30);
    let before = token(&market).await;
    assert!(rotate(&market).await.rotated);
    let between = token(&market).await;
    assert!(verifies(&market, &before).await && verifies(&market, &between).await);
    market.test.clock().advance(Duration::from_mins(1));
    let after = token(&market).await;
    for token in [&before, &between, &after] {
        assert!(verifies(&market, token).await);
    }
}

#[tokio::test]
async fn a_key_disappears_only_after_nothing_valid_is_signed_with_it() {
    let market = Market::open().await;
    let first = rotate(&market).await.current;
    market.test.clock().advance(DAY * 30);
    let second = rotate(&market).await.current;
    // Signed with the old key at the last possible moment.
    market.test.clock().advance(Duration::from_millis(59_999));
    let last = token(&market).await;
    for _ in 0..24 {
        assert_eq!(rotate(&market).await.withdrawn, 0);
        assert_eq!(published(&market).await, [first.clone(), second.clone()]);
        market.test.clock().advance(Duration::from_hours(1));
        // Ten minutes after it was issued a token is worth nothing, whatever is published.
        assert!(!verifies(&market, &last).await);
    }
    assert_eq!(rotate(&market).await.withdrawn, 2, "the old key, and the one of the test kit");
    assert_eq!(published(&market).await, [second]);
}

#[tokio::test]
async fn a_rotation_that_is_repeated_changes_nothing() {
    let market = Market::open().await;
    let first = rotate(&market).await;
    assert!(first.rotated);
    let secret = market.cloud.secret(SECRET);
    for _ in 0..3 {
        let again = rotate(&market).await;
        assert_eq!((again.rotated, again.withdrawn, &again.current), (false, 0, &first.current));
    }
    assert_eq!(market.cloud.secret(SECRET), secret);
    assert_eq!(published(&market).await, [first.current]);
}

#[tokio::test]
async fn a_rotation_that_dies_anywhere_leaves_keys_that_work() {
    for step in 0..4 {
        let market = Market::open().await;
        rotate(&market).await;
        market.test.clock().advance(DAY * 30);
        let old = token(&market).await;
        let publishing = Operation::TransactWriteItems;
        match step {
            0 => market.cloud.fail(503),
            1 => market.test.db.fault(Rule::before(publishing, Fault::Dropped).times(20)),
            2 => market.test.db.fault(Rule::after(publishing, Fault::Dropped).times(20)),
            _ => {
                market.cloud.pass();
                market.cloud.lose_answer();
            }
        }
        rotate_signing_keys::handle(&keys(&market)).await.unwrap_err();
        market.test.db.calm();
        assert!(verifies(&market, &old).await, "step {step}");
        rotate(&market).await;
        market.test.clock().advance(Duration::from_mins(1));
        let new = token(&market).await;
        assert!(verifies(&market, &old).await && verifies(&market, &new).await, "step {step}");
        market.test.clock().advance(DAY * 2);
        rotate(&market).await;
        let later = token(&market).await;
        assert!(verifies(&market, &later).await, "step {step}");
    }
}

#[tokio::test]
async fn the_log_of_a_rotation_names_the_key_and_shows_no_secret() {
    let market = Market::open().await;
    let logs = Logs::capture();
    let made = rotate(&market).await;
    market.cloud.set_secret(SECRET, "{\"current\": \"broken-private-half\"}");
    rotate_signing_keys::handle(&keys(&market)).await.unwrap_err();
    let text = logs.text();
    assert!(text.contains(&made.current), "{text}");
    assert!(!text.contains("pkcs8") && !text.contains("broken-private-half"), "{text}");
}
