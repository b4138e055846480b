//! Variants in great demand, spread over shards: no unit is lost or sold twice, nobody is refused while there are
//! any, and nobody gets more than they may.
#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by stopping")]

use std::time::Duration;

use sutler_domain::{
    cart::Quantity,
    ids::{CartId, OrderId, VariantId},
    order::Change,
    problem::Problem,
    shards::{FlashSale, Shift},
};
use sutler_services::{
    Error,
    carts::{CartAccess, put_line},
    flash_sales::{self, Terms},
    inventory::{self, Adjustment, Count},
    orders::{self, PlaceOrder},
    payments::{self, News, Report},
};
use sutler_store::{StoreError, Transaction, flash_sales as flash_sales_of_store, stock};
use sutler_testkit::{
    FakeGateway, Fault, Moment, Operation, RandomFaults, Rule, Stage, TestApp, TestUser, nothing,
};
use tokio::task::JoinSet;

async fn buys(test: &TestApp, buyer: &TestUser, lines: &[(&VariantId, u32)]) -> Result<OrderId, Error> {
    test.place(&test.agreed(buyer, lines).await).await
}

async fn adjust(test: &TestApp, seller: &TestUser, variant: &VariantId, count: Count) -> Result<(), Error> {
    let once = test.once::<Adjustment>(nothing);
    inventory::adjust(&test.app, &seller.seller(), variant, count, "counted", &once).await.map(drop)
}

/// The shards the units of an order came from.
async fn origin(test: &TestApp, order: &OrderId) -> Vec<(u8, u32)> {
    let read = test.read_order(order).await;
    let line = &read.parts[0].value.lines[0];
    line.origin.units(line.quantity).iter().map(|piece| (piece.shard, piece.quantity)).collect()
}

fn shortage(outcome: Result<OrderId, Error>) -> u32 {
    match outcome {
        Err(Error::Problem(Problem::InsufficientStock(short))) => short[0].available,
        other => panic!("{other:?}"),
    }
}

async fn sale_of(test: &TestApp, variant: &VariantId) -> Option<FlashSale> {
    test.app.store.variant(variant).await.expect("an answer").expect("a variant").value.flash_sale
}

#[tokio::test]
async fn spreading_and_gathering_keep_every_unit() {
    let test = TestApp::new().await;
    let seller = test.seller("shop").await;
    let thing = test.goods(&seller, 1_000, 25).await;
    for (shards, expected) in [
        (16, [vec![2; 9], vec![1; 7]].concat()),
        (64, [vec![1; 25], vec![0; 39]].concat()),
        (2, vec![13, 12]),
    ] {
        test.flash_sale(&seller, &thing, shards, None).await;
        assert_eq!(test.shards(&thing).await, expected);
        assert_eq!(test.stock(&thing).await, (25, 0, 0));
    }
    test.flash_sale(&seller, &thing, 1, None).await;
    assert_eq!((test.shards(&thing).await, sale_of(&test, &thing).await), (vec![25], None));
    // The empty shards that were made are used again.
    test.flash_sale(&seller, &thing, 3, None).await;
    assert_eq!(test.shards(&thing).await, [9, 8, 8]);
    test.assert_clean().await;
}

#[tokio::test]
async fn an_order_of_a_variant_that_is_spread_takes_three_round_trips() {
    let test = TestApp::new().await;
    let seller = test.seller("shop").await;
    let thing = test.goods(&seller, 1_000, 640).await;
    test.flash_sale(&seller, &thing, 64, Some(5)).await;
    let command = test.agreed(&test.user("buyer").await, &[(&thing, 5)]).await;
    test.db.reset_meter();
    let id = test.place(&command).await.expect("an order");
    assert_eq!(test.db.meter().round_trips(), 3);
    assert_eq!(origin(&test, &id).await.len(), 1);
    test.assert_clean().await;
}

#[tokio::test]
async fn an_order_finds_its_units_in_any_shard_and_splits_only_when_it_must() {
    let test = TestApp::new().await;
    let seller = test.seller("shop").await;
    let thing = test.goods(&seller, 1_000, 12).await;
    test.flash_sale(&seller, &thing, 4, None).await;
    for number in 0..4 {
        let buyer = test.user(&format!("buyer{number}")).await;
        let id = buys(&test, &buyer, &[(&thing, 2)]).await.expect("an order");
        assert_eq!(origin(&test, &id).await.len(), 1, "a shard still has two");
    }
    let (last, late) = (test.user("last").await, test.user("late").await);
    assert_eq!(shortage(buys(&test, &late, &[(&thing, 5)]).await), 4, "what there is in all shards");
    let id = buys(&test, &last, &[(&thing, 4)]).await.expect("an order");
    assert_eq!(origin(&test, &id).await.iter().map(|(_, units)| units).sum::<u32>(), 4);
    assert!(origin(&test, &id).await.len() > 1);
    assert_eq!(test.stock(&thing).await, (0, 12, 0));
    assert_eq!(shortage(buys(&test, &late, &[(&thing, 1)]).await), 0);
    // All of it goes back to where it came from.
    test.cancel(&last, &id).await.expect("cancelled");
    assert_eq!(test.stock(&thing).await, (4, 8, 0));
    test.assert_clean().await;
}

#[tokio::test]
async fn an_order_of_what_is_spread_lives_from_cart_to_delivery() {
    for stage in Stage::ALL {
        let test = TestApp::new().await;
        let (seller, buyer) = (test.seller("shop").await, test.user("buyer").await);
        let thing = test.goods(&seller, 1_000, 8).await;
        test.flash_sale(&seller, &thing, 4, Some(6)).await;
        test.order_at(stage, &buyer, &seller, &[(&thing, 6)]).await;
        let expected = match stage {
            Stage::AwaitingPayment => (2, 6, 0),
            Stage::Paid => (2, 0, 6),
            Stage::Cancelled | Stage::Refunded => (8, 0, 0),
            Stage::InTransit | Stage::Completed => (2, 0, 0),
        };
        assert_eq!(test.stock(&thing).await, expected, "{stage:?}");
        test.assert_clean().await;
    }
}

async fn crowd(test: &TestApp, thing: &VariantId, buyers: u32) -> Vec<PlaceOrder> {
    let mut commands = Vec::new();
    for number in 0..buyers {
        let buyer = test.user(&format!("buyer{number}")).await;
        commands.push(test.agreed(&buyer, &[(thing, 1)]).await);
    }
    commands
}

#[tokio::test]
async fn no_buyer_is_refused_while_units_are_left() {
    for seed in 0..2 {
        let test = TestApp::new().await;
        let seller = test.seller("shop").await;
        let thing = test.goods(&seller, 1_000, 25).await;
        test.flash_sale(&seller, &thing, 16, None).await;
        let commands = crowd(&test, &thing, 200).await;
        test.db.random_faults(RandomFaults::new(seed).rate(50, Moment::Before, Fault::Conflict));
        let mut tasks = JoinSet::new();
        for command in commands {
            let test = test.clone();
            tasks.spawn(async move { test.place(&command).await });
        }
        let (mut sold, mut short) = (0, 0);
        while let Some(outcome) = tasks.join_next().await {
            match outcome.expect("no panic") {
                Ok(_) => sold += 1,
                Err(Error::Problem(Problem::InsufficientStock(shortages))) => {
                    assert_eq!(shortages[0].available, 0);
                    short += 1;
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        test.db.calm();
        assert_eq!((sold, short, test.stock(&thing).await), (25, 175, (0, 25, 0)), "seed {seed}");
        test.assert_clean().await;
    }
}

#[tokio::test]
async fn rebalancing_during_orders_loses_no_unit_and_refuses_nobody() {
    for seed in 0..2 {
        let test = TestApp::new().await;
        let seller = test.seller("shop").await;
        let thing = test.goods(&seller, 1_000, 60).await;
        test.flash_sale(&seller, &thing, 8, None).await;
        let commands = crowd(&test, &thing, 60).await;
        test.db.random_faults(RandomFaults::new(seed).rate(50, Moment::Before, Fault::Conflict));
        let mut tasks = JoinSet::new();
        for (number, command) in commands.into_iter().enumerate() {
            let (test, thing, seller) = (test.clone(), thing.clone(), seller.clone());
            tasks.spawn(async move {
                if number % 12 == 0 {
                    let shards = [3, 16, 1, 5, 9][(number / 12) % 5];
                    let terms = Terms { shards, per_buyer_limit: None };
                    let once = test.once(nothing);
                    let set = flash_sales::set(&test.app, &seller.seller(), &thing, terms, &once).await;
                    assert!(matches!(set, Ok(_) | Err(Error::Problem(Problem::Conflict))), "{set:?}");
                } else if number % 4 == 1 {
                    flash_sales::balance_all(&test.app).await.expect("balanced");
                }
                test.place(&command).await
            });
        }
        while let Some(outcome) = tasks.join_next().await {
            outcome.expect("no panic").expect("there was one for everybody");
        }
        test.db.calm();
        assert_eq!(test.stock(&thing).await, (0, 60, 0), "seed {seed}");
        test.assert_clean().await;
    }
}

#[tokio::test]
async fn whatever_fails_while_shards_are_evened_out_no_unit_is_lost() {
    for skip in (0..40).step_by(3) {
        for (moment, fault) in [
            (Moment::Before, Fault::Killed),
            (Moment::After, Fault::Killed),
            (Moment::After, Fault::Dropped),
            (Moment::Before, Fault::Conflict),
        ] {
            let test = TestApp::new().await;
            let seller = test.seller("shop").await;
            let thing = test.goods(&seller, 1_000, 25).await;
            let rule = match moment {
                Moment::Before => Rule::before(Operation::TransactWriteItems, fault),
                Moment::After => Rule::after(Operation::TransactWriteItems, fault),
            };
            test.db.fault(rule.skip(skip));
            let (test_too, seller_too, thing_too) = (test.clone(), seller.clone(), thing.clone());
            let story = async move {
                test_too.flash_sale(&seller_too, &thing_too, 16, None).await;
                test_too.flash_sale(&seller_too, &thing_too, 2, None).await;
            };
            drop(tokio::time::timeout(Duration::from_millis(50), story).await);
            test.db.calm();
            assert_eq!(test.stock(&thing).await, (25, 0, 0), "after {skip}");
            test.flash_sale(&seller, &thing, 4, None).await;
            assert_eq!(test.shards(&thing).await[..4], [7, 6, 6, 6]);
            test.assert_clean().await;
        }
    }
}

#[tokio::test]
async fn a_buyer_never_gets_more_than_the_limit_whatever_the_concurrency() {
    let test = TestApp::new().await;
    let (seller, buyer) = (test.seller("shop").await, test.user("buyer").await);
    let thing = test.goods(&seller, 1_000, 50).await;
    test.flash_sale(&seller, &thing, 8, Some(3)).await;
    let refused = buys(&test, &buyer, &[(&thing, 4)]).await.expect_err("more than one buyer may have");
    let limit = Problem::BuyerLimit { variant: thing.clone(), limit: 3, bought: 0 };
    assert!(matches!(&refused, Error::Problem(problem) if *problem == limit), "{refused:?}");
    let mut bought = Vec::new();
    for _ in 0..3 {
        bought.push(buys(&test, &buyer, &[(&thing, 1)]).await.expect("within the limit"));
    }
    let refused = buys(&test, &buyer, &[(&thing, 1)]).await.expect_err("a fourth");
    let limit = Problem::BuyerLimit { variant: thing.clone(), limit: 3, bought: 3 };
    assert!(matches!(&refused, Error::Problem(problem) if *problem == limit), "{refused:?}");
    buys(&test, &test.user("other").await, &[(&thing, 3)]).await.expect("each has their own");
    // Whatever is given up can be had again, once.
    test.db.random_faults(RandomFaults::new(5).rate(100, Moment::Before, Fault::Conflict));
    let cancelled = [0, 0, 1].map(|at: usize| {
        let (test, id, buyer) = (test.clone(), bought[at].clone(), buyer.clone());
        async move { test.cancel(&buyer, &id).await }
    });
    let [a, b, c] = cancelled;
    let outcomes = tokio::join!(a, b, c);
    assert!(outcomes.0.is_ok() && outcomes.1.is_ok() && outcomes.2.is_ok(), "{outcomes:?}");
    test.db.calm();
    test.clock().advance(Duration::from_secs(901));
    orders::sweep(&test.app).await.expect("swept");
    test.assert_clean().await;
    buys(&test, &buyer, &[(&thing, 3)]).await.expect("all of them came back");
    buys(&test, &buyer, &[(&thing, 1)]).await.expect_err("and no more");
    test.assert_clean().await;
}

#[tokio::test]
async fn a_crowd_of_one_buyers_orders_stays_within_the_limit() {
    let test = TestApp::new().await;
    let (seller, buyer) = (test.seller("shop").await, test.user("buyer").await);
    let thing = test.goods(&seller, 1_000, 50).await;
    test.flash_sale(&seller, &thing, 8, Some(2)).await;
    // The cart guards against two orders at once, so the counter is tried by itself.
    let limit = sale_of(&test, &thing).await.and_then(|sale| sale.limit()).expect("a limit");
    test.db.random_faults(RandomFaults::new(3).rate(100, Moment::Before, Fault::Conflict));
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let (test, thing, buyer) = (test.clone(), thing.clone(), buyer.clone());
        tasks.spawn(async move {
            let (key, change) = flash_sales_of_store::count(&thing, buyer.id(), limit, 1);
            test.app.store.update(&key, &change).await.is_ok()
        });
    }
    let counted = tasks.join_all().await.into_iter().filter(|counted| *counted).count();
    assert_eq!(counted, 2);
}

#[tokio::test]
async fn a_new_limit_counts_anew_and_a_changed_one_does_not() {
    let test = TestApp::new().await;
    let (seller, buyer) = (test.seller("shop").await, test.user("buyer").await);
    let thing = test.goods(&seller, 1_000, 50).await;
    test.flash_sale(&seller, &thing, 1, Some(2)).await;
    let first = buys(&test, &buyer, &[(&thing, 2)]).await.expect("an order");
    test.flash_sale(&seller, &thing, 2, Some(3)).await;
    buys(&test, &buyer, &[(&thing, 2)]).await.expect_err("two of three are bought");
    test.flash_sale(&seller, &thing, 2, None).await;
    buys(&test, &buyer, &[(&thing, 9)]).await.expect("no limit");
    test.flash_sale(&seller, &thing, 2, Some(1)).await;
    buys(&test, &buyer, &[(&thing, 1)]).await.expect("counted anew");
    test.cancel(&buyer, &first).await.expect("cancelled");
    buys(&test, &buyer, &[(&thing, 1)]).await.expect_err("that was of another counting");
    test.assert_clean().await;
}

#[tokio::test]
async fn a_cart_takes_what_all_shards_have_together_within_the_limit() {
    let test = TestApp::new().await;
    let (seller, buyer) = (test.seller("shop").await, test.user("buyer").await);
    let thing = test.goods(&seller, 1_000, 20).await;
    test.flash_sale(&seller, &thing, 16, Some(15)).await;
    let access = CartAccess { user: Some(buyer.id().clone()), token_hash: None };
    let put = async |quantity| {
        let (cart, quantity) =
            (CartId::of_user(buyer.id()), Quantity::try_new(quantity).expect("a quantity"));
        put_line(&test.app, &cart, &access, &thing, quantity, &test.once(nothing)).await
    };
    put(15).await.expect("there are twenty");
    let refused = put(16).await.expect_err("more than a buyer may have");
    assert!(matches!(refused, Error::Problem(Problem::BuyerLimit { limit: 15, .. })), "{refused:?}");
    test.flash_sale(&seller, &thing, 16, None).await;
    put(20).await.expect("all of them");
    let refused = put(21).await.expect_err("more than there are");
    assert!(matches!(refused, Error::Problem(Problem::InsufficientStock(_))), "{refused:?}");
}

#[tokio::test]
async fn a_late_success_takes_the_goods_again_wherever_they_are() {
    let test = TestApp::new().await;
    let (seller, buyer) = (test.seller("shop").await, test.user("buyer").await);
    let thing = test.goods(&seller, 1_000, 8).await;
    test.flash_sale(&seller, &thing, 4, Some(2)).await;
    let gateway = FakeGateway::default();
    let late = async |between: &[(u8, Option<u32>)], other: Option<u32>| {
        let id = buys(&test, &buyer, &[(&thing, 2)]).await.expect("an order");
        let started = payments::start(&test.app, &gateway, &id, buyer.id()).await.expect("a payment");
        test.cancel(&buyer, &id).await.expect("cancelled");
        for (shards, limit) in between {
            test.flash_sale(&seller, &thing, *shards, *limit).await;
        }
        if let Some(quantity) = other {
            buys(&test, &buyer, &[(&thing, quantity)]).await.expect("another order");
        }
        let report = Report {
            gateway: "stripe",
            message: Some(format!("evt_{id}")),
            order: id.clone(),
            attempt: 1,
            provider_id: started.payment.provider_id,
            news: News::Succeeded(started.amount),
        };
        assert_eq!(payments::finalise(&test.app, &report).await.expect("finalised"), Change::Applied);
        assert_eq!(payments::finalise(&test.app, &report).await.expect("finalised"), Change::AlreadyApplied);
        test.assert_clean().await;
        test.read_order(&id).await.order.value.state.name()
    };
    // Its shard is gone, or it is all in another; and what the buyer bought meanwhile counts.
    assert_eq!(late(&[(1, Some(2))], None).await, "paid");
    assert_eq!(test.stock(&thing).await, (6, 0, 2));
    test.flash_sale(&seller, &thing, 4, None).await;
    assert_eq!(late(&[(2, None)], None).await, "paid");
    test.flash_sale(&seller, &thing, 4, Some(2)).await;
    assert_eq!(late(&[], Some(1)).await, "cancelled");
    assert_eq!(test.stock(&thing).await, (3, 1, 4));
}

#[tokio::test]
async fn units_that_orders_held_are_gathered_when_they_come_back() {
    let test = TestApp::new().await;
    let (seller, buyer) = (test.seller("shop").await, test.user("buyer").await);
    let thing = test.goods(&seller, 1_000, 16).await;
    test.flash_sale(&seller, &thing, 16, None).await;
    let id = buys(&test, &buyer, &[(&thing, 16)]).await.expect("an order");
    test.flash_sale(&seller, &thing, 1, None).await;
    assert_eq!(test.shards(&thing).await.len(), 16, "orders still hold units there");
    test.cancel(&buyer, &id).await.expect("cancelled");
    // They can be bought at once, wherever they are, and are gathered by the next run.
    let other = buys(&test, &buyer, &[(&thing, 16)]).await.expect("an order");
    test.cancel(&buyer, &other).await.expect("cancelled");
    assert_eq!(flash_sales::balance_all(&test.app).await.expect("balanced"), 15);
    assert_eq!((test.shards(&thing).await, sale_of(&test, &thing).await), (vec![16], None));
    assert_eq!(flash_sales::balance_all(&test.app).await.expect("balanced"), 0);
    test.assert_clean().await;
}

#[tokio::test]
async fn no_unit_moves_into_a_shard_that_was_given_up_and_none_is_given_up_in_use() {
    let test = TestApp::new().await;
    let seller = test.seller("shop").await;
    let thing = test.goods(&seller, 1_000, 9).await;
    test.flash_sale(&seller, &thing, 3, None).await;
    let spread = test.app.store.shards_of(&thing).await.expect("an answer").expect("some stock");
    let terms = spread.flash.as_ref().expect("terms").version;
    // A run of the rebalancer that is slow: what it read is long over when it writes.
    test.flash_sale(&seller, &thing, 1, None).await;
    let mut late = Transaction::new();
    stock::shift(&mut late, &thing, Shift { from: 0, to: 2, quantity: 3 });
    let guard = flash_sales_of_store::check(&mut late, &thing, Some(terms));
    match test.app.store.transact(late).await {
        Err(StoreError::Refused(refusal)) => assert!(refusal.failed(guard)),
        other => panic!("{other:?}"),
    }
    assert_eq!(test.shards(&thing).await, [9]);
    // And one that saw a shard empty into which something came since.
    let mut late = Transaction::new();
    for shard in &spread.shards {
        stock::check(&mut late, shard);
    }
    assert!(matches!(test.app.store.transact(late).await, Err(StoreError::Refused(_))));
    test.assert_clean().await;
}

#[tokio::test]
async fn units_that_move_to_a_new_shard_during_a_count_are_not_counted_as_missing() {
    for seed in 0..20 {
        let test = TestApp::new().await;
        let seller = test.seller("shop").await;
        let thing = test.goods(&seller, 1_000, 9).await;
        test.db.random_faults(RandomFaults::new(seed));
        // The count reads that nothing is spread, waits, and reads the first shard after units have left it.
        test.db.fault(Rule::before(Operation::BatchGetItem, Fault::Unprocessed));
        let counts = adjust(&test, &seller, &thing, Count::OnHand(12));
        let spreads = test.flash_sale(&seller, &thing, 3, None);
        let (counted, ()) = tokio::join!(counts, spreads);
        counted.expect("counted");
        assert_eq!(test.stock(&thing).await, (12, 0, 0));
        test.assert_clean().await;
    }
}

#[tokio::test]
async fn lines_scattered_over_more_shards_than_one_transaction_can_touch_are_gathered_first() {
    let test = TestApp::new().await;
    let (seller, buyer) = (test.seller("shop").await, test.user("buyer").await);
    let (one, two) = (test.goods(&seller, 1_000, 64).await, test.goods(&seller, 1_000, 64).await);
    for thing in [&one, &two] {
        test.flash_sale(&seller, thing, 64, None).await;
    }
    let id = buys(&test, &buyer, &[(&one, 64), (&two, 64)]).await.expect("an order");
    assert_eq!((test.stock(&one).await, test.stock(&two).await), ((0, 64, 0), (0, 64, 0)));
    test.cancel(&buyer, &id).await.expect("cancelled");
    test.assert_clean().await;
}

#[tokio::test]
async fn a_seller_corrects_what_is_spread_like_anything_else() {
    let test = TestApp::new().await;
    let (seller, buyer) = (test.seller("shop").await, test.user("buyer").await);
    let thing = test.goods(&seller, 1_000, 16).await;
    test.flash_sale(&seller, &thing, 8, None).await;
    buys(&test, &buyer, &[(&thing, 3)]).await.expect("an order");
    adjust(&test, &seller, &thing, Count::Delta(4)).await.expect("four more");
    assert_eq!(test.stock(&thing).await, (17, 3, 0));
    adjust(&test, &seller, &thing, Count::Delta(-15)).await.expect("fifteen fewer");
    let refused = adjust(&test, &seller, &thing, Count::Delta(-3)).await.expect_err("two are free");
    let Error::Problem(Problem::InsufficientStock(short)) = refused else { panic!("{refused:?}") };
    assert_eq!(short[0].available, 2);
    for (count, available) in [(3, 0), (20, 17), (20, 17), (5, 2)] {
        adjust(&test, &seller, &thing, Count::OnHand(count)).await.expect("counted");
        assert_eq!(test.stock(&thing).await, (available, 3, 0));
    }
    adjust(&test, &seller, &thing, Count::OnHand(2)).await.expect_err("three are held");
    test.assert_clean().await;
}

#[tokio::test]
async fn terms_are_the_sellers_and_within_bounds() {
    let test = TestApp::new().await;
    let (seller, rival) = (test.seller("shop").await, test.seller("eve").await);
    let thing = test.goods(&seller, 1_000, 16).await;
    let set = async |who: &TestUser, shards, per_buyer_limit| {
        let terms = Terms { shards, per_buyer_limit };
        flash_sales::set(&test.app, &who.seller(), &thing, terms, &test.once(nothing)).await
    };
    drop(test.db.drain_stream());
    assert!(matches!(set(&rival, 2, None).await, Err(Error::Problem(Problem::NotFound))));
    for (shards, limit) in [(0, None), (65, None), (1, Some(0)), (1, Some(100))] {
        assert!(matches!(set(&seller, shards, limit).await, Err(Error::Problem(Problem::Invalid(_)))));
    }
    assert_eq!(test.db.drain_stream(), [], "a refused call writes nothing");
}
