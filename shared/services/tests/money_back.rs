//! What goes back of orders with coupons, taxes and units of several shards: to the cent, to whom it came from, once.
#![expect(clippy::arithmetic_side_effects, clippy::expect_used, reason = "a test fails by stopping")]

use std::collections::BTreeMap;

use sutler_domain::{
    coupon::{CouponCode, Funder},
    idempotency::Answer,
    ids::{OrderId, VariantId},
    ledger::{Account, LedgerTx, Side},
    money::{BasisPoints, Currency, Money},
    order::{OrderState, Units},
    refund::Destination,
    shipment::Tracking,
    shipping::{Choices, ShippingProfile},
    tax::Prices,
};
use sutler_gateways::payment::RefundStatus;
use sutler_services::{
    orders::{self},
    refunds::{self, RefundOf, RefundWish},
    returns::{self, Decider, Returned},
    shipping::{self, NewShipment, SentBy},
};
use sutler_store::{StoreError, Table, Transaction, codec::decode, refunds as refunds_of_store};
use sutler_testkit::{FakeGateway, TestApp, TestUser, nothing};

fn usd(minor: u64) -> Money {
    Money::try_new(minor, Currency::Usd).expect("an amount")
}

fn some(variant: &VariantId, quantity: u32) -> Units {
    Units { variant: variant.clone(), quantity }
}

/// A paid order with this coupon.
async fn bought(
    test: &TestApp,
    gateway: &FakeGateway,
    buyer: &TestUser,
    lines: &[(&VariantId, u32)],
    code: &CouponCode,
) -> OrderId {
    test.fill_cart(buyer, lines).await;
    test.put_coupon(buyer, code).await.expect("a coupon in the cart");
    let id = test.place(&test.agreed_as_is(buyer, Choices::new()).await).await.expect("an order");
    test.pay_through(gateway, buyer, &id).await;
    id
}

async fn give_up(test: &TestApp, id: &OrderId, buyer: &TestUser, lines: &[Units]) {
    let once = test.once(nothing);
    orders::cancel(&test.app, id, buyer.id(), Some(lines), &once).await.expect("given up");
    test.assert_clean().await;
}

async fn obey_all(test: &TestApp, gateway: &FakeGateway, id: &OrderId) {
    test.obey_all(gateway, id).await;
    test.assert_clean().await;
}

async fn refunded(test: &TestApp, id: &OrderId) -> u64 {
    test.read_order(id).await.order.value.refunded.minor()
}

async fn uses(test: &TestApp, code: &CouponCode) -> u32 {
    test.coupon(code).await.uses
}

/// What each account has gained over all postings, unless that is nothing.
async fn balances(test: &TestApp) -> BTreeMap<Account, i64> {
    let (items, _) = test.app.store.scan(Table::Ledger, None).await.expect("a page");
    let mut sums = BTreeMap::new();
    for item in items {
        for leg in decode::<LedgerTx>(&item).expect("a posting").value.legs() {
            let amount = i64::try_from(leg.amount.minor()).expect("an amount");
            let sign = if leg.side == Side::Credit { 1 } else { -1 };
            *sums.entry(leg.account.clone()).or_default() += sign * amount;
        }
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}

#[tokio::test]
async fn every_unit_gives_back_what_was_paid_for_it_under_any_coupon_and_tax() {
    for (own, prices) in [
        (false, Prices::Exclusive),
        (true, Prices::Exclusive),
        (false, Prices::Inclusive),
        (true, Prices::Inclusive),
    ] {
        let test = TestApp::new().await;
        let (shop, buyer) = (test.seller("shop").await, test.user("ada").await);
        let (one, two) = (test.goods(&shop, 999, 9).await, test.goods(&shop, 501, 9).await);
        test.rule(|rules| {
            rules.tax.default_rate = BasisPoints::new(1_900).expect("a rate");
            rules.tax.prices = prices;
        })
        .await;
        let funder = if own { Funder::Seller { seller: shop.seller() } } else { Funder::Platform };
        let code = test.new_coupon("third", funder, test.percent_off(33)).await;
        let gateway = FakeGateway::default();
        let id = bought(&test, &gateway, &buyer, &[(&one, 3), (&two, 2)], &code).await;
        let total = test.read_order(&id).await.order.value.totals;
        assert_eq!(total.discount.minor(), 1_319, "a third of 39.99");
        let mut steps = Vec::new();
        for units in [some(&one, 1), some(&two, 1), some(&one, 1), some(&one, 1)] {
            let before = refunded(&test, &id).await;
            give_up(&test, &id, &buyer, &[units]).await;
            assert_eq!(uses(&test, &code).await, 1, "as long as something of it is to be sent");
            steps.push(refunded(&test, &id).await - before);
        }
        // Two thirds of 9.99 or 5.01, with its tax.
        let expected = match prices {
            Prices::Exclusive => [797, 400, 797, 796],
            Prices::Inclusive => [670, 336, 669, 669],
        };
        for (step, expected) in steps.iter().zip(expected) {
            assert!(step.abs_diff(expected) <= 1, "{steps:?} and not {expected:?}");
        }
        give_up(&test, &id, &buyer, &[some(&two, 1)]).await;
        assert_eq!((refunded(&test, &id).await, uses(&test, &code).await), (total.total.minor(), 0));
        obey_all(&test, &gateway, &id).await;
        assert_eq!(gateway.refunded_minor(), total.total.minor());
        assert_eq!(balances(&test).await, BTreeMap::new(), "everybody's shares went back");
    }
}

#[tokio::test]
async fn what_the_platform_alone_paid_for_goes_back_to_it() {
    let test = TestApp::new().await;
    let (shop, other, buyer) =
        (test.seller("shop").await, test.seller("other").await, test.user("ada").await);
    test.rule(|rules| rules.tax.default_rate = BasisPoints::new(0).expect("a rate")).await;
    test.ships(&shop, ShippingProfile::everywhere(usd(0))).await;
    test.ships(&other, ShippingProfile::everywhere(usd(700))).await;
    let (gift, thing) = (test.goods(&shop, 1_000, 9).await, test.goods(&other, 500, 9).await);
    let code = test.new_coupon("free", Funder::Platform, test.percent_off(100)).await;
    let gateway = FakeGateway::default();
    let id = bought(&test, &gateway, &buyer, &[(&gift, 3), (&thing, 1)], &code).await;
    assert_eq!(test.read_order(&id).await.order.value.totals.total, usd(700));
    let seller = Account::SellerPending { seller: shop.seller() };
    let share = balances(&test).await.get(&seller).copied().expect("a share");
    give_up(&test, &id, &buyer, &[some(&gift, 1)]).await;
    let left = balances(&test).await;
    assert_eq!(left.get(&seller), Some(&(share - share / 3)));
    assert_eq!(left.get(&Account::Promotions), Some(&-2_500), "ten of thirty-five came back");
    give_up(&test, &id, &buyer, &[some(&gift, 2)]).await;
    assert_eq!(balances(&test).await.get(&seller), None);
    obey_all(&test, &gateway, &id).await;
    assert_eq!(
        (refunded(&test, &id).await, gateway.refund_keys()),
        (0, Vec::new()),
        "the buyer paid nothing"
    );
}

#[tokio::test]
async fn units_of_several_shards_go_back_where_they_came_from_exactly_once() {
    let test = TestApp::new().await;
    let (seller, buyer) = (test.seller("shop").await, test.user("ada").await);
    let thing = test.goods(&seller, 1_000, 12).await;
    test.flash_sale(&seller, &thing, 4, Some(9)).await;
    let id = test.order(&buyer, &[(&thing, 7)]).await;
    let of_shards = test.shards(&thing).await;
    assert!(of_shards.iter().filter(|available| **available < 3).count() >= 3, "{of_shards:?}");
    test.pay(&buyer, &id).await;
    give_up(&test, &id, &buyer, &[some(&thing, 2)]).await;
    assert_eq!(test.stock(&thing).await, (7, 0, 5));
    let tracking = Tracking::parse("dhl", "1").expect("tracking");
    let parcel = NewShipment { by: SentBy::Own(tracking), lines: Some(vec![some(&thing, 3)]) };
    shipping::ship(&test.app, &id, &seller.seller(), &parcel, &test.once(nothing)).await.expect("shipped");
    test.assert_clean().await;
    assert_eq!(test.stock(&thing).await, (7, 0, 2));
    give_up(&test, &id, &buyer, &[some(&thing, 2)]).await;
    assert_eq!(test.stock(&thing).await, (9, 0, 0));
    test.deliver(&buyer, &seller, &id).await;
    let before = test.shards(&thing).await;

    let asked =
        test.once(|returned: &Returned| Answer { status: 201, body: returned.sent_back.id.to_string() });
    let wish = ([some(&thing, 3)], "too small");
    let answer =
        returns::request(&test.app, &id, buyer.id(), (&wish.0, wish.1), &asked).await.expect("asked");
    let sent_back = sutler_domain::ids::ReturnId::parse(&answer.body).expect("a return");
    let decider = Decider { by: seller.id().clone(), staff: false };
    returns::approve(&test.app, &sent_back, &decider, &test.once(nothing)).await.expect("approved");
    for _ in 0..2 {
        let (sellable, once) = ([some(&thing, 2)], test.once(nothing));
        let what = (sellable.as_slice(), Destination::Card);
        returns::receive(&test.app, &sent_back, seller.id(), what, &once).await.expect("received");
    }
    let after = test.shards(&thing).await;
    assert_eq!((after.first().copied(), after.get(1..)), (before.first().map(|n| n + 2), before.get(1..)));
    assert_eq!(test.stock(&thing).await, (11, 0, 0));
    test.assert_clean().await;
    // Three of the nine that one may have were sent; six are left.
    test.order(&buyer, &[(&thing, 6)]).await;
    test.assert_clean().await;
}

#[tokio::test]
async fn a_coupon_comes_back_once_though_the_money_could_not_go_back_at_first() {
    let test = TestApp::new().await;
    let (shop, buyer) = (test.seller("shop").await, test.user("ada").await);
    let thing = test.goods(&shop, 1_000, 9).await;
    let code = test.new_coupon("tenth", Funder::Platform, test.percent_off(10)).await;
    let gateway = FakeGateway::default();
    let id = bought(&test, &gateway, &buyer, &[(&thing, 1)], &code).await;
    let bob = test.user("bob").await;
    let other = bought(&test, &FakeGateway::default(), &bob, &[(&thing, 1)], &code).await;
    gateway.let_refunds_be(RefundStatus::Failed);
    test.cancel(&buyer, &id).await.expect("cancelled");
    assert_eq!(uses(&test, &code).await, 1);
    obey_all(&test, &gateway, &id).await;
    let found = test.read_order(&id).await.order.value;
    assert!(matches!(found.state, OrderState::Paid { .. }), "its money is here again");
    test.cancel(&buyer, &id).await.expect("nothing to do");
    let of = RefundOf::Part { seller: None, lines: Vec::new(), amount: Some(found.totals.total) };
    let wish = RefundWish { by: shop.id().clone(), staff: false, of, destination: Destination::Wallet };
    refunds::refund(&test.app, &id, &wish, &test.once(nothing)).await.expect("refunded");
    test.assert_clean().await;
    assert_eq!(uses(&test, &code).await, 1, "bob's");
    let wallet = balances(&test).await.get(&Account::Wallet { user: buyer.id().clone() }).copied();
    assert_eq!(wallet, i64::try_from(found.totals.total.minor()).ok());
    test.cancel(&bob, &other).await.expect("cancelled");
    assert_eq!(uses(&test, &code).await, 0);
    test.assert_clean().await;
}

#[tokio::test]
async fn units_of_the_largest_order_are_cancelled_in_one_step() {
    let test = TestApp::new().await;
    let buyer = test.user("ada").await;
    let mut things = Vec::new();
    for n in 0..15 {
        let shop = test.seller(&format!("shop{n}")).await;
        for number in 0..if n < 5 { 4 } else { 3 } {
            let thing = test.goods(&shop, 1_000, 9).await;
            if n < 10 && number == 0 {
                test.flash_sale(&shop, &thing, 1, Some(5)).await;
            }
            things.push(thing);
        }
    }
    let code = test.new_coupon("spring", Funder::Platform, test.percent_off(10)).await;
    let lines: Vec<(&VariantId, u32)> = things.iter().map(|thing| (thing, 2)).collect();
    let gateway = FakeGateway::default();
    let id = bought(&test, &gateway, &buyer, &lines, &code).await;
    let one_of_each: Vec<Units> = things.iter().map(|thing| some(thing, 1)).collect();
    give_up(&test, &id, &buyer, &one_of_each).await;
    give_up(&test, &id, &buyer, &one_of_each).await;
    obey_all(&test, &gateway, &id).await;
    let read = test.read_order(&id).await;
    assert_eq!(read.order.value.state_name(), "refunded");
    assert_eq!(
        (gateway.refunded_minor(), uses(&test, &code).await),
        (read.order.value.totals.total.minor(), 0)
    );
}

#[tokio::test]
async fn a_refund_that_changed_is_not_written_over() {
    let test = TestApp::new().await;
    let (seller, buyer) = (test.seller("shop").await, test.user("buyer").await);
    let thing = test.goods(&seller, 1_000, 9).await;
    let id = test.order(&buyer, &[(&thing, 2)]).await;
    test.pay(&buyer, &id).await;
    give_up(&test, &id, &buyer, &[some(&thing, 1)]).await;
    // Two workers have read the refund: the answer of the slow one is older than what the fast one noted.
    let read = test.read_order(&id).await.refunds.pop().expect("a refund");
    for is_first in [true, false] {
        let mut note = Transaction::new();
        let guard = refunds_of_store::save(&mut note, &read).expect("an item");
        match test.app.store.transact(note).await {
            Ok(()) => assert!(is_first),
            Err(StoreError::Refused(refusal)) => assert!(!is_first && refusal.failed(guard)),
            Err(other) => panic!("{other:?}"),
        }
    }
}
