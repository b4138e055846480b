//! Stock as its seller sees it.

use serde_json::{Value, json};
use sutler_domain::{
    ids::{CategoryId, OrderId, VariantId},
    money::{Currency, Money},
    product::{OptionValue, ProductOption},
    stock::StockOp,
};
use sutler_http::response;
use sutler_services::{
    catalog::{
        Offer,
        categories::{self, CategoryDraft},
        products::{self, ProductDraft},
        variants::VariantDraft,
    },
    inventory::{StockChange, record_movements},
};
use sutler_store::{StoreError, Transaction, movements::StockImage, stock, stream::StreamRecord};
use sutler_testkit::{TestAnswer, TestApp, TestCall, TestUser};

use crate::{adjust_stock, get_stock, list_inventory, list_movements, set_flash_sale};

pub(crate) struct Shop {
    pub(crate) test: TestApp,
    pub(crate) owner: TestUser,
    pub(crate) variant: VariantId,
}

impl Shop {
    /// A shop with one product of two sizes, of which there are `units` and none.
    pub(crate) async fn with(units: u32) -> Self {
        let test = TestApp::new().await;
        let owner = test.seller("ada").await;
        let draft = CategoryDraft { name: "Clothes".to_owned(), slug: None, parent: None };
        categories::create(&test.app, draft, &test.once(response::no_content_answer)).await.unwrap();
        let category: CategoryId =
            test.app.store.category_tree().await.unwrap().categories[0].value.id.clone();
        let sized = |size: &str, quantity| VariantDraft {
            options: vec![OptionValue { name: "size".to_owned(), value: size.to_owned() }],
            sku: Some(format!("SHIRT-{size}")),
            quantity,
            ..VariantDraft::default()
        };
        let draft = ProductDraft {
            title: "Shirt".to_owned(),
            description: String::new(),
            brand: None,
            category,
            tax_class: None,
            price: Money::try_new(4_900, Currency::Usd).unwrap(),
            image: None,
            options: vec![ProductOption {
                name: "size".to_owned(),
                values: vec!["S".to_owned(), "M".to_owned()],
            }],
            variants: vec![sized("S", units), sized("M", 0)],
        };
        let id = |offer: &Offer| response::ok_answer(&offer.variants[0].variant.value.id);
        let answer = products::create(&test.app, owner.id(), draft, &test.once(id)).await.unwrap();
        let variant = serde_json::from_str(&answer.body).unwrap();
        Self { test, owner, variant }
    }

    fn call(&self, method: &'static str, who: &TestUser) -> TestCall {
        TestCall::new(method, "/v1/inventory/x").parameter("variant", self.variant.as_str()).by(who)
    }

    fn anonymous(&self, method: &'static str) -> TestCall {
        TestCall::new(method, "/v1/inventory/x").parameter("variant", self.variant.as_str())
    }

    async fn adjust(&self, body: &Value) -> TestAnswer {
        let call = self.call("POST", &self.owner).json(body);
        self.test.call(adjust_stock::handle, call).await
    }

    pub(crate) async fn stock(&self) -> Value {
        self.test.call(get_stock::handle, self.call("GET", &self.owner)).await.body
    }

    fn order(&self) -> OrderId {
        OrderId::generate(&*self.test.app.ids, self.test.app.now())
    }

    pub(crate) async fn reserve(&self, quantity: u32) -> Result<(), StoreError> {
        let (key, change) = stock::moved(StockOp::Reserve, &self.variant, 0, quantity, self.order().as_str());
        let mut transaction = Transaction::new();
        transaction.update(key, change);
        self.test.app.store.transact(transaction).await
    }
}

#[tokio::test]
async fn a_seller_sees_what_is_on_hand_and_where() {
    let shop = Shop::with(5).await;
    shop.reserve(2).await.unwrap();
    insta::assert_json_snapshot!("get_stock", shop.stock().await);
    let call = TestCall::get("/v1/inventory").by(&shop.owner);
    let answer = shop.test.call(list_inventory::handle, call).await;
    insta::assert_json_snapshot!("list_inventory", answer.body);
}

#[tokio::test]
async fn another_sellers_stock_does_not_exist() {
    let shop = Shop::with(5).await;
    let rival = shop.test.seller("eve").await;
    let buyer = shop.test.user("bob").await;
    for other in [&rival, &buyer] {
        assert_eq!(shop.test.call(get_stock::handle, shop.call("GET", other)).await.problem(), "not-found");
        assert_eq!(
            shop.test.call(list_movements::handle, shop.call("GET", other)).await.problem(),
            "not-found"
        );
        let call = shop.call("PUT", other).json(&json!({"shards": 2}));
        assert_eq!(shop.test.call(set_flash_sale::handle, call).await.problem(), "not-found");
        for body in [
            json!({"delta": -1, "reason": "theft"}),
            json!({"delta": 1, "reason": "gift"}),
            json!({"on_hand": 0, "reason": "theft"}),
        ] {
            let call = shop.call("POST", other).json(&body);
            assert_eq!(shop.test.call(adjust_stock::handle, call).await.problem(), "not-found");
        }
    }
    let list =
        |who: &TestUser| shop.test.call(list_inventory::handle, TestCall::get("/v1/inventory").by(who));
    assert_eq!(list(&rival).await.body["items"], json!([]));
    assert_eq!(list(&buyer).await.problem(), "seller-required");
    let unverified = shop.test.unverified("tim").await;
    assert_eq!(list(&unverified).await.problem(), "email-not-verified");
    let anonymous = TestCall::get("/v1/inventory");
    assert_eq!(shop.test.call(list_inventory::handle, anonymous).await.problem(), "unauthenticated");
    assert_eq!(shop.stock().await["available"], 5);
}

#[tokio::test]
async fn a_seller_cannot_lower_stock_below_what_is_reserved() {
    let shop = Shop::with(5).await;
    shop.reserve(3).await.unwrap();
    for body in [json!({"delta": -3, "reason": "lost"}), json!({"on_hand": 2, "reason": "counted"})] {
        let answer = shop.adjust(&body).await;
        assert_eq!((answer.status, answer.problem()), (409, "insufficient-stock"), "{body}");
        assert_eq!(answer.body["shortages"][0]["available"], 2);
    }
    assert_eq!(shop.adjust(&json!({"on_hand": 3, "reason": "counted"})).await.body["delta"], -2);
    let stock = shop.stock().await;
    assert_eq!((&stock["available"], &stock["reserved"]), (&json!(0), &json!(3)));
}

#[tokio::test]
async fn bad_corrections_are_refused() {
    let shop = Shop::with(5).await;
    for (body, expected) in [
        (json!({"delta": 0, "reason": "x"}), "/delta: out-of-range"),
        (json!({"delta": 1_000_000_001, "reason": "x"}), "/delta: out-of-range"),
        (json!({"delta": 999_999_999, "reason": "x"}), "/delta: out-of-range"),
        (json!({"delta": i64::MIN, "reason": "x"}), "/delta: out-of-range"),
        (json!({"delta": 1.5, "reason": "x"}), "/delta: wrong-type"),
        (json!({"on_hand": -1, "reason": "x"}), "/on_hand: invalid"),
        (json!({"on_hand": 1_000_000_001, "reason": "x"}), "/on_hand: out-of-range"),
        (json!({"reason": "x"}), "/delta: missing"),
        (json!({"delta": 1, "on_hand": 1, "reason": "x"}), "/on_hand: ambiguous"),
        (json!({"delta": 1, "reason": ""}), "/reason: invalid"),
        (json!({"delta": 1, "reason": "x".repeat(201)}), "/reason: too-long"),
        (json!({"delta": 1}), "/reason: missing"),
        (json!({"delta": 1, "reason": "x", "seller": "y"}), "/seller: unknown-field"),
    ] {
        let answer = shop.adjust(&body).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![expected.to_owned()]), "{body}");
    }
    assert_eq!(shop.stock().await["version"], 1);
}

#[tokio::test]
async fn a_repeated_correction_counts_once() {
    let shop = Shop::with(5).await;
    for body in [json!({"delta": 2, "reason": "found"}), json!({"on_hand": 10, "reason": "counted"})] {
        let call =
            || shop.call("POST", &shop.owner).json(&body).key(&format!("k-{}", body.to_string().len()));
        let first = shop.test.call(adjust_stock::handle, call()).await;
        let second = shop.test.call(adjust_stock::handle, call()).await;
        assert_eq!((first.status, &first.body), (200, &second.body), "{}", first.text);
    }
    let stock = shop.stock().await;
    assert_eq!((&stock["available"], &stock["version"]), (&json!(10), &json!(3)));
}

#[tokio::test]
async fn an_absolute_count_that_is_right_already_changes_nothing() {
    let shop = Shop::with(5).await;
    assert_eq!(shop.adjust(&json!({"on_hand": 5, "reason": "counted"})).await.body["delta"], 0);
    assert_eq!(shop.stock().await["version"], 1);
}

#[tokio::test]
async fn stock_never_goes_below_zero_whatever_the_concurrency() {
    let shop = std::sync::Arc::new(Shop::with(20).await);
    let mut buyers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let shop = shop.clone();
        buyers.spawn(async move { shop.reserve(1).await });
    }
    let (mut won, mut short) = (0, 0);
    while let Some(outcome) = buyers.join_next().await {
        match outcome.unwrap() {
            Ok(()) => won += 1,
            Err(StoreError::Refused(_)) => short += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((won, short), (20, 30));
    let stock = shop.stock().await;
    assert_eq!((&stock["available"], &stock["reserved"]), (&json!(0), &json!(20)));
}

#[tokio::test]
async fn zero_quantities_are_never_accepted() {
    let shop = Shop::with(5).await;
    assert!(matches!(shop.reserve(0).await, Err(StoreError::Refused(_))));
    assert_eq!(shop.stock().await["version"], 1);
}

#[tokio::test]
async fn every_operation_moves_units_as_the_rules_say() {
    let shop = Shop::with(9).await;
    let steps: [(StockOp, u32); 14] = [
        (StockOp::Reserve, 6),
        (StockOp::Release, 2),
        (StockOp::Release, 5),
        (StockOp::Commit, 3),
        (StockOp::Commit, 2),
        (StockOp::Take, 4),
        (StockOp::Take, 2),
        (StockOp::Ship, 5),
        (StockOp::Restock, 3),
        (StockOp::Restock, 2),
        (StockOp::ShiftOut, 9),
        (StockOp::ShiftOut, 1),
        (StockOp::ShiftIn, 3),
        (StockOp::ShiftIn, 0),
    ];
    let mut expected = shop.test.app.store.stock(&shop.variant).await.unwrap().unwrap().value.quantities();
    for (op, quantity) in steps {
        let (key, change) = stock::moved(op, &shop.variant, 0, quantity, shop.order().as_str());
        let outcome = shop.test.app.store.update(&key, &change).await;
        let after = expected.after(op, quantity);
        assert_eq!(outcome.is_ok(), after.is_some(), "{op:?} {quantity} of {expected:?}");
        expected = after.unwrap_or(expected);
        let stored = shop.test.app.store.stock(&shop.variant).await.unwrap().unwrap();
        assert_eq!(stored.value.quantities(), expected);
    }
}

#[tokio::test]
async fn a_seller_says_how_a_variant_in_demand_is_sold() {
    let shop = Shop::with(5).await;
    let set = async |key: &str, body: &Value| {
        let call = shop.call("PUT", &shop.owner).header("idempotency-key", key).json(body);
        shop.test.call(set_flash_sale::handle, call).await
    };
    let terms = json!({"shards": 4, "per_buyer_limit": 2});
    let answer = set("first-time", &terms).await;
    insta::assert_json_snapshot!("set_flash_sale", answer.body);
    let stock = shop.stock().await;
    assert_eq!(
        (&stock["available"], &stock["shards"], &stock["per_buyer_limit"]),
        (&json!(5), &json!(4), &json!(2))
    );
    drop(shop.test.db.drain_stream());
    assert_eq!(set("first-time", &terms).await.body, answer.body);
    assert_eq!(shop.test.db.drain_stream(), [], "a repetition changes nothing");
    assert_eq!(set("first-time", &json!({"shards": 5})).await.problem(), "idempotency-key-reused");
    assert_eq!(set("second-time", &json!({"shards": 1})).await.body["per_buyer_limit"], Value::Null);
    assert_eq!(shop.stock().await["shards"], 1);
}

#[tokio::test]
async fn bad_terms_are_refused() {
    let shop = Shop::with(5).await;
    for (body, expected) in [
        (json!({"shards": 0}), "/shards: out-of-range"),
        (json!({"shards": 65}), "/shards: out-of-range"),
        (json!({"shards": 257}), "/shards: out-of-range"),
        (json!({"shards": 1, "per_buyer_limit": 0}), "/per_buyer_limit: out-of-range"),
        (json!({"shards": 1, "per_buyer_limit": 100}), "/per_buyer_limit: out-of-range"),
        (json!({"per_buyer_limit": 1}), "/shards: missing"),
        (json!({"shards": 1, "sold": 1}), "/sold: unknown-field"),
    ] {
        let call = shop.call("PUT", &shop.owner).json(&body);
        let answer = shop.test.refused(set_flash_sale::handle, call).await;
        let error = &answer.body["errors"][0];
        let found = format!("{}: {}", error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap());
        assert_eq!((answer.status, found.as_str()), (422, expected), "{body}");
    }
    let call = shop.call("PUT", &shop.owner).json(&json!({"shards": 2}));
    shop.test
        .needs_token(&shop.owner, set_flash_sale::handle, shop.anonymous("PUT").json(&json!({"shards": 2})))
        .await;
    assert_eq!(shop.test.call(set_flash_sale::handle, call).await.status, 200);
}

#[tokio::test]
async fn movements_are_told_shard_by_shard() {
    let shop = Shop::with(5).await;
    let ask = async |shard: &str| {
        let call = shop.call("GET", &shop.owner).query("shard", shard);
        shop.test.call(list_movements::handle, call).await
    };
    assert_eq!(ask("1").await.problem(), "not-found");
    let call = shop.call("PUT", &shop.owner).json(&json!({"shards": 2}));
    shop.test.call(set_flash_sale::handle, call).await;
    assert_eq!((ask("0").await.status, ask("1").await.status), (200, 200));
    assert_eq!((ask("2").await.problem(), ask("x").await.problem()), ("not-found", "invalid"));
}

#[tokio::test]
async fn no_movements_is_an_empty_list() {
    let shop = Shop::with(5).await;
    let answer = shop.test.call(list_movements::handle, shop.call("GET", &shop.owner)).await;
    assert_eq!((answer.status, answer.body), (200, json!({"items": [], "next_cursor": null})));
}

/// What the stream does with changes of stock.
async fn record(shop: &Shop) {
    let stocks = shop.test.db.drain_stream().into_iter().filter(|change| change.sk.starts_with("STOCK#"));
    let read = |record: Value| {
        let record: StreamRecord = serde_json::from_value(record).unwrap();
        let after: StockImage = record.new_image().unwrap().unwrap();
        StockChange { before: record.old_image().unwrap(), after, at: shop.test.app.now() }
    };
    record_movements(&shop.test.app, stocks.map(|change| read(change.record)).collect()).await.unwrap();
}

#[tokio::test]
async fn movements_come_as_a_table_that_is_safe_to_open() {
    let shop = Shop::with(5).await;
    for reason in ["=HYPERLINK(\"http://x\",\"y\")", "broken, 2 of \"them\"", "@SUM(A1)"] {
        assert_eq!(shop.adjust(&json!({"delta": 1, "reason": reason})).await.status, 200);
    }
    record(&shop).await;
    let ask = async |accept: &str, cursor: Option<&str>| {
        let call = shop.call("GET", &shop.owner).header("accept", accept).query("limit", "3");
        let call = if let Some(cursor) = cursor { call.query("cursor", cursor) } else { call };
        shop.test.call(list_movements::handle, call).await
    };
    let page = ask("text/csv", None).await;
    assert_eq!((page.status, page.headers["content-type"].as_str()), (200, "text/csv; charset=utf-8"));
    assert_eq!(page.headers["content-disposition"], "attachment; filename=\"movements.csv\"");
    let rows: Vec<&str> = page.text.split("\r\n").collect();
    assert_eq!(rows.len(), 5, "names, three movements, the end: {}", page.text);
    assert!(rows[1].contains(",add,\"'@SUM(A1)\",1,"), "{}", rows[1]);
    assert!(rows[2].contains(",\"broken, 2 of \"\"them\"\"\","), "{}", rows[2]);
    assert!(rows[3].contains(",\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\","), "{}", rows[3]);
    // The same pages as in JSON.
    let json = ask("application/json", None).await;
    assert_eq!(json.body["next_cursor"], json!(page.headers["x-next-cursor"]));
    let last = ask("TEXT/CSV; q=0.9, application/json", Some(&page.headers["x-next-cursor"])).await;
    assert!(!last.headers.contains_key("x-next-cursor"));
    assert_eq!(last.text.split("\r\n").count(), 3, "{}", last.text);
    for other in ["", "*/*", "application/json, text/csv", "text/html", "text/*"] {
        assert_eq!(ask(other, None).await.body, json.body, "{other}");
    }
    let rival = shop.test.seller("eve").await;
    let call = shop.call("GET", &rival).header("accept", "text/csv");
    assert_eq!(shop.test.call(list_movements::handle, call).await.problem(), "not-found");
}
