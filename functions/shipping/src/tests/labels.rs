//! Labels: rates, buying one, using it, giving it back, and everything that may go wrong with that.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use sutler_domain::{
    ids::{AddressId, OrderId},
    label::LabelState,
    ledger::{Account, LedgerTx, Side},
};
use sutler_gateways::{
    calls::CallLimits,
    secret::Secret,
    shippo::{Patience, Shippo},
};
use sutler_providers::{
    Answer, Providers,
    shippo::{Fault, Operation as Call, Purchase, PurchaseStatus},
};
use sutler_services::{
    invariants,
    labels::{Forwarder, resolve_all},
};
use sutler_store::{Table, Transaction, codec::decode, orders};
use sutler_testkit::{
    Fault as DbFault, Operation, RandomFaults, Rule, Stage, TestAnswer, TestCall, TestUser,
};

use super::{Market, is, shipping};
use crate::{buy_label, list_rates, ship_part, void_label};

/// Longer than a purchase may wait before it is looked for.
const WAIT: Duration = Duration::from_secs(121);
/// Longer than a refund may wait before it is asked about.
const VOID_WAIT: Duration = Duration::from_secs(6 * 3_600 + 1);
const PATIENCE: Patience = Patience {
    asking: CallLimits {
        deadline: Duration::from_secs(4),
        try_timeout: Duration::from_millis(500),
        tries_max: 2,
        backoff: Duration::from_millis(4),
    },
    buying: Duration::from_millis(500),
};

/// A shop with carriers, and a paid order of two things that weigh a hundred grams each.
struct Shop {
    market: Market,
    providers: Providers,
    order: OrderId,
    from: AddressId,
}

fn at(method: &'static str, order: &OrderId, seller: &TestUser, what: &str) -> TestCall {
    let part = seller.seller();
    TestCall::new(method, &format!("/v1/orders/{order}/parts/{part}/{what}"))
        .parameter("order", order.as_str())
        .parameter("part", part.as_str())
}

impl Shop {
    async fn open() -> Self {
        let (mut market, providers) = (Market::open().await, Providers::start().await.unwrap());
        let shippo = Shippo::new(&Secret::new("shippo_test_1"), Some(&providers.shippo_url()), PATIENCE);
        market.test.app.forwarder = Forwarder::new(Some(Arc::new(shippo)));
        let order = market.order_at(Stage::Paid).await;
        let from = market.test.address(&market.seller).await;
        Self { market, providers, order, from }
    }

    fn asking(&self) -> TestCall {
        at("GET", &self.order, &self.market.seller, "rates")
            .query("from", self.from.as_str())
            .query("length_mm", "300")
            .query("width_mm", "200")
            .query("height_mm", "100")
            .by(&self.market.seller)
    }

    /// The cheapest rate of the order's parcel.
    async fn rate(&self) -> String {
        let answer = self.market.test.call(list_rates::handle, self.asking()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body["rates"][0]["rate"].as_str().unwrap().to_owned()
    }

    fn buying(&self, rate: &str) -> TestCall {
        let token = self.market.test.sign_in(&self.market.seller.user);
        at("POST", &self.order, &self.market.seller, "labels").json(&json!({ "rate": rate })).token(&token)
    }

    async fn buy(&self, rate: &str) -> TestAnswer {
        self.market.test.call(buy_label::handle, self.buying(rate)).await
    }

    /// A label that was bought.
    async fn label(&self) -> Value {
        let answer = self.buy(&self.rate().await).await;
        assert_eq!((answer.status, &answer.body["state"]), (201, &json!("bought")), "{}", answer.text);
        answer.body
    }

    fn voiding(&self, label: &Value) -> TestCall {
        let (token, id) = (self.market.test.sign_in(&self.market.seller.user), label["id"].as_str().unwrap());
        at("DELETE", &self.order, &self.market.seller, &format!("labels/{id}"))
            .parameter("label", id)
            .token(&token)
    }

    fn sending(&self, label: &Value) -> TestCall {
        shipping(&self.order, &self.market.seller).json(&json!({ "label": label["id"] }))
    }

    /// What was sold, whoever asked for it.
    fn sold(&self) -> Vec<Purchase> {
        let all = self.providers.shippo().snapshot().purchases;
        all.into_iter().filter(|purchase| purchase.status == PurchaseStatus::Success).collect()
    }

    /// What the seller owes for labels.
    async fn owed(&self) -> i64 {
        let (items, _) = self.market.test.app.store.scan(Table::Ledger, None).await.unwrap();
        let account = Account::CarrierCosts { seller: self.market.seller.seller() };
        let mut owed = 0_i64;
        for tx in items.iter().map(|item| decode::<LedgerTx>(item).unwrap().value) {
            for leg in tx.legs().iter().filter(|leg| leg.account == account) {
                let minor = i64::try_from(leg.amount.minor()).unwrap();
                owed = match leg.side {
                    Side::Debit => owed.saturating_add(minor),
                    Side::Credit => owed.saturating_sub(minor),
                };
            }
        }
        owed
    }

    /// The labels of the part, as their seller sees them on the order.
    async fn labels(&self) -> Vec<&'static str> {
        let parts = self.market.test.read_order(&self.order).await.parts;
        parts[0].value.labels.iter().map(|label| label.state.name()).collect()
    }
}

#[tokio::test]
async fn a_label_is_bought_at_a_rate_and_sent_with() {
    let shop = Shop::open().await;
    let test = &shop.market.test;
    let rates = test.call(list_rates::handle, shop.asking()).await;
    assert_eq!(rates.status, 200, "{}", rates.text);
    insta::assert_json_snapshot!("list_rates", rates.body, { ".rates[].rate" => "[rate]" });
    let rate = rates.body["rates"][0]["rate"].as_str().unwrap();
    let bought = shop.buy(rate).await;
    assert_eq!(bought.status, 201, "{}", bought.text);
    insta::assert_json_snapshot!("buy_label", bought.body, { ".rate" => "[rate]", ".url" => "[url]" });
    // All that is still to be sent weighs 200 grams.
    assert_eq!((shop.sold().len(), shop.owed().await), (1, 752));
    let sent = test.call(ship_part::handle, shop.sending(&bought.body)).await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    insta::assert_json_snapshot!("ship_part_with_label", sent.body);
    assert_eq!(test.stock(&shop.market.thing).await, (8, 0, 0));
    // Said again, it changes nothing.
    drop(test.db.drain_stream());
    assert_eq!(test.call(ship_part::handle, shop.sending(&bought.body)).await, sent);
    assert_eq!(test.db.drain_stream(), []);
    test.assert_clean().await;
}

#[tokio::test]
async fn asking_for_rates_writes_nothing_and_names_what_is_missing() {
    let shop = Shop::open().await;
    let test = &shop.market.test;
    drop(test.db.drain_stream());
    shop.rate().await;
    assert_eq!(test.db.drain_stream(), []);
    let bare = at("GET", &shop.order, &shop.market.seller, "rates").by(&shop.market.seller);
    let sides = ["length_mm: missing", "width_mm: missing", "height_mm: missing"];
    assert_eq!(test.refused(list_rates::handle, bare).await.invalid_fields(), sides);
    for (name, value, named) in [
        ("length_mm", "0", "length_mm: out-of-range"),
        ("length_mm", "3001", "length_mm: out-of-range"),
        ("height_mm", "x", "height_mm: invalid"),
        ("weight_g", "70001", "weight_g: out-of-range"),
        ("weight_g", "-1", "weight_g: invalid"),
        ("from", "x", "from: invalid"),
        ("from", "adr_01J8ZQ5K3N0V7X2Y4T6B8D9FGH", "from: unknown"),
    ] {
        let answer = test.refused(list_rates::handle, shop.asking().query(name, value)).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![named.to_owned()]), "{name}={value}");
    }
    // Somebody else's address is none of the seller's.
    let foreign = test.address(&shop.market.buyer).await;
    let answer = test.refused(list_rates::handle, shop.asking().query("from", foreign.as_str())).await;
    assert_eq!(answer.invalid_fields(), ["from: unknown"]);
    // What no carrier takes has no rates; what nobody has weighed is asked for.
    let heavy = test.call(list_rates::handle, shop.asking().query("weight_g", "60000")).await;
    assert_eq!(heavy.body, json!({"rates": []}));
    test.change_goods(&shop.market.thing, |variant| variant.weight_g = 0).await;
    let answer = test.refused(list_rates::handle, shop.asking()).await;
    assert_eq!(answer.invalid_fields(), ["weight_g: missing"]);
}

#[tokio::test]
async fn labels_of_anothers_part_do_not_exist() {
    let shop = Shop::open().await;
    let test = &shop.market.test;
    let (rate, label) = (shop.rate().await, shop.label().await);
    let (rival, stranger) = (test.seller("eve").await, test.user("sam").await);
    for who in [&rival, &stranger, &shop.market.buyer] {
        is(&test.refused(list_rates::handle, shop.asking().by(who)).await, 404, "not-found");
        is(&test.refused(buy_label::handle, shop.buying(&rate).by(who)).await, 404, "not-found");
        is(&test.refused(void_label::handle, shop.voiding(&label).by(who)).await, 404, "not-found");
    }
    // Nor in an order that the caller has no part in, or one that is not there.
    for (name, value) in [
        ("part", rival.seller().to_string()),
        ("order", "ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH".to_owned()),
        ("order", "x".to_owned()),
    ] {
        let as_rival = |call: TestCall| call.parameter(name, &value).by(&rival);
        is(&test.refused(list_rates::handle, as_rival(shop.asking())).await, 404, "not-found");
        is(&test.refused(buy_label::handle, as_rival(shop.buying(&rate))).await, 404, "not-found");
        is(&test.refused(void_label::handle, as_rival(shop.voiding(&label))).await, 404, "not-found");
    }
    assert_eq!(shop.sold().len(), 1);
    for call in [shop.buying(&rate), shop.voiding(&label)] {
        let call = call.header("authorization", "");
        let answer = test.refused(buy_label::handle, call).await;
        is(&answer, 401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_rate_of_another_parcel_buys_nothing() {
    let shop = Shop::open().await;
    let test = &shop.market.test;
    let rate = shop.rate().await;
    let other = shop.market.order_at(Stage::Paid).await;
    let token = test.sign_in(&shop.market.seller.user);
    for (order, rate) in
        [(&other, rate.as_str()), (&shop.order, "s1.r1"), (&shop.order, "x"), (&shop.order, "../x.r1")]
    {
        let call =
            at("POST", order, &shop.market.seller, "labels").json(&json!({ "rate": rate })).token(&token);
        let answer = test.refused(buy_label::handle, call).await;
        assert_eq!(
            (answer.status, answer.invalid_fields()),
            (422, vec!["/rate: unknown".to_owned()]),
            "{rate}"
        );
    }
    for (rate, code) in
        [(json!(""), "invalid"), (json!("x".repeat(141)), "invalid"), (json!(7), "wrong-type")]
    {
        let call = shop.buying("").json(&json!({ "rate": rate }));
        let answer = test.refused(buy_label::handle, call).await;
        assert_eq!(answer.invalid_fields(), [format!("/rate: {code}")]);
    }
    assert_eq!(shop.sold(), []);
}

#[tokio::test]
async fn a_rate_is_bought_once_however_often_it_is_asked_for() {
    for seed in 0..6 {
        let shop = Shop::open().await;
        let test = &shop.market.test;
        let rate = shop.rate().await;
        test.db.random_faults(RandomFaults::rough(seed));
        let calls = [shop.buying(&rate).key("k-1"), shop.buying(&rate).key("k-1"), shop.buying(&rate)];
        let [one, two, three] = calls.map(|call| test.call(buy_label::handle, call));
        drop(tokio::join!(one, two, three));
        test.db.calm();
        test.clock().advance(WAIT);
        resolve_all(&test.app).await.unwrap();
        let last = shop.buy(&rate).await;
        assert_eq!((last.status, &last.body["state"]), (201, &json!("bought")), "seed {seed}: {}", last.text);
        assert_eq!((shop.sold().len(), shop.owed().await), (1, 752), "seed {seed}");
        assert_eq!(shop.labels().await, ["bought"], "seed {seed}");
        test.assert_clean().await;
    }
}

#[tokio::test]
async fn a_repeated_purchase_answers_the_same_and_its_key_fits_nothing_else() {
    let shop = Shop::open().await;
    let test = &shop.market.test;
    let rate = shop.rate().await;
    let call = || shop.buying(&rate).key("k-1");
    let one = test.call(buy_label::handle, call()).await;
    let calls = shop.providers.shippo().calls();
    assert_eq!(test.call(buy_label::handle, call()).await, one);
    assert_eq!(shop.providers.shippo().calls(), calls, "the provider is not asked again");
    let other = shop.rate().await;
    let reused = test.refused(buy_label::handle, shop.buying(&other).key("k-1")).await;
    is(&reused, 422, "idempotency-key-reused");
    assert_eq!(shop.sold().len(), 1);
}

#[tokio::test]
async fn whatever_gets_lost_while_a_label_is_bought_one_is_bought() {
    for (fault, at_once) in [
        (Fault::new(Answer::Drop), false),
        (Fault::new(Answer::Status(500)), false),
        (Fault::new(Answer::Garbage(502)), false),
        (Fault::new(Answer::Garbage(200)), false),
        (Fault::new(Answer::Status(429)), false),
        (Fault::new(Answer::Drop).after_effect(), true),
        (Fault::new(Answer::Status(503)).after_effect(), true),
        (Fault::new(Answer::Garbage(201)).after_effect(), true),
        (Fault::slow(1_000).after_effect(), true),
    ] {
        let shop = Shop::open().await;
        let test = &shop.market.test;
        let rate = shop.rate().await;
        shop.providers.shippo().inject(fault.on(Call::Buy));
        let first = shop.buy(&rate).await;
        let state = if at_once { "bought" } else { "buying" };
        assert_eq!((first.status, &first.body["state"]), (201, &json!(state)), "{fault:?}");
        // Until then nobody tries again, whoever asks.
        assert_eq!(resolve_all(&test.app).await.unwrap(), 0);
        assert_eq!(shop.buy(&rate).await, first, "{fault:?}");
        assert_eq!(shop.providers.shippo().calls()[&Call::Buy], 1, "{fault:?}");
        test.clock().advance(WAIT);
        resolve_all(&test.app).await.unwrap();
        let last = shop.buy(&rate).await;
        assert_eq!(last.body["state"], "bought", "{fault:?}");
        assert_eq!((shop.sold().len(), shop.owed().await), (1, 752), "{fault:?}");
        test.assert_clean().await;
    }
}

#[tokio::test]
async fn a_crash_at_any_point_of_a_purchase_leaves_one_label_and_books_that_agree() {
    // The first transaction claims the label, the second notes it.
    for (skip, moment) in [(0, "before"), (0, "after"), (1, "before"), (1, "after")] {
        let shop = Shop::open().await;
        let test = &shop.market.test;
        let rate = shop.rate().await;
        let rule = if moment == "before" { Rule::before } else { Rule::after };
        test.db.fault(rule(Operation::TransactWriteItems, DbFault::TimedOut).skip(skip).times(20));
        let crashed = test.call(buy_label::handle, shop.buying(&rate).key("k-1")).await;
        assert_eq!(crashed.status, 503, "{skip} {moment}: {}", crashed.text);
        test.db.calm();
        test.clock().advance(WAIT);
        resolve_all(&test.app).await.unwrap();
        let again = test.call(buy_label::handle, shop.buying(&rate).key("k-1")).await;
        assert_eq!((again.status, &again.body["state"]), (201, &json!("bought")), "{skip} {moment}");
        assert_eq!((shop.sold().len(), shop.owed().await), (1, 752), "{skip} {moment}");
        test.assert_clean().await;
    }
}

#[tokio::test]
async fn a_purchase_that_arrived_twice_is_given_back_once() {
    let shop = Shop::open().await;
    let test = &shop.market.test;
    let rate = shop.rate().await;
    // It takes effect, and nobody hears of it, nor finds it at first.
    shop.providers.shippo().inject(Fault::new(Answer::Drop).after_effect().on(Call::Buy));
    shop.providers.shippo().inject(Fault::new(Answer::Status(500)).times(2).on(Call::List));
    assert_eq!(shop.buy(&rate).await.body["state"], "buying");
    let (_, bare) = rate.split_once('.').unwrap();
    let label = test.read_order(&shop.order).await.parts[0].value.labels[0].id.to_string();
    shop.providers.shippo().buy_late(bare, &label).unwrap();
    assert_eq!(shop.sold().len(), 2);
    test.clock().advance(WAIT);
    resolve_all(&test.app).await.unwrap();
    assert_eq!(shop.labels().await, ["bought"]);
    assert_eq!((shop.sold().len(), shop.owed().await), (1, 752), "the other one is given back");
    assert_eq!(shop.providers.shippo().calls()[&Call::Refund], 1);
    test.assert_clean().await;
}

#[tokio::test]
async fn a_carriers_refusal_is_told_and_costs_nothing() {
    let shop = Shop::open().await;
    let test = &shop.market.test;
    let rate = shop.rate().await;
    shop.providers.shippo().refuse_next("address_invalid");
    let answer = shop.buy(&rate).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(
        (&answer.body["state"], &answer.body["failure"]),
        (&json!("failed"), &json!("address_invalid"))
    );
    assert_eq!(shop.buy(&rate).await.body, answer.body, "what failed stays so");
    is(&test.refused(ship_part::handle, shop.sending(&answer.body)).await, 409, "order-state");
    is(&test.refused(void_label::handle, shop.voiding(&answer.body)).await, 409, "order-state");
    assert_eq!((shop.sold().len(), shop.owed().await), (0, 0));
    // Another rate may do.
    shop.label().await;
    assert_eq!(shop.labels().await, ["failed", "bought"]);
    test.assert_clean().await;
}

#[tokio::test]
async fn no_labels_are_bought_for_more_than_a_seller_has_left_in_the_part() {
    let shop = Shop::open().await;
    let test = &shop.market.test;
    // Of two things at 19.99 and shipping of 5.00 the seller has 40.99 (commission 3.99): five labels at 7.52.
    let mut rates = Vec::new();
    for _ in 0..6 {
        rates.push(shop.rate().await);
    }
    for rate in &rates[..5] {
        assert_eq!(shop.buy(rate).await.body["state"], "bought");
    }
    let refused = test.refused(buy_label::handle, shop.buying(&rates[5])).await;
    is(&refused, 409, "label-too-expensive");
    assert_eq!(refused.body["left"], json!({"amount": 339, "currency": "USD"}), "{}", refused.text);
    assert_eq!((shop.sold().len(), shop.owed().await), (5, 5 * 752));
    test.assert_clean().await;
}

#[tokio::test]
async fn a_label_in_another_currency_is_not_bought() {
    let shop = Shop::open().await;
    let rate = shop.rate().await;
    let (_, bare) = rate.split_once('.').unwrap();
    shop.providers.shippo().alter(bare, 752, "EUR").unwrap();
    let answer = shop.market.test.refused(buy_label::handle, shop.buying(&rate)).await;
    assert_eq!((answer.status, answer.invalid_fields()), (422, vec!["/rate: currency-mismatch".to_owned()]));
    assert_eq!(shop.sold(), []);
}

#[tokio::test]
async fn a_label_is_used_by_one_shipment() {
    for seed in 0..6 {
        let shop = Shop::open().await;
        let test = &shop.market.test;
        let label = shop.label().await;
        test.db.random_faults(RandomFaults::rough(seed));
        let line = |quantity: u32| json!([{"variant": shop.market.thing, "quantity": quantity}]);
        let with = |quantity| {
            let body = json!({"label": label["id"], "lines": line(quantity)});
            test.call(ship_part::handle, shipping(&shop.order, &shop.market.seller).json(&body))
        };
        let (one, two) = tokio::join!(with(1), with(2));
        test.db.calm();
        assert!(one.status != 200 || two.status != 200, "seed {seed}: {} {}", one.text, two.text);
        let shipments = test.read_order(&shop.order).await.parts.remove(0).value.shipments;
        assert!(shipments.len() <= 1, "seed {seed}: {shipments:?}");
        test.assert_clean().await;
    }
    // Not under its bare number either, however that is written.
    let shop = Shop::open().await;
    let (test, label) = (&shop.market.test, shop.label().await);
    let one = json!([{"variant": shop.market.thing, "quantity": 1}]);
    let own = json!({"carrier": "usps", "tracking_number": label["tracking_number"], "lines": one});
    assert_eq!(shop.market.ship(shipping(&shop.order, &shop.market.seller).json(&own)).await.status, 200);
    is(&test.refused(ship_part::handle, shop.sending(&label)).await, 409, "taken");
    is(&test.refused(void_label::handle, shop.voiding(&label)).await, 409, "in-use");
}

#[tokio::test]
async fn only_labels_of_the_part_are_sent_with() {
    let shop = Shop::open().await;
    let (test, label) = (&shop.market.test, shop.label().await);
    let other = shop.market.order_at(Stage::Paid).await;
    let elsewhere = shipping(&other, &shop.market.seller).json(&json!({ "label": label["id"] }));
    let answer = test.refused(ship_part::handle, elsewhere).await;
    assert_eq!((answer.status, answer.invalid_fields()), (422, vec!["/label: unknown".to_owned()]));
    for (body, named) in [
        (json!({"label": label["id"], "carrier": "ups", "tracking_number": "1"}), "/label: ambiguous"),
        (json!({"label": label["id"], "carrier": "ups"}), "/label: ambiguous"),
        (json!({"label": null}), "/label: wrong-type"),
        (json!({"label": "x"}), "/label: invalid"),
        (json!({"tracking_number": "1"}), "/carrier: missing"),
    ] {
        let call = shipping(&shop.order, &shop.market.seller).json(&body);
        assert_eq!(test.refused(ship_part::handle, call).await.invalid_fields(), [named], "{body}");
    }
}

#[tokio::test]
async fn a_label_that_is_given_back_is_owed_until_the_carrier_agrees() {
    for agrees in [true, false] {
        let shop = Shop::open().await;
        let (test, label) = (&shop.market.test, shop.label().await);
        let answer = test.call(void_label::handle, shop.voiding(&label)).await;
        assert_eq!((answer.status, &answer.body["state"]), (200, &json!("voiding")), "{}", answer.text);
        assert_eq!(test.call(void_label::handle, shop.voiding(&label)).await, answer, "it is asked for once");
        is(&test.refused(ship_part::handle, shop.sending(&label)).await, 409, "order-state");
        assert_eq!((shop.owed().await, resolve_all(&test.app).await.unwrap()), (752, 0));
        shop.providers.shippo().decide_refunds(agrees);
        test.clock().advance(VOID_WAIT);
        assert_eq!(resolve_all(&test.app).await.unwrap(), 1);
        let (state, owed) = if agrees { ("voided", 0) } else { ("bought", 752) };
        assert_eq!((shop.labels().await, shop.owed().await), (vec![state], owed));
        assert_eq!(shop.providers.shippo().calls()[&Call::Refund], 1);
        assert_eq!(resolve_all(&test.app).await.unwrap(), 0, "decided for good");
        let token = test.sign_in(&shop.market.seller.user);
        let sent = test.call(ship_part::handle, shop.sending(&label).token(&token)).await;
        assert_eq!(sent.status, if agrees { 409 } else { 200 }, "{}", sent.text);
        test.assert_clean().await;
    }
}

#[tokio::test]
async fn a_lost_answer_about_giving_back_is_asked_for_again() {
    let shop = Shop::open().await;
    let (test, label) = (&shop.market.test, shop.label().await);
    shop.providers.shippo().inject(Fault::new(Answer::Drop).after_effect().times(2).on(Call::Refund));
    let answer = test.call(void_label::handle, shop.voiding(&label)).await;
    assert_eq!((answer.status, &answer.body["state"]), (200, &json!("voiding")), "{}", answer.text);
    shop.providers.shippo().decide_refunds(true);
    test.clock().advance(VOID_WAIT);
    resolve_all(&test.app).await.unwrap();
    assert_eq!((shop.labels().await, shop.owed().await), (vec!["voided"], 0));
    test.assert_clean().await;
}

#[tokio::test]
async fn without_carriers_sellers_ship_under_numbers_of_their_own() {
    let mut shop = Shop::open().await;
    let (rate, label) = (shop.rate().await, shop.label().await);
    shop.market.test.app.forwarder = Forwarder::new(None);
    let test = &shop.market.test;
    is(&test.refused(list_rates::handle, shop.asking()).await, 422, "carriers-not-offered");
    is(&test.refused(buy_label::handle, shop.buying(&rate)).await, 422, "carriers-not-offered");
    is(&test.refused(void_label::handle, shop.voiding(&label)).await, 422, "carriers-not-offered");
    assert_eq!(shop.market.ship(shipping(&shop.order, &shop.market.seller)).await.status, 200);
    test.assert_clean().await;
}

#[tokio::test]
async fn a_provider_that_fails_is_told_from_one_that_refuses() {
    let shop = Shop::open().await;
    let test = &shop.market.test;
    shop.providers.shippo().inject(Fault::new(Answer::Status(503)).times(2).on(Call::Quote));
    is(&test.refused(list_rates::handle, shop.asking()).await, 503, "try-again");
    shop.providers.shippo().inject(Fault::new(Answer::Status(400)).on(Call::Quote));
    is(&test.refused(list_rates::handle, shop.asking()).await, 422, "carrier-refused");
    let rate = shop.rate().await;
    shop.providers.shippo().inject(Fault::new(Answer::Status(500)).times(2).on(Call::Shipment));
    is(&test.refused(buy_label::handle, shop.buying(&rate)).await, 503, "try-again");
    // A key that is refused buys nothing, and says so for people to mend.
    shop.providers.shippo().inject(Fault::new(Answer::Status(401)).on(Call::Buy));
    let answer = shop.buy(&rate).await;
    assert_eq!((&answer.body["state"], &answer.body["failure"]), (&json!("failed"), &json!("rejected")));
    assert_eq!(shop.owed().await, 0);
    test.assert_clean().await;
}

#[tokio::test]
async fn labels_are_bought_while_something_is_to_be_sent() {
    for (stage, state) in [
        (Stage::AwaitingPayment, "awaiting_payment"),
        (Stage::Cancelled, "cancelled"),
        (Stage::Refunded, "cancelled"),
        (Stage::InTransit, "in_transit"),
        (Stage::Completed, "delivered"),
    ] {
        let mut shop = Shop::open().await;
        let rate = shop.rate().await;
        shop.order = shop.market.order_at(stage).await;
        let answer = shop.market.test.refused(list_rates::handle, shop.asking()).await;
        is(&answer, 409, "order-state");
        assert_eq!(answer.body["state"], state, "{stage:?}");
        let answer = shop.market.test.refused(buy_label::handle, shop.buying(&rate)).await;
        assert_eq!(answer.status, 422, "{stage:?}: a rate of another order's");
    }
    // What was shipped meanwhile needs no label.
    let shop = Shop::open().await;
    let rate = shop.rate().await;
    shop.market.ship(shipping(&shop.order, &shop.market.seller)).await;
    is(&shop.market.test.refused(buy_label::handle, shop.buying(&rate)).await, 409, "order-state");
    assert_eq!(shop.sold(), []);
}

#[tokio::test]
async fn of_several_that_ask_again_at_once_one_buys() {
    for seed in 0..4 {
        let shop = Shop::open().await;
        let test = &shop.market.test;
        let rate = shop.rate().await;
        shop.providers.shippo().inject(Fault::new(Answer::Drop).on(Call::Buy));
        assert_eq!(shop.buy(&rate).await.body["state"], "buying");
        test.clock().advance(WAIT);
        test.db.random_faults(RandomFaults::new(seed));
        let (one, two, three) = tokio::join!(resolve_all(&test.app), resolve_all(&test.app), shop.buy(&rate));
        test.db.calm();
        assert!(one.is_ok() && two.is_ok(), "seed {seed}: {one:?} {two:?}");
        assert_eq!(three.status, 201, "seed {seed}: {}", three.text);
        assert_eq!((shop.sold().len(), shop.owed().await), (1, 752), "seed {seed}");
        assert_eq!(shop.providers.shippo().calls()[&Call::Buy], 2, "seed {seed}");
        test.assert_clean().await;
    }
}

#[tokio::test]
async fn the_books_notice_labels_that_do_not_fit_them() {
    for (at, noticed) in [(0, "but the ledger says"), (1, "has the postings"), (2, "waits since")] {
        let shop = Shop::open().await;
        let test = &shop.market.test;
        shop.label().await;
        let mut part = test.read_order(&shop.order).await.parts.remove(0);
        let since = test.app.now().plus_seconds(-3_601);
        part.value.labels[0].state = match at {
            0 | 1 => LabelState::Failed { at: since, code: String::new() },
            _ => LabelState::Buying { since },
        };
        let mut transaction = Transaction::new();
        orders::save_part(&mut transaction, &part).unwrap();
        test.app.store.transact(transaction).await.unwrap();
        let problems = invariants::check(&test.app).await.unwrap().problems;
        assert!(problems.iter().any(|problem| problem.contains(noticed)), "{noticed}: {problems:?}");
    }
}
