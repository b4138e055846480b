//! Coupons, shipping and tax against the database: what orders take, give back and freeze.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by stopping"
)]

use std::time::Duration;

use sutler_domain::{
    address::Country,
    coupon::{CouponCode, CouponRefusal, Funder, Terms},
    ids::{CartId, OrderId, VariantId},
    ledger::Account,
    money::{BasisPoints, Currency, Money},
    order::{Change, OrderState},
    payment::{PaymentState, RefundReason},
    problem::Problem,
    shipping::{Choices, OptionId, PriceRule, ShippingProfile},
    tax::Prices,
};
use sutler_services::{
    Error,
    carts::{self, CartAccess},
    orders::{self, PlaceOrder},
    payments::{self, News, Report},
    quotes::quote_cart,
};
use sutler_store::{Table, Transaction, codec::decode, coupons};
use sutler_testkit::{FakeGateway, RandomFaults, TestApp, TestUser, nothing};

fn usd(minor: u64) -> Money {
    Money::try_new(minor, Currency::Usd).expect("an amount")
}

fn access(buyer: &TestUser) -> CartAccess {
    CartAccess { user: Some(buyer.id().clone()), token_hash: None }
}

async fn agreed(
    test: &TestApp,
    buyer: &TestUser,
    lines: &[(&VariantId, u32)],
    code: &CouponCode,
) -> PlaceOrder {
    test.fill_cart(buyer, lines).await;
    test.put_coupon(buyer, code).await.expect("a coupon in the cart");
    test.agreed_as_is(buyer, Choices::new()).await
}

async fn success(test: &TestApp, id: &OrderId, message: &str) -> Report {
    let found = test.read_order(id).await;
    let provider_id = found.payment(1).expect("a payment").value.provider_id.clone();
    Report {
        gateway: "stripe",
        message: Some(message.to_owned()),
        order: id.clone(),
        attempt: 1,
        provider_id,
        news: News::Succeeded(found.order.value.totals.total),
    }
}

/// How often a coupon is used, and what it took off.
async fn used(test: &TestApp, code: &CouponCode) -> (u32, u64) {
    let coupon = test.coupon(code).await;
    (coupon.uses, coupon.spent.minor())
}

/// What an account has gained over all postings.
async fn balance(test: &TestApp, account: &Account) -> i64 {
    let (items, _) = test.app.store.scan(Table::Ledger, None).await.expect("a page");
    let mut sum = 0;
    for item in items {
        let tx = decode::<sutler_domain::ledger::LedgerTx>(&item).expect("a posting").value;
        for leg in tx.legs().iter().filter(|leg| leg.account == *account) {
            let amount = i64::try_from(leg.amount.minor()).expect("an amount");
            sum += if leg.side == sutler_domain::ledger::Side::Credit { amount } else { -amount };
        }
    }
    sum
}

/// Forty buyers of one thing for 10.00, all with the coupon in their quotes, at once and on a bad day.
async fn rush(terms: impl FnOnce(&TestApp) -> Terms, seed: u64) -> (TestApp, CouponCode, usize) {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_000, 100).await;
    let terms = terms(&test);
    let code = test.new_coupon("rush", Funder::Platform, terms).await;
    let mut commands = Vec::new();
    for number in 0..40 {
        let buyer = test.user(&format!("buyer{number}")).await;
        commands.push(agreed(&test, &buyer, &[(&thing, 1)], &code).await);
    }
    test.db.random_faults(RandomFaults::rough(seed));
    let mut tasks = tokio::task::JoinSet::new();
    for command in commands {
        let test = test.clone();
        tasks.spawn(async move { test.place(&command).await });
    }
    let mut refused = 0;
    while let Some(outcome) = tasks.join_next().await {
        match outcome.expect("no panic") {
            Ok(_) | Err(Error::Store(_) | Error::Problem(Problem::Conflict)) => {}
            Err(Error::Problem(Problem::Coupon(CouponRefusal::Exhausted) | Problem::QuoteChanged { .. })) => {
                refused += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    test.db.calm();
    test.assert_clean().await;
    (test, code, refused)
}

#[tokio::test]
async fn a_coupon_is_never_used_past_its_limit() {
    let limit = |test: &TestApp| Terms { uses_max: Some(5), ..test.percent_off(10) };
    let (test, code, refused) = rush(limit, 7).await;
    let (uses, spent) = used(&test, &code).await;
    assert!(uses <= 5 && spent == u64::from(uses) * 100, "{uses} uses, {spent} spent");
    assert!(uses >= 1 && refused >= 1, "{uses} uses, {refused} refused");
}

#[tokio::test]
async fn a_budget_is_never_spent_past_its_limit() {
    let limit = |test: &TestApp| Terms { budget: Some(usd(550)), ..test.percent_off(10) };
    let (test, code, refused) = rush(limit, 8).await;
    let (uses, spent) = used(&test, &code).await;
    assert!(spent <= 550 && spent == u64::from(uses) * 100, "{uses} uses, {spent} spent");
    assert!(uses >= 1 && refused >= 1, "{uses} uses, {refused} refused");
}

#[tokio::test]
async fn forty_buyers_of_five_uses_get_exactly_five() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_000, 100).await;
    let terms = Terms { uses_max: Some(5), ..test.percent_off(10) };
    let code = test.new_coupon("rush", Funder::Platform, terms).await;
    let mut commands = Vec::new();
    for number in 0..40 {
        let buyer = test.user(&format!("buyer{number}")).await;
        commands.push(agreed(&test, &buyer, &[(&thing, 1)], &code).await);
    }
    let mut placed = 0;
    let mut tasks = tokio::task::JoinSet::new();
    for command in commands {
        let test = test.clone();
        tasks.spawn(async move { test.place(&command).await });
    }
    while let Some(outcome) = tasks.join_next().await {
        placed += usize::from(outcome.expect("no panic").is_ok());
    }
    assert_eq!((placed, used(&test, &code).await), (5, (5, 500)));
    assert_eq!(test.stock(&thing).await, (95, 5, 0));
    test.assert_clean().await;
}

#[tokio::test]
async fn the_condition_on_a_coupon_says_what_is_wrong_with_it() {
    let test = TestApp::new().await;
    let terms = Terms { uses_per_user_max: Some(1), ..test.percent_off(10) };
    let code = test.new_coupon("spring", Funder::Platform, terms).await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let now = test.app.now();
    let take = async |user: &TestUser, change: &dyn Fn(&mut coupons::FoundCoupon), at| {
        let mut found = test.app.store.coupon(&code, Some(user.id())).await.expect("read").expect("a coupon");
        change(&mut found);
        let mut transaction = Transaction::new();
        let _guards = coupons::take(&mut transaction, &found, user.id(), usd(100), at);
        test.app.store.transact(transaction).await.is_ok()
    };
    assert!(take(&ada, &|_| {}, now).await);
    assert!(!take(&ada, &|_| {}, now).await, "used before");
    assert!(!take(&bob, &|found| found.coupon.revision = 2, now).await, "terms that are not those of today");
    assert!(!take(&bob, &|_| {}, now.plus_seconds(86_400)).await, "over");
    assert!(!take(&bob, &|_| {}, now.plus_seconds(-1)).await, "not begun");
    assert!(!take(&bob, &|found| found.coupon.terms.uses_max = Some(1), now).await, "used up");
    assert!(!take(&bob, &|found| found.coupon.terms.budget = Some(usd(199)), now).await, "budget spent");
    assert!(take(&bob, &|found| found.coupon.terms.budget = Some(usd(200)), now).await);
    assert_eq!(used(&test, &code).await, (2, 200));
}

#[tokio::test]
async fn of_two_orders_for_the_last_use_one_is_told_that_it_is_gone() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_000, 10).await;
    let terms = Terms { uses_max: Some(1), ..test.percent_off(10) };
    let code = test.new_coupon("last", Funder::Platform, terms).await;
    let (one, two) = (test.user("one").await, test.user("two").await);
    let first = agreed(&test, &one, &[(&thing, 1)], &code).await;
    let second = agreed(&test, &two, &[(&thing, 1)], &code).await;
    let (first, second) = tokio::join!(test.place(&first), test.place(&second));
    let refused = if first.is_ok() { second } else { first }.expect_err("only one");
    assert!(
        matches!(refused, Error::Problem(Problem::Coupon(CouponRefusal::Exhausted))),
        "both were quoted and read it before either took it: {refused:?}"
    );
    assert_eq!(test.stock(&thing).await, (9, 1, 0));
    test.assert_clean().await;
}

#[tokio::test]
async fn a_user_uses_a_coupon_only_so_often() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_000, 10).await;
    let terms = Terms { uses_per_user_max: Some(1), ..test.percent_off(10) };
    let code = test.new_coupon("once", Funder::Platform, terms).await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let first = test.place(&agreed(&test, &ada, &[(&thing, 1)], &code).await).await.expect("an order");
    let again = test.put_coupon(&ada, &code).await.expect_err("used before");
    assert!(matches!(again, Error::Problem(Problem::Coupon(CouponRefusal::Used))), "{again:?}");
    test.place(&agreed(&test, &bob, &[(&thing, 1)], &code).await).await.expect("another user's order");
    test.cancel(&ada, &first).await.expect("cancelled");
    test.place(&agreed(&test, &ada, &[(&thing, 1)], &code).await).await.expect("the use came back");
    assert_eq!(used(&test, &code).await, (2, 200));
    test.assert_clean().await;
}

#[tokio::test]
async fn a_coupon_is_given_back_exactly_once() {
    for seed in 1..6 {
        let test = TestApp::new().await;
        let thing = test.goods(&test.seller("shop").await, 1_000, 10).await;
        let terms = Terms { uses_max: Some(2), budget: Some(usd(200)), ..test.percent_off(10) };
        let code = test.new_coupon("back", Funder::Platform, terms).await;
        let (ada, bob) = (test.user("ada").await, test.user("bob").await);
        let id = test.place(&agreed(&test, &ada, &[(&thing, 1)], &code).await).await.expect("an order");
        test.place(&agreed(&test, &bob, &[(&thing, 1)], &code).await).await.expect("an order");
        assert_eq!(used(&test, &code).await, (2, 200));
        test.clock().advance(Duration::from_secs(901));
        test.db.random_faults(RandomFaults::rough(seed));
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..6 {
            let (test, id, user) = (test.clone(), id.clone(), ada.id().clone());
            tasks.spawn(async move {
                if n % 2 == 0 {
                    drop(orders::expire(&test.app, &id).await);
                } else {
                    drop(orders::cancel(&test.app, &id, &user, None, &test.once(nothing)).await);
                }
            });
        }
        while let Some(outcome) = tasks.join_next().await {
            outcome.expect("no panic");
        }
        test.db.calm();
        orders::expire(&test.app, &id).await.map(|_| ()).expect("it is over");
        assert_eq!(used(&test, &code).await, (1, 100), "seed {seed}");
        orders::sweep(&test.app).await.expect("swept");
        assert_eq!(used(&test, &code).await, (0, 0), "seed {seed}");
        test.assert_clean().await;
    }
}

#[tokio::test]
async fn an_order_that_is_given_up_after_payment_gives_its_coupon_back_and_the_promotion() {
    let test = TestApp::new().await;
    let shop = test.seller("shop").await;
    let thing = test.goods(&shop, 1_000, 10).await;
    let code = test.new_coupon("back", Funder::Platform, test.percent_off(10)).await;
    let ada = test.user("ada").await;
    let id = test.place(&agreed(&test, &ada, &[(&thing, 1)], &code).await).await.expect("an order");
    test.pay(&ada, &id).await;
    let pending = Account::SellerPending { seller: shop.seller() };
    assert_eq!(balance(&test, &Account::Promotions).await, -100);
    assert_eq!(balance(&test, &pending).await, 1_000 - 100 + 500);
    test.cancel(&ada, &id).await.expect("cancelled");
    assert_eq!(used(&test, &code).await, (0, 0));
    assert_eq!((balance(&test, &Account::Promotions).await, balance(&test, &pending).await), (0, 0));
    test.assert_clean().await;
}

#[tokio::test]
async fn a_late_success_takes_the_coupon_again_or_the_money_goes_back() {
    for is_taken in [false, true] {
        let test = TestApp::new().await;
        let thing = test.goods(&test.seller("shop").await, 1_000, 10).await;
        let terms = Terms { uses_max: Some(1), ..test.percent_off(10) };
        let code = test.new_coupon("late", Funder::Platform, terms).await;
        let (ada, bob) = (test.user("ada").await, test.user("bob").await);
        let id = test.place(&agreed(&test, &ada, &[(&thing, 1)], &code).await).await.expect("an order");
        let gateway = FakeGateway::default();
        payments::start(&test.app, &gateway, &id, ada.id()).await.map(|_| ()).expect("a payment");
        test.cancel(&ada, &id).await.expect("cancelled");
        if is_taken {
            test.place(&agreed(&test, &bob, &[(&thing, 1)], &code).await).await.expect("bob's order");
        }
        let report = success(&test, &id, "evt_late").await;
        for _ in 0..2 {
            payments::finalise(&test.app, &report).await.map(|_| ()).expect("finalised");
        }
        let found = test.read_order(&id).await;
        let payment = &found.payment(1).expect("a payment").value.state;
        if is_taken {
            assert!(matches!(found.order.value.state, OrderState::Cancelled { .. }));
            assert_eq!(payment.name(), "refund_pending");
            assert!(matches!(payment, PaymentState::Succeeded { unowed: Some(RefundReason::Late), .. }));
        } else {
            assert!(matches!(found.order.value.state, OrderState::Paid { .. }));
        }
        assert_eq!(used(&test, &code).await, (1, 100));
        test.assert_clean().await;
    }
}

#[tokio::test]
async fn late_successes_that_race_for_the_last_use_get_it_once() {
    let test = TestApp::new().await;
    let thing = test.goods(&test.seller("shop").await, 1_000, 10).await;
    let terms = Terms { uses_max: Some(1), ..test.percent_off(10) };
    let code = test.new_coupon("late", Funder::Platform, terms).await;
    let gateway = FakeGateway::default();
    let mut reports = Vec::new();
    for name in ["ada", "bob", "cat"] {
        let buyer = test.user(name).await;
        let id = test.place(&agreed(&test, &buyer, &[(&thing, 1)], &code).await).await.expect("an order");
        payments::start(&test.app, &gateway, &id, buyer.id()).await.map(|_| ()).expect("a payment");
        test.cancel(&buyer, &id).await.expect("cancelled");
        reports.push(success(&test, &id, name).await);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for report in reports {
        let test = test.clone();
        tasks.spawn(async move { payments::finalise(&test.app, &report).await.expect("finalised") });
    }
    while let Some(outcome) = tasks.join_next().await {
        assert_eq!(outcome.expect("no panic"), Change::Applied);
    }
    assert_eq!(used(&test, &code).await, (1, 100));
    assert_eq!(test.stock(&thing).await, (9, 0, 1));
    test.assert_clean().await;
}

#[tokio::test]
async fn a_changed_coupon_tax_or_way_to_send_is_told_before_anything_is_reserved() {
    let test = TestApp::new().await;
    let shop = test.seller("shop").await;
    let thing = test.goods(&shop, 1_000, 10).await;
    let code = test.new_coupon("spring", Funder::Platform, test.percent_off(10)).await;
    let ada = test.user("ada").await;
    let refused = async |command: &PlaceOrder| {
        let refused = test.place(command).await.expect_err("changed");
        assert!(matches!(refused, Error::Problem(Problem::QuoteChanged { .. })), "{refused:?}");
        assert_eq!(test.stock(&thing).await, (10, 0, 0));
    };
    let command = agreed(&test, &ada, &[(&thing, 1)], &code).await;
    test.rule(|rules| rules.tax.default_rate = BasisPoints::new(2_100).expect("a rate")).await;
    refused(&command).await;

    let command = test.agreed_as_is(&ada, Choices::new()).await;
    let mut profile = ShippingProfile::everywhere(usd(700));
    profile.zones[0].options[0].id = OptionId::parse("fast").expect("an id");
    test.ships(&shop, profile).await;
    refused(&command).await;

    let fast = Choices::from([(shop.seller(), OptionId::parse("fast").expect("an id"))]);
    let mut command = test.agreed_as_is(&ada, fast).await;
    command.shipping = Choices::from([(shop.seller(), OptionId::parse("gone").expect("an id"))]);
    test.place(&command).await.expect("the cheapest is what was agreed");

    let command = agreed(&test, &ada, &[(&thing, 1)], &code).await;
    let change = coupons_change(|change| change.active = sutler_domain::patch::Patch::Value(false));
    let written = test.once(nothing);
    let ended = sutler_services::coupons::update(&test.app, &[Funder::Platform], &code, 1, change, &written);
    ended.await.expect("ended");
    let refused = test.place(&command).await.expect_err("changed");
    assert!(matches!(refused, Error::Problem(Problem::QuoteChanged { .. })), "{refused:?}");
    assert_eq!(used(&test, &code).await, (1, 100));
    test.assert_clean().await;
}

fn coupons_change(
    change: impl FnOnce(&mut sutler_services::coupons::TermsChange),
) -> sutler_services::coupons::TermsChange {
    use sutler_domain::patch::Patch;
    let mut none = sutler_services::coupons::TermsChange {
        minimum: Patch::Absent,
        starts_at: Patch::Absent,
        ends_at: Patch::Absent,
        uses_max: Patch::Absent,
        uses_per_user_max: Patch::Absent,
        budget: Patch::Absent,
        active: Patch::Absent,
    };
    change(&mut none);
    none
}

#[tokio::test]
async fn round_trips_do_not_grow_with_lines_sellers_and_coupons() {
    let test = TestApp::new().await;
    let code = test.new_coupon("spring", Funder::Platform, test.percent_off(10)).await;
    let ada = test.user("ada").await;
    let mut things = Vec::new();
    for n in 0..15 {
        let shop = test.seller(&format!("shop{n}")).await;
        test.ships(&shop, ShippingProfile::everywhere(usd(100 + n))).await;
        for _ in 0..if n < 5 { 4 } else { 3 } {
            things.push(test.goods(&shop, 1_000, 9).await);
        }
    }
    assert_eq!(things.len(), 50);
    for count in [1, 50] {
        let lines: Vec<(&VariantId, u32)> = things[..count].iter().map(|thing| (thing, 2)).collect();
        test.fill_cart(&ada, &lines).await;
        test.put_coupon(&ada, &code).await.expect("a coupon");
        let cart = CartId::of_user(ada.id());
        test.db.reset_meter();
        carts::get(&test.app, &cart, &access(&ada)).await.map(|_| ()).expect("a cart");
        // The cart and the rules; then, side by side, what its lines are and what they cost.
        assert_eq!(test.db.meter().round_trips(), 3, "{:?}", test.db.meter().operations());
        let (to, choices) = (Some(test.address(&ada).await), Choices::new());
        test.db.reset_meter();
        quote_cart(&test.app, &cart, &access(&ada), to, &choices).await.map(drop).expect("a quote");
        assert_eq!(test.db.meter().round_trips(), 2, "{:?}", test.db.meter().operations());
        let command = test.agreed_as_is(&ada, choices).await;
        test.db.reset_meter();
        test.place(&command).await.expect("an order");
        assert_eq!(test.db.meter().round_trips(), 3, "{:?}", test.db.meter().operations());
    }
    assert_eq!(used(&test, &code).await, (2, 200 + 50 * 200));
    test.assert_clean().await;
}

#[tokio::test]
async fn a_cart_whose_lines_do_not_know_their_sellers_is_ordered_all_the_same() {
    let test = TestApp::new().await;
    let shop = test.seller("shop").await;
    test.ships(&shop, ShippingProfile::everywhere(usd(123))).await;
    let thing = test.goods(&shop, 1_000, 10).await;
    let ada = test.user("ada").await;
    let id = test.fill_cart(&ada, &[(&thing, 1)]).await;
    let key = sutler_store::carts::cart_key(&id);
    let item = test.app.store.get(&key).await.expect("an answer").expect("a cart");
    let mut read = decode::<sutler_domain::cart::Cart>(&item).expect("a cart");
    assert_eq!(read.value.lines[0].seller, Some(shop.seller()));
    read.value.lines[0].seller = None;
    let mut transaction = Transaction::new();
    let _guard =
        sutler_store::carts::save(&mut transaction, &read.value, Some(read.version)).expect("an item");
    test.app.store.transact(transaction).await.expect("an old cart");
    let command = test.agreed_as_is(&ada, Choices::new()).await;
    let order = test.place(&command).await.expect("an order");
    assert_eq!(test.read_order(&order).await.order.value.totals.shipping, usd(123));
    test.assert_clean().await;
}

#[tokio::test]
async fn what_a_seller_does_not_send_there_is_refused_by_name() {
    let test = TestApp::new().await;
    let shop = test.seller("shop").await;
    let mut profile = ShippingProfile::everywhere(usd(100));
    profile.zones[0].countries = vec![Country::parse("FR").expect("a country")];
    test.ships(&shop, profile).await;
    let thing = test.goods(&shop, 1_000, 10).await;
    let ada = test.user("ada").await;
    let cart = test.fill_cart(&ada, &[(&thing, 1)]).await;
    let to = Some(test.address(&ada).await);
    let refused = quote_cart(&test.app, &cart, &access(&ada), to, &Choices::new()).await.expect_err("DE");
    let Error::Problem(Problem::NotShippable { seller, country, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((seller, country), (shop.seller(), Some(Country::parse("DE").expect("a country"))));
    quote_cart(&test.app, &cart, &access(&ada), None, &Choices::new())
        .await
        .map(|_| ())
        .expect("an estimate");
}

#[tokio::test]
async fn an_order_freezes_the_chosen_way_the_discount_and_the_tax_in_the_price() {
    let test = TestApp::new().await;
    let shop = test.seller("shop").await;
    let mut profile = ShippingProfile::everywhere(usd(500));
    let mut express = profile.zones[0].options[0].clone();
    express.id = OptionId::parse("express").expect("an id");
    express.price = PriceRule::Items { base: usd(1_000), per_item: usd(50) };
    profile.zones[0].options.push(express);
    test.ships(&shop, profile).await;
    test.rule(|rules| rules.tax.prices = Prices::Inclusive).await;
    let funder = Funder::Seller { seller: shop.seller() };
    let code = test.new_coupon("own", funder.clone(), test.cents_off(300)).await;
    let thing = test.goods(&shop, 1_000, 10).await;
    let ada = test.user("ada").await;
    test.fill_cart(&ada, &[(&thing, 2)]).await;
    test.put_coupon(&ada, &code).await.expect("a coupon");
    let express = OptionId::parse("express").expect("an id");
    let command = test.agreed_as_is(&ada, Choices::from([(shop.seller(), express.clone())])).await;
    let id = test.place(&command).await.expect("an order");
    // Nothing that changes afterwards touches it.
    test.rule(|rules| rules.tax.default_rate = BasisPoints::new(0).expect("a rate")).await;
    let found = test.read_order(&id).await;
    let totals = &found.order.value.totals;
    // 20 % in 17.00 and in 11.00.
    let sums = [totals.goods, totals.discount, totals.shipping, totals.tax, totals.total].map(Money::minor);
    assert_eq!((sums, totals.tax_included), ([2_000, 300, 1_100, 467, 2_800], true));
    let part = &found.parts[0].value;
    assert_eq!(part.delivery.as_ref().map(|delivery| &delivery.id), Some(&express));
    assert_eq!((part.discount_by.clone(), part.totals), (funder, *totals));
    test.pay(&ada, &id).await;
    assert_eq!(balance(&test, &Account::Tax).await, 467);
    assert_eq!(balance(&test, &Account::Promotions).await, 0);
    test.assert_clean().await;
}

#[tokio::test]
async fn an_order_that_leaves_nothing_to_pay_is_refused() {
    let test = TestApp::new().await;
    let shop = test.seller("shop").await;
    test.ships(&shop, ShippingProfile::everywhere(usd(0))).await;
    let thing = test.goods(&shop, 1_000, 10).await;
    let code = test.new_coupon("free", Funder::Platform, test.percent_off(100)).await;
    let ada = test.user("ada").await;
    let command = agreed(&test, &ada, &[(&thing, 1)], &code).await;
    let refused = test.place(&command).await.expect_err("free");
    assert!(matches!(refused, Error::Problem(Problem::NothingToPay)), "{refused:?}");
    assert_eq!(used(&test, &code).await, (0, 0));
}
