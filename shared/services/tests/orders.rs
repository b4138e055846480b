//! The life of an order against the database: every failure that must be impossible, tried.
#![expect(clippy::expect_used, reason = "a test fails by stopping")]

use sutler_domain::{
    idempotency::{Once, OnceKey},
    ids::{OrderId, SellerId, VariantId},
    money::{Currency, Money},
    order::{Change, OrderState, PartState},
    payment::{ATTEMPTS_MAX, RefundReason},
    problem::Problem,
    refund::{Refund, RefundState},
    shipment::Tracking,
};
use sutler_gateways::payment::{PaymentGateway, PaymentStatus};
use sutler_services::{
    Error,
    gateways::Gateways,
    orders::{self, OrderPage, PlacedOrder},
    payments::{self, News, Report},
    refund_calls,
    shipping::{self, NewShipment, SentBy},
};
use sutler_testkit::{
    FakeGateway, Fault, GatewayFault, Operation, RandomFaults, Reason, Rule, TestApp, TestUser, id_of,
    nothing,
};

fn keyed(test: &TestApp, key: &str, body: &str) -> Once<PlacedOrder> {
    let key = OnceKey {
        caller: "usr".to_owned(),
        operation: "place_order",
        key: key.to_owned(),
        body_hash: body.to_owned(),
    };
    Once { key: Some(key), render: id_of, at: test.app.now() }
}

async fn news(test: &TestApp, id: &OrderId, attempt: u32, message: &str, news: News) -> Report {
    let provider_id =
        test.read_order(id).await.payment(attempt).map_or("pi_x".to_owned(), |p| p.value.provider_id.clone());
    Report {
        gateway: "stripe",
        message: Some(message.to_owned()),
        order: id.clone(),
        attempt,
        provider_id,
        news,
    }
}

async fn success(test: &TestApp, id: &OrderId, attempt: u32, message: &str) -> Report {
    let total = test.read_order(id).await.order.value.totals.total;
    news(test, id, attempt, message, News::Succeeded(total)).await
}

async fn started(test: &TestApp, gateway: &FakeGateway, id: &OrderId, buyer: &TestUser) -> String {
    let started = payments::start(&test.app, gateway, id, buyer.id()).await.expect("a payment");
    started.payment.provider_id
}

async fn paid(test: &TestApp, gateway: &FakeGateway, id: &OrderId, buyer: &TestUser) {
    let provider_id = started(test, gateway, id, buyer).await;
    assert_eq!(gateway.pay(&provider_id).status, PaymentStatus::Succeeded);
    let report = success(test, id, 1, &format!("evt_{id}")).await;
    assert_eq!(payments::finalise(&test.app, &report).await.expect("finalised"), Change::Applied);
}

fn parcel(number: &str) -> NewShipment {
    NewShipment { by: SentBy::Own(Tracking::parse("dhl", number).expect("tracking")), lines: None }
}

/// The only refund of an order.
async fn only_refund(test: &TestApp, id: &OrderId) -> Refund {
    let mut refunds = test.read_order(id).await.refunds;
    assert_eq!(refunds.len(), 1);
    refunds.remove(0).value
}

// Stock

#[tokio::test]
async fn stock_never_goes_below_zero_and_no_unit_has_two_buyers() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_000, 5).await;
    let mut commands = Vec::new();
    for number in 0..20 {
        let buyer = test.user(&format!("buyer{number}")).await;
        commands.push(test.agreed(&buyer, &[(&thing, 1)]).await);
    }
    test.db.random_faults(RandomFaults::rough(11));
    let mut tasks = tokio::task::JoinSet::new();
    for command in commands {
        let test = test.clone();
        tasks.spawn(async move { test.place(&command).await });
    }
    let (mut sold, mut short) = (0, 0);
    while let Some(outcome) = tasks.join_next().await {
        match outcome.expect("no panic") {
            Ok(_) => sold += 1,
            Err(Error::Problem(Problem::InsufficientStock(_))) => short += 1,
            // A lost answer: the next look tells what became of it.
            Err(Error::Problem(Problem::Conflict) | Error::Store(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    test.db.calm();
    let (available, reserved, committed) = test.stock(&thing).await;
    assert_eq!((available + reserved, committed), (5, 0));
    assert!(sold <= 5 && short >= 1, "sold {sold}, short {short}");
    test.assert_clean().await;
}

#[tokio::test]
async fn a_reservation_does_not_stay_behind_when_a_later_line_is_short() {
    let test = TestApp::new().await;
    let shop = test.seller("shop").await;
    let (plenty, scarce) = (test.goods(&shop, 1_000, 9).await, test.goods(&shop, 500, 3).await);
    let (first, second) = (test.user("first").await, test.user("second").await);
    let command = test.agreed(&first, &[(&plenty, 2), (&scarce, 3)]).await;
    test.order(&second, &[(&scarce, 2)]).await;
    let refused = test.place(&command).await.expect_err("too many");
    let Error::Problem(Problem::InsufficientStock(short)) = refused else { panic!("{refused:?}") };
    assert_eq!(short.len(), 1);
    assert_eq!((&short[0].variant, short[0].requested, short[0].available), (&scarce, 3, 1));
    assert_eq!(test.stock(&plenty).await, (9, 0, 0));
    test.assert_clean().await;
}

#[tokio::test]
async fn stock_comes_back_after_an_abandoned_payment() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_000, 5).await;
    let (gateway, buyer) = (FakeGateway::default(), test.user("buyer").await);
    let id = test.order(&buyer, &[(&thing, 2)]).await;
    let payment = started(&test, &gateway, &id, &buyer).await;
    assert_eq!(orders::sweep(&test.app).await.expect("swept"), 0, "it is not over yet");
    test.clock().advance(std::time::Duration::from_secs(901));
    assert_eq!(orders::sweep(&test.app).await.expect("swept"), 1);
    assert_eq!(orders::sweep(&test.app).await.expect("swept"), 0);
    assert_eq!(test.stock(&thing).await, (5, 0, 0));
    test.obey_all(&gateway, &id).await;
    assert_eq!(gateway.status(&payment), PaymentStatus::Cancelled, "no intent stays payable");
    test.assert_clean().await;
}

#[tokio::test]
async fn goods_are_never_restocked_twice() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_000, 5).await;
    let (gateway, buyer) = (FakeGateway::default(), test.user("buyer").await);
    let id = test.order(&buyer, &[(&thing, 2)]).await;
    paid(&test, &gateway, &id, &buyer).await;
    assert_eq!(test.stock(&thing).await, (3, 0, 2));
    let (one, two) = tokio::join!(test.cancel(&buyer, &id), test.cancel(&buyer, &id));
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    assert_eq!(test.stock(&thing).await, (5, 0, 0));
    test.obey_all(&gateway, &id).await;
    test.obey_all(&gateway, &id).await;
    assert_eq!(gateway.refunded_minor(), test.read_order(&id).await.order.value.totals.total.minor());
    test.assert_clean().await;
}

#[tokio::test]
async fn shipped_goods_are_never_restocked() {
    let test = TestApp::new().await;
    let shop = test.seller("shop").await;
    let thing = test.goods(&shop, 1_000, 5).await;
    let (gateway, buyer) = (FakeGateway::default(), test.user("buyer").await);
    let id = test.order(&buyer, &[(&thing, 2)]).await;
    paid(&test, &gateway, &id, &buyer).await;
    let shipped = shipping::ship(&test.app, &id, &shop.seller(), &parcel("1"), &test.once(nothing)).await;
    shipped.expect("shipped");
    let refused = test.cancel(&buyer, &id).await.expect_err("shipped");
    assert!(matches!(refused, Error::Problem(Problem::OrderState { .. })), "{refused:?}");
    assert_eq!(test.stock(&thing).await, (3, 0, 0));
    test.assert_clean().await;
}

// Orders

#[tokio::test]
async fn a_retried_first_request_makes_one_order() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_000, 5).await;
    let buyer = test.user("buyer").await;
    let command = test.agreed(&buyer, &[(&thing, 1)]).await;
    test.db.fault(Rule::after(Operation::TransactWriteItems, Fault::Dropped).times(3));
    let first = orders::place(&test.app, &command, &keyed(&test, "k", "body")).await.expect("an order");
    let again = orders::place(&test.app, &command, &keyed(&test, "k", "body")).await.expect("the same order");
    assert_eq!(first, again);
    assert_eq!(test.stock(&thing).await, (4, 1, 0));
    let other =
        orders::place(&test.app, &command, &keyed(&test, "k", "other")).await.expect_err("another body");
    assert!(matches!(other, Error::Problem(Problem::KeyReused)), "{other:?}");
    let unkeyed = test.place(&command).await.expect_err("the cart was ordered");
    assert!(matches!(unkeyed, Error::Problem(Problem::CartEmpty)), "{unkeyed:?}");
    test.assert_clean().await;
}

#[tokio::test]
async fn placing_an_order_takes_three_round_trips_whatever_the_number_of_lines() {
    let test = TestApp::new().await;
    let shop = test.seller("shop").await;
    let buyer = test.user("buyer").await;
    let mut things = Vec::new();
    for _ in 0..50 {
        things.push(test.goods(&shop, 1_000, 5).await);
    }
    for count in [1, 50] {
        let lines: Vec<(&VariantId, u32)> = things[..count].iter().map(|thing| (thing, 1)).collect();
        let command = test.agreed(&buyer, &lines).await;
        test.db.reset_meter();
        orders::place(&test.app, &command, &keyed(&test, &format!("k{count}"), "b")).await.expect("an order");
        assert_eq!(test.db.meter().round_trips(), 3, "{:?}", test.db.meter().operations());
    }
    test.assert_clean().await;
}

#[tokio::test]
async fn a_transaction_conflict_is_neither_failure_nor_success() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_000, 5).await;
    let buyer = test.user("buyer").await;
    let command = test.agreed(&buyer, &[(&thing, 1)]).await;
    let mixed = vec![(0, Reason::ConditionalCheckFailed), (1, Reason::TransactionConflict)];
    test.db.fault(Rule::before(Operation::TransactWriteItems, Fault::Conflict).times(2));
    test.db.fault(Rule::before(Operation::TransactWriteItems, Fault::Cancelled(mixed)).times(1));
    test.place(&command).await.expect("an order");
    assert_eq!(test.stock(&thing).await, (4, 1, 0));
    test.assert_clean().await;
}

#[tokio::test]
async fn a_changed_price_is_told_before_anything_is_reserved() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_000, 5).await;
    let buyer = test.user("buyer").await;
    let mut command = test.agreed(&buyer, &[(&thing, 1)]).await;
    command.quote_hash = "stale".to_owned();
    let refused = test.place(&command).await.expect_err("stale");
    assert!(matches!(refused, Error::Problem(Problem::QuoteChanged { .. })), "{refused:?}");
    assert_eq!(test.stock(&thing).await, (5, 0, 0));
}

#[tokio::test]
async fn a_missing_address_fails_before_stock_is_reserved() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_000, 5).await;
    let (buyer, other) = (test.user("buyer").await, test.user("other").await);
    let mut command = test.agreed(&buyer, &[(&thing, 1)]).await;
    command.address = test.address(&other).await;
    let refused = test.place(&command).await.expect_err("not their address");
    assert!(matches!(refused, Error::Problem(Problem::Invalid(_))), "{refused:?}");
    assert_eq!(test.stock(&thing).await, (5, 0, 0));
}

#[tokio::test]
async fn anothers_order_does_not_exist_and_a_seller_sees_only_their_part() {
    let test = TestApp::new().await;
    let (one, two) = (test.seller("one").await, test.seller("two").await);
    let (a, b) = (test.goods(&one, 1_000, 5).await, test.goods(&two, 700, 5).await);
    let (gateway, owner, stranger) =
        (FakeGateway::default(), test.user("owner").await, test.user("stranger").await);
    let id = test.order(&owner, &[(&a, 1), (&b, 2)]).await;
    let missing = |error: Error| assert!(matches!(error, Error::Problem(Problem::NotFound)), "{error:?}");
    missing(orders::get(&test.app, &id, stranger.id(), false).await.expect_err("not theirs"));
    missing(test.cancel(&stranger, &id).await.expect_err("not theirs"));
    missing(payments::start(&test.app, &gateway, &id, stranger.id()).await.expect_err("not theirs"));
    assert_eq!(gateway.payments(), 0);
    let page = orders::get(&test.app, &id, one.id(), false).await.expect("their part");
    let OrderPage::Seller { part, .. } = page else { panic!("a seller saw all of it") };
    assert_eq!((part.seller, part.lines.len()), (one.seller(), 1));
    let nobody = SellerId::of_user(stranger.id());
    let theirs = shipping::ship(&test.app, &id, &nobody, &parcel("1"), &test.once(nothing)).await;
    missing(theirs.expect_err("no part"));
    let part = one.seller();
    let own = shipping::confirm_delivery(&test.app, &id, (&part, None), one.id(), &test.once(nothing)).await;
    missing(own.expect_err("a seller cannot confirm for the buyer"));
}

// Payments

#[tokio::test]
async fn a_webhook_delivered_thrice_in_parallel_pays_once() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_999, 5).await;
    let (gateway, buyer) = (FakeGateway::default(), test.user("buyer").await);
    let id = test.order(&buyer, &[(&thing, 2)]).await;
    started(&test, &gateway, &id, &buyer).await;
    let report = success(&test, &id, 1, "evt_1").await;
    let finalise = || payments::finalise(&test.app, &report);
    let (a, b, c) = tokio::join!(finalise(), finalise(), finalise());
    let applied = [a, b, c].into_iter().filter(|o| *o.as_ref().expect("no error") == Change::Applied).count();
    assert_eq!(applied, 1);
    assert_eq!(test.stock(&thing).await, (3, 0, 2));
    let order = test.read_order(&id).await;
    assert!(matches!(order.order.value.state, OrderState::Paid { attempt: 1, .. }));
    assert!(matches!(order.parts[0].value.state, PartState::AwaitingShipment));
    test.assert_clean().await;
}

#[tokio::test]
async fn a_lost_answer_while_finalising_pays_once() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_999, 5).await;
    let (gateway, buyer) = (FakeGateway::default(), test.user("buyer").await);
    let id = test.order(&buyer, &[(&thing, 2)]).await;
    started(&test, &gateway, &id, &buyer).await;
    let report = success(&test, &id, 1, "evt_1").await;
    test.db.fault(Rule::after(Operation::TransactWriteItems, Fault::TimedOut).times(20));
    payments::finalise(&test.app, &report).await.expect_err("no answer at all");
    test.db.calm();
    assert_eq!(payments::finalise(&test.app, &report).await.expect("finalised"), Change::AlreadyApplied);
    assert_eq!(test.stock(&thing).await, (3, 0, 2));
    test.assert_clean().await;
}

#[tokio::test]
async fn a_late_success_takes_the_goods_again_when_they_are_there() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_999, 5).await;
    let (gateway, buyer) = (FakeGateway::default(), test.user("buyer").await);
    let id = test.order(&buyer, &[(&thing, 2)]).await;
    let payment = started(&test, &gateway, &id, &buyer).await;
    drop(gateway.pay(&payment));
    test.clock().advance(std::time::Duration::from_secs(901));
    assert_eq!(orders::sweep(&test.app).await.expect("swept"), 1);
    // The command to close the payment finds that the buyer was faster.
    test.obey_all(&gateway, &id).await;
    assert!(matches!(test.read_order(&id).await.order.value.state, OrderState::Paid { .. }));
    assert_eq!(test.stock(&thing).await, (3, 0, 2));
    test.assert_clean().await;
}

#[tokio::test]
async fn a_late_success_is_refunded_in_full_when_the_goods_are_gone() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_999, 2).await;
    let (gateway, slow, quick) = (FakeGateway::default(), test.user("slow").await, test.user("quick").await);
    let id = test.order(&slow, &[(&thing, 2)]).await;
    let payment = started(&test, &gateway, &id, &slow).await;
    test.clock().advance(std::time::Duration::from_secs(901));
    orders::sweep(&test.app).await.expect("swept");
    test.order(&quick, &[(&thing, 1)]).await;
    drop(gateway.pay(&payment));
    let report = success(&test, &id, 1, "evt_late").await;
    assert_eq!(payments::finalise(&test.app, &report).await.expect("finalised"), Change::Applied);
    test.obey_all(&gateway, &id).await;
    let order = test.read_order(&id).await;
    assert!(matches!(order.order.value.state, OrderState::Cancelled { .. }));
    let expected = (order.order.value.totals.total, RefundReason::Late);
    let refund = only_refund(&test, &id).await;
    assert_eq!((refund.amount, refund.reason), expected);
    assert!(matches!(refund.state, RefundState::Succeeded { .. }));
    assert_eq!(order.payments[0].value.state.name(), "refunded");
    assert_eq!(gateway.refunded_minor(), refund.amount.minor());
    assert_eq!(test.stock(&thing).await, (1, 1, 0));
    test.assert_clean().await;
}

#[tokio::test]
async fn an_order_has_a_bounded_number_of_attempts_and_the_last_one_pays_it() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_999, 5).await;
    let (gateway, buyer) = (FakeGateway::default(), test.user("buyer").await);
    let id = test.order(&buyer, &[(&thing, 1)]).await;
    let mut last = started(&test, &gateway, &id, &buyer).await;
    for attempt in 1..ATTEMPTS_MAX {
        let closed = news(&test, &id, attempt, &format!("evt_{attempt}"), News::Cancelled).await;
        payments::finalise(&test.app, &closed).await.map(|_| ()).expect("finalised");
        last = started(&test, &gateway, &id, &buyer).await;
    }
    drop(gateway.pay(&last));
    let report = success(&test, &id, ATTEMPTS_MAX, "evt_paid").await;
    let other = test.order(&buyer, &[(&thing, 1)]).await;
    for attempt in 1..=ATTEMPTS_MAX {
        drop(started(&test, &gateway, &other, &buyer).await);
        let closed = news(&test, &other, attempt, &format!("evt_other_{attempt}"), News::Cancelled).await;
        payments::finalise(&test.app, &closed).await.map(|_| ()).expect("finalised");
    }
    let refused = payments::start(&test.app, &gateway, &other, buyer.id()).await.expect_err("one too many");
    let expected = Problem::LimitReached { what: "payment attempts", max: ATTEMPTS_MAX };
    assert!(matches!(&refused, Error::Problem(problem) if *problem == expected), "{refused:?}");
    payments::finalise(&test.app, &report).await.map(|_| ()).expect("finalised");
    assert!(matches!(
        test.read_order(&id).await.order.value.state,
        OrderState::Paid { attempt: ATTEMPTS_MAX, .. }
    ));
    assert_eq!(test.stock(&thing).await, (3, 1, 1));
    test.assert_clean().await;
}

#[tokio::test]
async fn a_second_success_is_refunded_at_once() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_999, 5).await;
    let (gateway, buyer) = (FakeGateway::default(), test.user("buyer").await);
    let id = test.order(&buyer, &[(&thing, 1)]).await;
    let first = started(&test, &gateway, &id, &buyer).await;
    let closed = news(&test, &id, 1, "evt_closed", News::Cancelled).await;
    payments::finalise(&test.app, &closed).await.map(|_| ()).expect("finalised");
    let second = started(&test, &gateway, &id, &buyer).await;
    assert_ne!(first, second, "a closed attempt is followed by a new one");
    drop((gateway.pay(&first), gateway.pay(&second)));
    for (attempt, message) in [(2, "evt_2"), (1, "evt_1")] {
        let report = success(&test, &id, attempt, message).await;
        payments::finalise(&test.app, &report).await.map(|_| ()).expect("finalised");
    }
    test.obey_all(&gateway, &id).await;
    let order = test.read_order(&id).await;
    assert!(matches!(order.order.value.state, OrderState::Paid { attempt: 2, .. }));
    assert_eq!(order.payments[0].value.state.name(), "refunded");
    assert_eq!(only_refund(&test, &id).await.reason, RefundReason::Second);
    assert_eq!(gateway.refunded_minor(), order.order.value.totals.total.minor());
    test.assert_clean().await;
}

#[tokio::test]
async fn a_wrong_amount_or_currency_never_pays_and_goes_back() {
    for received in [(1, Currency::Usd), (100_000, Currency::Usd), (0, Currency::Eur)] {
        let test = TestApp::new().await;
        let thing = test.goods(&test.seller("shop").await, 1_999, 5).await;
        let (gateway, buyer) = (FakeGateway::default(), test.user("buyer").await);
        let id = test.order(&buyer, &[(&thing, 1)]).await;
        let payment = started(&test, &gateway, &id, &buyer).await;
        drop(gateway.pay(&payment));
        let total = test.read_order(&id).await.order.value.totals.total.minor();
        let minor = if received.0 == 0 { total } else { received.0 };
        let wrong = Money::try_new(minor, received.1).expect("money");
        let report = news(&test, &id, 1, "evt_1", News::Succeeded(wrong)).await;
        payments::finalise(&test.app, &report).await.map(|_| ()).expect("finalised");
        let order = test.read_order(&id).await;
        assert!(matches!(order.order.value.state, OrderState::AwaitingPayment { .. }));
        assert_eq!(order.payments[0].value.state.name(), "refund_pending");
        let refund = only_refund(&test, &id).await;
        assert_eq!((refund.amount, refund.reason), (wrong, RefundReason::Mismatch));
        assert_eq!(test.stock(&thing).await, (4, 1, 0));
        test.assert_clean().await;
    }
}

#[tokio::test]
async fn a_late_failure_does_not_undo_a_paid_order() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_999, 5).await;
    let (gateway, buyer) = (FakeGateway::default(), test.user("buyer").await);
    let id = test.order(&buyer, &[(&thing, 1)]).await;
    paid(&test, &gateway, &id, &buyer).await;
    for late in [News::Failed { code: "card_declined".to_owned() }, News::Cancelled] {
        let report = news(&test, &id, 1, "evt_late", late).await;
        assert_eq!(payments::finalise(&test.app, &report).await.expect("no error"), Change::AlreadyApplied);
    }
    assert_eq!(orders::expire(&test.app, &id).await.expect("no error"), Change::AlreadyApplied);
    assert!(matches!(test.read_order(&id).await.order.value.state, OrderState::Paid { .. }));
    test.assert_clean().await;
}

#[tokio::test]
async fn an_order_never_has_two_open_payments() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_999, 5).await;
    let (gateway, buyer) = (FakeGateway::default(), test.user("buyer").await);
    let id = test.order(&buyer, &[(&thing, 1)]).await;
    let start = || payments::start(&test.app, &gateway, &id, buyer.id());
    let (one, two) = tokio::join!(start(), start());
    assert_eq!(one.expect("a payment").payment.provider_id, two.expect("a payment").payment.provider_id);
    assert_eq!(gateway.payments(), 1);
    let declined = news(&test, &id, 1, "evt_no", News::Failed { code: "card_declined".to_owned() }).await;
    payments::finalise(&test.app, &declined).await.map(|_| ()).expect("noted");
    start().await.expect("the buyer may try again");
    assert_eq!(gateway.payments(), 1);
}

#[tokio::test]
async fn a_crash_while_starting_a_payment_leads_to_the_same_payment() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_999, 5).await;
    let (gateway, buyer) = (FakeGateway::default(), test.user("buyer").await);
    let id = test.order(&buyer, &[(&thing, 1)]).await;
    gateway.fail(GatewayFault::LostAnswer);
    let unknown = payments::start(&test.app, &gateway, &id, buyer.id()).await.expect_err("no answer");
    assert!(matches!(unknown, Error::Problem(Problem::ProviderUnavailable)), "{unknown:?}");
    // The money comes although nothing of the payment was recorded.
    drop(gateway.pay("pi_0"));
    let total = test.read_order(&id).await.order.value.totals.total;
    let report = Report {
        gateway: gateway.gateway(),
        message: Some("evt_1".to_owned()),
        order: id.clone(),
        attempt: 1,
        provider_id: "pi_0".to_owned(),
        news: News::Succeeded(total),
    };
    assert_eq!(payments::finalise(&test.app, &report).await.expect("finalised"), Change::Applied);
    assert_eq!(gateway.payments(), 1);
    test.assert_clean().await;
}

#[tokio::test]
async fn a_refund_that_is_repeated_after_a_crash_is_one_refund() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_999, 5).await;
    let (gateway, buyer) = (FakeGateway::default(), test.user("buyer").await);
    let id = test.order(&buyer, &[(&thing, 1)]).await;
    paid(&test, &gateway, &id, &buyer).await;
    test.cancel(&buyer, &id).await.expect("cancelled");
    for fault in [GatewayFault::LostRequest, GatewayFault::LostAnswer] {
        gateway.fail(fault);
        refund_calls::refund(&test.app, &Gateways::default().with(gateway.clone()), &id, 1, 1)
            .await
            .expect_err("no answer");
    }
    let gateways = Gateways::default().with(gateway.clone());
    let refund = || refund_calls::refund(&test.app, &gateways, &id, 1, 1);
    assert_eq!(refund().await.expect("refunded"), Change::Applied);
    assert_eq!(refund().await.expect("no more"), Change::AlreadyApplied);
    assert_eq!(gateway.refunded_minor(), test.read_order(&id).await.order.value.totals.total.minor());
    test.assert_clean().await;
}

#[tokio::test]
async fn an_order_lives_from_cart_to_delivery() {
    let test = TestApp::new().await;
    let (one, two) = (test.seller("one").await, test.seller("two").await);
    let (a, b) = (test.goods(&one, 1_999, 5).await, test.goods(&two, 333, 5).await);
    let (gateway, buyer) = (FakeGateway::default(), test.user("buyer").await);
    let id = test.order(&buyer, &[(&a, 1), (&b, 3)]).await;
    paid(&test, &gateway, &id, &buyer).await;
    for (shop, number) in [(&one, "1"), (&two, "2")] {
        let (shop, parcel) = (shop.seller(), parcel(number));
        shipping::ship(&test.app, &id, &shop, &parcel, &test.once(nothing)).await.expect("shipped");
    }
    assert_eq!((test.stock(&a).await, test.stock(&b).await), ((4, 0, 0), (2, 0, 0)));
    for shop in [&one, &two] {
        let part = shop.seller();
        let (all, buyer) = ((&part, None), buyer.id());
        let done = shipping::confirm_delivery(&test.app, &id, all, buyer, &test.once(nothing)).await;
        done.expect("delivered");
    }
    assert!(matches!(test.read_order(&id).await.order.value.state, OrderState::Completed { .. }));
    let events = test.app.store.events(&id, 0, 100).await.expect("events");
    assert_eq!(events.len(), 7);
    for (index, event) in events.iter().enumerate() {
        assert_eq!(sutler_store::events::hash(event).expect("a hash"), event.hash);
        let before = index.checked_sub(1).map_or(String::new(), |before| events[before].hash.clone());
        assert_eq!(event.prev_hash, before);
    }
    test.assert_clean().await;
}
