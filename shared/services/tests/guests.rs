//! People who buy without an account, and the accounts that later get what they bought.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by stopping"
)]

use sutler_domain::{
    coupon::Funder,
    event::EventKind,
    ids::OrderId,
    money::{Currency, Money},
    order::Change,
    problem::Problem,
    refund::Destination,
    shipping::Choices,
};
use sutler_services::{
    Error,
    guests::claim_orders,
    identity,
    orders::{self, OrderPage},
    payments::{self, News, Report},
    refunds::{self, RefundOf, RefundWish},
};
use sutler_testkit::{FakeGateway, Fault, Operation, RandomFaults, Rule, TestApp, TestUser, id_of, nothing};

async fn claim(test: &TestApp, account: &TestUser) -> usize {
    claim_orders(&test.app, account.id()).await.expect("an answer")
}

async fn sees(test: &TestApp, order: &OrderId, user: &TestUser) -> bool {
    match orders::get(&test.app, order, user.id(), false).await {
        Ok(OrderPage::Buyer(_)) => true,
        Err(Error::Problem(Problem::NotFound)) => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_guests_bought_belongs_to_the_account_that_proves_their_address() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_000, 9).await;
    let (early, late) = (test.guest("ada").await, test.guest("ada").await);
    let mut bought = Vec::new();
    for guest in [&early, &early, &late] {
        bought.push(test.order(guest, &[(&thing, 1)]).await);
    }
    let other = test.guest("eve").await;
    let others = test.order(&other, &[(&thing, 1)]).await;
    test.pay(&early, &bought[0]).await;
    assert!(sees(&test, &bought[0], &early).await && !sees(&test, &bought[0], &late).await);

    // The address alone gives nothing: it has to be proven.
    let unproven = test.unverified("ada").await;
    assert_eq!(claim(&test, &unproven).await, 0);
    assert!(sees(&test, &bought[0], &early).await);

    let stranger = test.user("bob").await;
    assert_eq!(claim(&test, &stranger).await, 0);
    let ada = unproven;
    let mail = identity::issue_verification(&test.app, ada.id()).await.expect("an answer").expect("a mail");
    identity::verify_email(&test.app, &mail.token).await.expect("verified");
    for _ in 0..2 {
        assert_eq!(claim(&test, &ada).await, 3);
    }
    for order in &bought {
        assert!(sees(&test, order, &ada).await && !sees(&test, order, &early).await, "{order}");
        let events = test.app.store.events(order, 0, 100).await.expect("events");
        assert_eq!(events.iter().filter(|event| event.event == EventKind::OrderClaimed {}).count(), 1);
    }
    assert!(sees(&test, &others, &other).await && !sees(&test, &others, &ada).await);
    assert_eq!(test.app.store.orders_of_buyer(ada.id(), None, 10).await.expect("orders").len(), 3);
    assert_eq!(test.app.store.orders_of_buyer(early.id(), None, 10).await.expect("orders").len(), 0);
    // The account does with them what it does with its own.
    test.cancel(&ada, &bought[1]).await.expect("cancelled");
    test.pay(&ada, &bought[2]).await;
    test.assert_clean().await;
}

#[tokio::test]
async fn coupons_and_limits_count_for_the_guest_who_bought_whoever_owns_the_order() {
    let test = TestApp::new().await;
    let seller = test.seller("shop").await;
    let thing = test.goods(&seller, 1_000, 9).await;
    test.flash_sale(&seller, &thing, 1, Some(2)).await;
    let code = test.new_coupon("spring", Funder::Platform, test.percent_off(10)).await;
    let guest = test.guest("ada").await;
    test.fill_cart(&guest, &[(&thing, 2)]).await;
    test.put_coupon(&guest, &code).await.expect("a coupon");
    let command = test.agreed_as_is(&guest, Choices::new()).await;
    let order = test.place(&command).await.expect("an order");
    let ada = test.user("ada").await;
    assert_eq!(claim(&test, &ada).await, 1);
    test.assert_clean().await;
    test.cancel(&ada, &order).await.expect("cancelled");
    test.assert_clean().await;
    assert_eq!(test.stock(&thing).await, (9, 0, 0));
}

#[tokio::test]
async fn a_guest_whose_orders_were_claimed_places_no_more() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_000, 9).await;
    let guest = test.guest("ada").await;
    let command = test.agreed(&guest, &[(&thing, 1)]).await;
    let ada = test.user("ada").await;
    assert_eq!(claim(&test, &ada).await, 0);
    let refused = test.place(&command).await.expect_err("claimed");
    assert!(matches!(refused, Error::Problem(Problem::Unauthenticated)), "{refused:?}");
    assert_eq!(test.stock(&thing).await, (9, 0, 0));
}

#[tokio::test]
async fn an_order_that_is_placed_while_it_is_claimed_is_claimed_or_not_placed() {
    let (mut placed, mut refused) = (0, 0);
    for seed in 0..40 {
        let test = TestApp::new().await;
        let thing = test.goods(&test.seller("shop").await, 1_000, 9).await;
        let guest = test.guest("ada").await;
        let command = test.agreed(&guest, &[(&thing, 1)]).await;
        let ada = test.user("ada").await;
        test.db.random_faults(RandomFaults::new(seed));
        let once = test.once(id_of);
        let (order, claimed) =
            tokio::join!(orders::place(&test.app, &command, &once), claim_orders(&test.app, ada.id()));
        let claimed = claimed.expect("an answer");
        match order {
            Ok(answer) => {
                placed += 1;
                let order = OrderId::parse(&answer.body).expect("an id");
                assert!(sees(&test, &order, &ada).await, "seed {seed}: {claimed} claimed");
            }
            Err(Error::Problem(Problem::Unauthenticated | Problem::Conflict)) => {
                refused += 1;
                assert_eq!((claimed, test.stock(&thing).await), (0, (9, 0, 0)), "seed {seed}");
            }
            Err(other) => panic!("{other:?}"),
        }
        test.assert_clean().await;
    }
    assert!(placed > 0 && refused > 0, "{placed} placed, {refused} refused: one of the two was not tried");
}

#[tokio::test]
async fn a_claim_that_breaks_anywhere_is_finished_by_its_repetition() {
    for skip in 0..8 {
        let test = TestApp::new().await;
        let thing = test.goods(&test.seller("shop").await, 1_000, 9).await;
        let guest = test.guest("ada").await;
        let bought = [test.order(&guest, &[(&thing, 1)]).await, test.order(&guest, &[(&thing, 1)]).await];
        let ada = test.user("ada").await;
        for operation in [Operation::Query, Operation::UpdateItem, Operation::TransactWriteItems] {
            test.db.fault(Rule::after(operation, Fault::TimedOut).skip(skip).times(9));
            let _broken = claim_orders(&test.app, ada.id()).await;
            test.db.calm();
        }
        assert_eq!(claim(&test, &ada).await, 2);
        for order in &bought {
            assert!(sees(&test, order, &ada).await);
            let events = test.app.store.events(order, 0, 100).await.expect("events");
            assert_eq!(events.len(), 2, "{events:?}");
        }
        test.assert_clean().await;
    }
}

#[tokio::test]
async fn money_that_comes_late_for_a_claimed_order_finds_its_goods_and_its_buyer() {
    let test = TestApp::new().await;
    let seller = test.seller("shop").await;
    let thing = test.goods(&seller, 1_000, 2).await;
    test.flash_sale(&seller, &thing, 1, Some(2)).await;
    let guest = test.guest("ada").await;
    let order = test.order(&guest, &[(&thing, 2)]).await;
    let gateway = FakeGateway::default();
    let started = payments::start(&test.app, &gateway, &order, guest.id()).await.expect("a payment");
    let ada = test.user("ada").await;
    assert_eq!(claim(&test, &ada).await, 1);
    test.cancel(&ada, &order).await.expect("cancelled");
    test.assert_clean().await;
    let report = Report {
        gateway: "stripe",
        message: Some("evt_1".to_owned()),
        order: order.clone(),
        attempt: started.attempt,
        provider_id: started.payment.provider_id,
        news: News::Succeeded(started.amount),
    };
    let change = payments::finalise(&test.app, &report).await.expect("decided");
    assert_eq!(change, Change::Applied);
    assert_eq!(test.stock(&thing).await, (0, 0, 2));
    assert!(sees(&test, &order, &ada).await);
    test.assert_clean().await;
}

#[tokio::test]
async fn money_goes_into_a_wallet_only_when_an_account_owns_it() {
    let test = TestApp::new().await;
    let seller = test.seller("shop").await;
    let thing = test.goods(&seller, 1_000, 9).await;
    let guest = test.guest("ada").await;
    let order = test.order(&guest, &[(&thing, 2)]).await;
    test.pay(&guest, &order).await;
    let wish = |destination| RefundWish {
        by: seller.id().clone(),
        staff: false,
        of: RefundOf::Part {
            seller: None,
            lines: Vec::new(),
            amount: Some(Money::try_new(500, Currency::Usd).expect("an amount")),
        },
        destination,
    };
    let refused = refunds::refund(&test.app, &order, &wish(Destination::Wallet), &test.once(nothing)).await;
    let Err(Error::Problem(Problem::Invalid(fields))) = refused else { panic!("{refused:?}") };
    assert_eq!((fields[0].pointer.as_str(), fields[0].code), ("/destination", "not-for-guests"));
    refunds::refund(&test.app, &order, &wish(Destination::Card), &test.once(nothing))
        .await
        .expect("given back");
    let ada = test.user("ada").await;
    assert_eq!(claim(&test, &ada).await, 1);
    refunds::refund(&test.app, &order, &wish(Destination::Wallet), &test.once(nothing))
        .await
        .expect("given back");
    test.assert_clean().await;
}
