//! Back in stock: who waits is next in line for what comes back, a unit is held for nobody else, and none is lost or held
//! twice.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by stopping"
)]

use std::time::Duration;

use sutler_domain::{
    alert::{Alert, AlertState, HOLD_SECONDS},
    cart::Quantity,
    idempotency::{Answer, Once},
    ids::{CartId, OrderId, VariantId},
    problem::Problem,
};
use sutler_services::{
    Error, alerts,
    carts::{self, CartAccess},
    inventory::{self, Adjustment, Count},
    orders::{self, PlaceOrder},
    stock_imports::Pass,
};
use sutler_testkit::{Fault, Moment, Operation, RandomFaults, Rule, TestApp, TestUser, nothing};
use tokio::task::JoinSet;

const HOLD: Duration = Duration::from_secs(HOLD_SECONDS.unsigned_abs());

/// A shop with one thing, people who want it, and those who bought all of it.
struct Shop {
    test: TestApp,
    seller: TestUser,
    thing: VariantId,
}

impl Shop {
    async fn sold_out() -> Self {
        let test = TestApp::new().await;
        let seller = test.seller("shop").await;
        let thing = test.goods(&seller, 1_000, 0).await;
        Self { test, seller, thing }
    }

    fn once<T>(&self, render: fn(&T) -> Answer) -> Once<T> {
        self.test.once(render)
    }

    async fn people<const N: usize>(&self) -> [TestUser; N] {
        let mut people = Vec::new();
        for number in 0..N {
            people.push(self.test.user(&format!("user{number}")).await);
        }
        people.try_into().expect("as many")
    }

    async fn join(&self, user: &TestUser) -> Result<(), Error> {
        // Places in line are told apart by when people come.
        self.test.clock().advance(Duration::from_millis(1));
        let once = self.once::<Alert>(nothing);
        alerts::join(&self.test.app, user.id(), &self.thing, &once).await.map(drop)
    }

    async fn wait_all(&self, people: &[TestUser]) {
        for user in people {
            self.join(user).await.expect("in line");
        }
    }

    async fn leave(&self, user: &TestUser) {
        let once = self.once::<()>(nothing);
        alerts::leave(&self.test.app, user.id(), &self.thing, &once).await.expect("left");
    }

    async fn adjust(&self, delta: i64) -> Result<(), Error> {
        let once = self.once::<Adjustment>(nothing);
        let (app, seller) = (&self.test.app, self.seller.seller());
        inventory::adjust(app, &seller, &self.thing, Count::Delta(delta), "counted", &once).await.map(drop)
    }

    /// Units come, and the worker hears of it.
    async fn arrive(&self, units: i64) {
        self.adjust(units).await.expect("more of it");
        self.serve().await;
    }

    async fn serve(&self) {
        let until = self.test.app.now().plus_seconds(60);
        let served = alerts::hold_for_next(&self.test.app, &self.thing, until).await;
        assert_eq!(served.expect("served"), Pass::Ended);
    }

    /// Everything that follows when something was over, until nothing does.
    async fn settle(&self) {
        orders::sweep(&self.test.app).await.expect("swept");
        alerts::sweep(&self.test.app).await.expect("swept");
        self.serve().await;
    }

    async fn state(&self, user: &TestUser) -> &'static str {
        let alerts = self.test.app.store.alerts(user.id()).await.expect("an answer").value;
        alerts.find(&self.thing).map_or("none", |alert| alert.state.name())
    }

    async fn states(&self, people: &[TestUser]) -> Vec<&'static str> {
        let mut states = Vec::new();
        for user in people {
            states.push(self.state(user).await);
        }
        states
    }

    /// What a buyer agrees to, whether there is any or not.
    async fn agreed(&self, buyer: &TestUser, units: u32) -> PlaceOrder {
        self.test.agreed(buyer, &[(&self.thing, units)]).await
    }

    async fn place(&self, command: &PlaceOrder) -> Result<OrderId, Error> {
        self.test.place(command).await
    }

    async fn buys(&self, buyer: &TestUser, units: u32) -> Result<OrderId, Error> {
        self.place(&self.agreed(buyer, units).await).await
    }

    async fn cancel(&self, buyer: &TestUser, order: &OrderId) {
        self.test.cancel(buyer, order).await.expect("cancelled");
    }

    async fn stock(&self) -> (u32, u32, u32) {
        self.test.stock(&self.thing).await
    }
}

fn shortage(outcome: Result<OrderId, Error>) -> (u32, u32) {
    match outcome {
        Err(Error::Problem(Problem::InsufficientStock(short))) => (short[0].requested, short[0].available),
        other => panic!("{other:?}"),
    }
}

fn problem<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Problem {
    match outcome {
        Err(Error::Problem(problem)) => problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_waits_is_served_in_line() {
    let shop = Shop::sold_out().await;
    let people = shop.people::<4>().await;
    shop.wait_all(&people).await;
    // Whoever asks again keeps their place.
    shop.join(&people[0]).await.expect("in line");
    shop.arrive(2).await;
    assert_eq!(shop.states(&people).await, ["held", "held", "waiting", "waiting"]);
    assert_eq!(shop.stock().await, (0, 2, 0));
    shop.test.assert_clean().await;
    shop.arrive(5).await;
    assert_eq!(shop.states(&people).await, ["held"; 4]);
    assert_eq!(shop.stock().await, (3, 4, 0));
    shop.test.assert_clean().await;
}

#[tokio::test]
async fn a_held_unit_is_for_its_user_alone_and_their_order_takes_three_round_trips() {
    let shop = Shop::sold_out().await;
    let people = shop.people::<2>().await;
    shop.wait_all(&people[..1]).await;
    shop.arrive(1).await;
    assert_eq!(shortage(shop.buys(&people[1], 1).await), (1, 0));
    let command = shop.agreed(&people[0], 1).await;
    shop.test.db.reset_meter();
    let order = shop.place(&command).await.expect("what is held");
    assert_eq!(shop.test.db.meter().round_trips(), 3);
    assert_eq!((shop.stock().await, shop.state(&people[0]).await), ((0, 1, 0), "none"));
    shop.test.assert_clean().await;
    shop.test.pay(&people[0], &order).await;
    assert_eq!(shop.stock().await, (0, 0, 1));
    shop.test.assert_clean().await;
}

#[tokio::test]
async fn a_held_unit_can_be_put_into_the_cart_though_nothing_is_free() {
    let shop = Shop::sold_out().await;
    let people = shop.people::<2>().await;
    shop.wait_all(&people[..1]).await;
    shop.arrive(1).await;
    let put = |user: TestUser, units: u32| {
        let shop = &shop;
        async move {
            let (cart, once) = (CartId::of_user(user.id()), shop.once(nothing));
            let access = CartAccess { user: Some(user.id().clone()), token_hash: None };
            let quantity = Quantity::try_from(units).expect("a quantity");
            carts::put_line(&shop.test.app, &cart, &access, &shop.thing, quantity, &once).await
        }
    };
    put(people[0].clone(), 1).await.expect("what is held");
    for (user, units, available) in [(&people[0], 2, 1), (&people[1], 1, 0)] {
        let Problem::InsufficientStock(short) = problem(put(user.clone(), units).await) else {
            panic!("another problem");
        };
        assert_eq!(short[0].available, available);
    }
}

#[tokio::test]
async fn an_order_takes_what_is_held_first_and_the_rest_from_what_is_free() {
    let shop = Shop::sold_out().await;
    let people = shop.people::<1>().await;
    shop.wait_all(&people).await;
    shop.arrive(3).await;
    assert_eq!(shop.stock().await, (2, 1, 0));
    assert_eq!(shortage(shop.buys(&people[0], 4).await), (4, 3));
    assert_eq!(shop.state(&people[0]).await, "held");
    let order = shop.buys(&people[0], 3).await.expect("all three");
    assert_eq!(shop.stock().await, (0, 3, 0));
    shop.test.assert_clean().await;
    shop.cancel(&people[0], &order).await;
    assert_eq!((shop.stock().await, shop.state(&people[0]).await), ((3, 0, 0), "none"));
    shop.test.assert_clean().await;
}

#[tokio::test]
async fn what_is_not_ordered_in_time_goes_to_whoever_is_next() {
    let shop = Shop::sold_out().await;
    let people = shop.people::<3>().await;
    shop.wait_all(&people).await;
    shop.arrive(1).await;
    let command = shop.agreed(&people[0], 1).await;
    shop.test.clock().advance(HOLD);
    // Nobody has released it yet, and it cannot be ordered any more.
    assert_eq!(shortage(shop.place(&command).await), (1, 0));
    assert!(alerts::list(&shop.test.app, people[0].id()).await.expect("a list").is_empty());
    shop.test.clock().advance(Duration::from_millis(1));
    assert_eq!(alerts::sweep(&shop.test.app).await.expect("swept"), 1);
    assert_eq!(shop.stock().await, (1, 0, 0));
    shop.serve().await;
    assert_eq!(shop.states(&people).await, ["none", "held", "waiting"]);
    // Whoever missed it can wait again, behind the others.
    shop.join(&people[0]).await.expect("in line");
    shop.leave(&people[1]).await;
    shop.serve().await;
    assert_eq!(shop.states(&people).await, ["waiting", "none", "held"]);
    assert_eq!(shop.stock().await, (0, 1, 0));
    shop.test.assert_clean().await;
}

#[tokio::test]
async fn whoever_asks_again_after_a_lapsed_hold_is_told_that_it_is_in_stock() {
    let shop = Shop::sold_out().await;
    let people = shop.people::<1>().await;
    shop.wait_all(&people).await;
    shop.arrive(1).await;
    shop.test.clock().advance(HOLD);
    let in_stock = Problem::InStock { variant: shop.thing.clone() };
    assert_eq!(problem(shop.join(&people[0]).await), in_stock);
    assert_eq!((shop.stock().await, shop.state(&people[0]).await), ((1, 0, 0), "none"));
    shop.test.assert_clean().await;
}

#[tokio::test]
async fn giving_up_a_place_or_what_is_held_loses_nothing() {
    let shop = Shop::sold_out().await;
    let people = shop.people::<3>().await;
    shop.wait_all(&people).await;
    shop.leave(&people[1]).await;
    shop.leave(&people[1]).await;
    shop.arrive(1).await;
    assert_eq!(shop.states(&people).await, ["held", "none", "waiting"]);
    shop.leave(&people[0]).await;
    assert_eq!(shop.stock().await, (1, 0, 0));
    shop.serve().await;
    assert_eq!(shop.states(&people).await, ["none", "none", "held"]);
    shop.test.assert_clean().await;
}

#[tokio::test]
async fn nobody_waits_for_what_they_cannot_order_or_need_not_wait_for() {
    let shop = Shop::sold_out().await;
    let people = shop.people::<1>().await;
    let thing = || shop.thing.clone();
    assert_eq!(problem(shop.join(&shop.seller).await), Problem::OwnGoods);
    shop.test.flash_sale(&shop.seller, &shop.thing, 4, Some(2)).await;
    shop.adjust(1).await.expect("more of it");
    assert_eq!(problem(shop.join(&people[0]).await), Problem::InStock { variant: thing() });
    shop.test.flash_sale(&shop.seller, &shop.thing, 4, Some(2)).await;
    assert_eq!(problem(shop.join(&people[0]).await), Problem::InStock { variant: thing() });
    shop.adjust(1).await.expect("more of it");
    shop.buys(&people[0], 2).await.expect("both of them");
    let limit = Problem::BuyerLimit { variant: thing(), limit: 2, bought: 2 };
    assert_eq!(problem(shop.join(&people[0]).await), limit);
    shop.test
        .change_goods(&shop.thing, |variant| variant.state = sutler_domain::product::ListingState::Archived)
        .await;
    assert_eq!(problem(shop.join(&people[0]).await), Problem::NotForSale { variant: thing() });
    let unknown = VariantId::of(&shop.thing.product(), 99).expect("an id");
    let once = shop.once::<Alert>(nothing);
    let outcome = alerts::join(&shop.test.app, people[0].id(), &unknown, &once).await;
    assert_eq!(problem(outcome), Problem::NotFound);
    shop.test.assert_clean().await;
}

#[tokio::test]
async fn nothing_is_held_of_what_is_not_for_sale_any_more() {
    let shop = Shop::sold_out().await;
    let people = shop.people::<1>().await;
    shop.wait_all(&people).await;
    shop.test
        .change_goods(&shop.thing, |variant| variant.state = sutler_domain::product::ListingState::Archived)
        .await;
    shop.arrive(1).await;
    assert_eq!((shop.stock().await, shop.state(&people[0]).await), ((1, 0, 0), "waiting"));
}

#[tokio::test]
async fn a_unit_is_held_in_its_shard_and_goes_back_there() {
    let shop = Shop::sold_out().await;
    let people = shop.people::<2>().await;
    shop.test.flash_sale(&shop.seller, &shop.thing, 4, Some(3)).await;
    shop.wait_all(&people).await;
    shop.adjust(8).await.expect("more of it");
    shop.test.flash_sale(&shop.seller, &shop.thing, 4, Some(3)).await;
    assert_eq!(shop.test.shards(&shop.thing).await, [2, 2, 2, 2]);
    shop.serve().await;
    assert_eq!(shop.states(&people).await, ["held", "held"]);
    assert_eq!(shop.stock().await, (6, 2, 0));
    // Six of eight are in other shards than hers, and she may have three.
    assert!(matches!(problem(shop.buys(&people[0], 4).await), Problem::BuyerLimit { limit: 3, .. }));
    let order = shop.buys(&people[0], 3).await.expect("one that is held and two more");
    let read = shop.test.read_order(&order).await;
    let line = &read.parts[0].value.lines[0];
    assert!(line.origin.alert.is_some());
    assert_eq!(line.origin.units(3).iter().map(|piece| piece.quantity).sum::<u32>(), 3);
    assert_eq!(shop.stock().await, (4, 4, 0));
    shop.test.assert_clean().await;
    shop.cancel(&people[0], &order).await;
    assert_eq!(shop.stock().await, (7, 1, 0));
    shop.buys(&people[1], 3).await.expect("one that is held and two more");
    assert_eq!(shop.stock().await, (5, 3, 0));
    shop.test.assert_clean().await;
}

#[tokio::test]
async fn who_joins_while_units_arrive_is_served_or_told_that_there_are_some() {
    let mut told = 0;
    for seed in 0..24 {
        let shop = Shop::sold_out().await;
        let people = shop.people::<3>().await;
        shop.test.db.random_faults(RandomFaults::new(seed).rate(150, Moment::Before, Fault::Conflict));
        let joining =
            async { tokio::join!(shop.join(&people[0]), shop.join(&people[1]), shop.join(&people[2])) };
        // The worker hears of it at once, and never again.
        let (joined, ()) = tokio::join!(joining, shop.arrive(4));
        shop.test.db.calm();
        for (outcome, user) in [joined.0, joined.1, joined.2].into_iter().zip(&people) {
            match outcome {
                Ok(()) => {
                    assert_eq!(shop.state(user).await, "held", "seed {seed}: there is one for everybody");
                }
                Err(Error::Problem(Problem::InStock { .. } | Problem::Conflict)) => {
                    told += 1;
                    assert_eq!(shop.state(user).await, "none");
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        shop.test.assert_clean().await;
    }
    assert!((1..72).contains(&told), "{told} of 72 were told that there is some");
}

#[tokio::test]
async fn workers_at_the_same_time_hold_one_unit_each_and_none_twice() {
    for seed in 0..4 {
        let shop = Shop::sold_out().await;
        let people = shop.people::<12>().await;
        shop.wait_all(&people).await;
        shop.adjust(7).await.expect("more of it");
        shop.test.db.random_faults(RandomFaults::new(seed).rate(100, Moment::Before, Fault::Conflict));
        let mut workers = JoinSet::new();
        for _ in 0..5 {
            let (app, thing) = (shop.test.app.clone(), shop.thing.clone());
            let until = app.now().plus_seconds(60);
            workers.spawn(async move { alerts::hold_for_next(&app, &thing, until).await });
        }
        while let Some(served) = workers.join_next().await {
            // Whoever loses too many races leaves it to a later message.
            assert!(matches!(
                served.expect("no panic"),
                Ok(Pass::Ended) | Err(Error::Problem(Problem::Conflict) | Error::Store(_))
            ));
        }
        shop.test.db.calm();
        shop.serve().await;
        let expected: Vec<_> = [["held"; 7].as_slice(), &["waiting"; 5]].concat();
        assert_eq!(shop.states(&people).await, expected, "seed {seed}");
        assert_eq!(shop.stock().await, (0, 7, 0));
        shop.test.assert_clean().await;
    }
}

#[tokio::test]
async fn an_order_and_the_end_of_its_hold_at_the_same_time_sell_the_unit_once() {
    let (mut sold, mut lapsed) = (0, 0);
    for tries in 1..17 {
        let shop = Shop::sold_out().await;
        let people = shop.people::<2>().await;
        shop.wait_all(&people).await;
        shop.arrive(1).await;
        let command = shop.agreed(&people[0], 1).await;
        shop.test.clock().advance(HOLD.saturating_sub(Duration::from_millis(1)));
        shop.test.db.reset_meter();
        let conflicts = Rule::before(Operation::TransactWriteItems, Fault::Conflict);
        shop.test.db.fault(conflicts.times(1 + tries % 4));
        // The order was decided in time, and is to be written when the sweep comes.
        let end = async {
            while shop.test.db.meter().count(Operation::TransactWriteItems) == 0 {
                tokio::task::yield_now().await;
            }
            shop.test.clock().advance(Duration::from_millis(2));
            alerts::sweep(&shop.test.app).await
        };
        let (placed, swept) = tokio::join!(shop.place(&command), end);
        shop.test.db.calm();
        swept.expect("swept");
        shop.settle().await;
        match placed {
            Ok(_) => {
                sold += 1;
                assert_eq!(shop.states(&people).await, ["none", "waiting"]);
            }
            Err(Error::Problem(Problem::Conflict)) => {
                lapsed += 1;
                assert_eq!(shop.states(&people).await, ["none", "held"]);
            }
            Err(other) => panic!("{other:?}"),
        }
        assert_eq!(shop.stock().await, (0, 1, 0));
        shop.test.assert_clean().await;
    }
    assert!(sold > 0 && lapsed > 0, "{sold} sold, {lapsed} lapsed");
}

#[tokio::test]
async fn whatever_fails_on_the_way_of_a_held_unit_it_is_not_lost_and_held_once() {
    for skip in 0..12 {
        for (moment, fault) in [
            (Moment::Before, Fault::Killed),
            (Moment::After, Fault::Killed),
            (Moment::After, Fault::Dropped),
            (Moment::Before, Fault::Conflict),
        ] {
            let shop = Shop::sold_out().await;
            let people = shop.people::<3>().await;
            shop.adjust(0).await.expect_err("nothing");
            let rule = match moment {
                Moment::Before => Rule::before(Operation::TransactWriteItems, fault.clone()),
                Moment::After => Rule::after(Operation::TransactWriteItems, fault.clone()),
            };
            shop.test.db.fault(rule.skip(skip));
            let story = async {
                shop.wait_all(&people).await;
                shop.arrive(2).await;
                shop.leave(&people[1]).await;
                shop.serve().await;
                drop(shop.buys(&people[0], 1).await);
                shop.test.clock().advance(HOLD + Duration::from_millis(1));
                shop.settle().await;
            };
            drop(tokio::time::timeout(Duration::from_millis(250), story).await);
            shop.test.db.calm();
            shop.test.assert_clean().await;
            shop.serve().await;
            let (free, held, paid) = shop.stock().await;
            assert!(free + held + paid == 2 || free + held + paid == 0, "{skip} {moment:?} {fault:?}");
            let waiting = shop.states(&people).await.iter().filter(|state| **state == "waiting").count();
            assert!(waiting == 0 || free == 0, "{waiting} wait though {free} are free");
            shop.test.clock().advance(Duration::from_hours(1));
            shop.settle().await;
            shop.test.assert_clean().await;
        }
    }
}

#[tokio::test]
async fn a_long_line_goes_on_in_a_later_run() {
    let shop = Shop::sold_out().await;
    let people = shop.people::<2>().await;
    shop.wait_all(&people).await;
    shop.adjust(2).await.expect("more of it");
    let now = shop.test.app.now();
    let served = alerts::hold_for_next(&shop.test.app, &shop.thing, now).await;
    assert_eq!(served.expect("served"), Pass::Unfinished);
    shop.serve().await;
    assert_eq!(shop.states(&people).await, ["held", "held"]);
}

#[tokio::test]
async fn a_hold_of_one_thing_does_not_keep_that_of_another() {
    let shop = Shop::sold_out().await;
    let people = shop.people::<1>().await;
    let other = shop.test.goods(&shop.seller, 1_000, 0).await;
    shop.wait_all(&people).await;
    let once = shop.once::<Alert>(nothing);
    alerts::join(&shop.test.app, people[0].id(), &other, &once).await.expect("in line");
    shop.arrive(1).await;
    shop.test.clock().advance(Duration::from_mins(10));
    let once = shop.once::<Adjustment>(nothing);
    let (app, seller) = (&shop.test.app, shop.seller.seller());
    inventory::adjust(app, &seller, &other, Count::Delta(1), "counted", &once).await.expect("more of it");
    alerts::hold_for_next(app, &other, app.now().plus_seconds(1)).await.expect("served");
    shop.test.clock().advance(Duration::from_secs(301));
    assert_eq!(alerts::sweep(app).await.expect("swept"), 1);
    let left = alerts::list(app, people[0].id()).await.expect("a list");
    assert!(
        matches!(left.as_slice(), [Alert { variant, state: AlertState::Held { .. }, .. }] if *variant == other)
    );
    shop.test.assert_clean().await;
}
