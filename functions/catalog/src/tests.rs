//! The catalogue as its callers see it.

use serde_json::{Value, json};
use sutler_domain::account::Role;
use sutler_testkit::{TestAnswer, TestApp, TestCall, TestUser};

use crate::{
    archive_product, create_category, create_product, create_variant, delete_category, delete_variant,
    get_product, list_categories, list_products, update_category, update_product, update_variant,
};

/// A marketplace with an administrator, a category and a seller.
struct Market {
    test: TestApp,
    staff: TestUser,
    seller: TestUser,
    category: String,
}

fn text(answer: &TestAnswer, pointer: &str) -> String {
    answer.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl Market {
    async fn open() -> Self {
        let test = TestApp::new().await;
        let staff = test.staff("root", Role::Admin).await;
        let seller = test.seller("ada").await;
        let mut market = Self { test, staff, seller, category: String::new() };
        market.category = market.category("Clothes", None).await;
        market
    }

    async fn category(&self, name: &str, parent: Option<&str>) -> String {
        let call = TestCall::post("/v1/categories", &json!({"name": name, "parent": parent}));
        let answer = self.test.call(create_category::handle, call.by(&self.staff)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        text(&answer, "/id")
    }

    fn shirt(&self) -> Value {
        json!({
            "title": "Linen shirt",
            "description": "Washed linen.",
            "brand": "Flax",
            "category": self.category,
            "price": {"amount": 4900, "currency": "USD"},
            "options": [{"name": "size", "values": ["S", "M", "L"]}],
            "variants": [
                {"options": [{"name": "size", "value": "S"}], "sku": "SHIRT-S", "quantity": 3, "weight_g": 250},
                {"options": [{"name": "size", "value": "M"}], "sku": "SHIRT-M", "quantity": 4,
                 "price": {"amount": 5200, "currency": "USD"}},
            ],
        })
    }

    async fn create(&self, body: &Value) -> TestAnswer {
        let call = TestCall::post("/v1/products", body).by(&self.seller);
        self.test.call(create_product::handle, call).await
    }

    /// Lists the shirt with `change` made to its description in JSON.
    async fn create_with(&self, pointer: &str, value: Value) -> TestAnswer {
        let mut body = self.shirt();
        *body.pointer_mut(pointer).unwrap() = value;
        self.create(&body).await
    }

    async fn listed(&self) -> TestAnswer {
        let answer = self.create(&self.shirt()).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer
    }

    async fn show(&self, name: &str) -> TestAnswer {
        let call = TestCall::get(&format!("/v1/products/{name}")).parameter("product", name);
        self.test.call(get_product::handle, call).await
    }

    async fn patch(&self, who: &TestUser, product: &str, version: u64, body: &Value) -> TestAnswer {
        let call = TestCall::new("PATCH", &format!("/v1/products/{product}"))
            .parameter("product", product)
            .header("if-match", &format!("\"{version}\""))
            .json(body)
            .by(who);
        self.test.call(update_product::handle, call).await
    }

    async fn archive(&self, who: &TestUser, product: &str) -> TestAnswer {
        let call = TestCall::new("DELETE", &format!("/v1/products/{product}")).parameter("product", product);
        self.test.call(archive_product::handle, call.by(who)).await
    }

    fn on_variant(method: &'static str, answer: &TestAnswer, nth: usize) -> TestCall {
        let (product, variant) = (text(answer, "/id"), text(answer, &format!("/variants/{nth}/id")));
        TestCall::new(method, &format!("/v1/products/{product}/variants/{variant}"))
            .parameter("product", &product)
            .parameter("variant", &variant)
    }

    async fn titles(&self, filter: &[(&str, &str)]) -> Vec<String> {
        let call = TestCall::get("/v1/products");
        let call = filter.iter().fold(call, |call, (name, value)| call.query(name, value));
        let answer = self.test.call(list_products::handle, call).await;
        let items = answer.body["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["title"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_listed_product_is_shown_by_id_and_by_slug() {
    let market = Market::open().await;
    let created = market.listed().await;
    insta::assert_json_snapshot!("create_product", created.body);
    for name in [text(&created, "/id"), text(&created, "/slug")] {
        let shown = market.show(&name).await;
        assert_eq!((shown.status, &shown.body), (200, &created.body));
        assert_eq!(shown.headers["etag"], "\"1\"");
    }
    for nothing in ["prd_01J8ZQ5K3N0V7X2Y4T6B8D9FGH", "no-such-slug", "UPPER", ""] {
        assert_eq!(market.show(nothing).await.problem(), "not-found", "{nothing}");
    }
}

#[tokio::test]
async fn a_product_is_one_round_trip_to_read() {
    let market = Market::open().await;
    let id = text(&market.listed().await, "/id");
    market.test.db.reset_meter();
    market.show(&id).await;
    // Two queries at the same time.
    assert_eq!(market.test.db.meter().round_trips(), 2);
}

#[tokio::test]
async fn bad_products_are_refused_and_nothing_is_written() {
    let market = Market::open().await;
    for (pointer, value, expected) in [
        ("/title", json!(""), "/title: too-short"),
        ("/title", json!("x".repeat(256)), "/title: too-long"),
        ("/title", json!(7), "/title: wrong-type"),
        ("/description", json!("x".repeat(10_001)), "/description: too-long"),
        ("/brand", json!("x".repeat(81)), "/brand: too-long"),
        ("/category", json!("cat_01J8ZQ5K3N0V7X2Y4T6B8D9FGH"), "/category: unknown"),
        ("/category", json!("shirts"), "/category: invalid"),
        ("/price/amount", json!(0), "/price/amount: out-of-range"),
        ("/price/amount", json!(-1), "/price/amount: invalid"),
        ("/price/amount", json!(10_000_000_001_u64), "/price/amount: out-of-range"),
        ("/price/currency", json!("EUR"), "/price/currency: currency-mismatch"),
        ("/options/0/values", json!([]), "/options/0/values: missing"),
        ("/variants", json!([]), "/variants: missing"),
        ("/variants/0/quantity", json!(-1), "/variants/0/quantity: invalid"),
        ("/variants/0/quantity", json!(1_000_000_001), "/variants/0/quantity: out-of-range"),
        ("/variants/0/sku", json!(""), "/variants/0/sku: too-short"),
        ("/variants/0/sku", json!("SHIRT-M"), "/variants/1/sku: duplicate"),
        ("/variants/0/options/0/value", json!("M"), "/variants/1/options: duplicate"),
        ("/variants/0/options/0/value", json!("XXL"), "/variants/0/options: unknown-value"),
        ("/variants/0/options", json!([]), "/variants/0/options: incomplete"),
    ] {
        let answer = market.create_with(pointer, value.clone()).await;
        assert_eq!(answer.status, 422, "{pointer} {value}: {}", answer.text);
        assert!(answer.invalid_fields().contains(&expected.to_owned()), "{expected}: {}", answer.text);
    }
    let mut unknown = market.shirt();
    unknown["seller"] = json!("sel_01J8ZQ5K3N0V7X2Y4T6B8D9FGH");
    assert_eq!(market.create(&unknown).await.invalid_fields(), ["/seller: unknown-field"]);
    let call = TestCall::new("POST", "/v1/products").text("{\"title\":").by(&market.seller);
    assert_eq!(market.test.call(create_product::handle, call).await.status, 400);
    let mut large = market.shirt();
    large["description"] = json!("x".repeat(70_000));
    assert_eq!(market.create(&large).await.status, 413);
    assert!(market.titles(&[]).await.is_empty());
}

#[tokio::test]
async fn a_product_without_options_gets_its_one_variant() {
    let market = Market::open().await;
    let mut body = market.shirt();
    body["options"] = json!([]);
    body["variants"] = json!([]);
    let answer = market.create(&body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let variants = answer.body["variants"].as_array().unwrap();
    assert_eq!(variants.len(), 1);
    assert_eq!((&variants[0]["available"], &variants[0]["price"]), (&json!(0), &body["price"]));
}

#[tokio::test]
async fn any_signed_in_user_cannot_edit_the_catalogue() {
    let market = Market::open().await;
    let shirt = market.listed().await;
    let (id, before) = (text(&shirt, "/id"), shirt.body.clone());
    let stranger = market.test.user("bob").await;
    let rival = market.test.seller("eve").await;
    let unverified = market.test.unverified("tim").await;

    let create = |call: TestCall| market.test.call(create_product::handle, call);
    let body = market.shirt();
    assert_eq!(create(TestCall::post("/v1/products", &body)).await.problem(), "unauthenticated");
    assert_eq!(
        create(TestCall::post("/v1/products", &body).by(&stranger)).await.problem(),
        "seller-required"
    );
    assert_eq!(
        create(TestCall::post("/v1/products", &body).by(&unverified)).await.problem(),
        "email-not-verified"
    );
    for other in [&stranger, &rival, &market.staff] {
        let change = json!({"title": "Mine now"});
        assert_eq!(market.patch(other, &id, 1, &change).await.problem(), "not-found");
        assert_eq!(market.archive(other, &id).await.problem(), "not-found");
        let add = TestCall::post(&format!("/v1/products/{id}/variants"), &json!({"options": []}))
            .parameter("product", &id)
            .by(other);
        assert_eq!(market.test.call(create_variant::handle, add).await.problem(), "not-found");
        let change = Market::on_variant("PATCH", &shirt, 0).header("if-match", "\"1\"").by(other);
        let change = change.json(&json!({"price": {"amount": 1, "currency": "USD"}}));
        assert_eq!(market.test.call(update_variant::handle, change).await.problem(), "not-found");
        let delete = Market::on_variant("DELETE", &shirt, 0).by(other);
        assert_eq!(market.test.call(delete_variant::handle, delete).await.problem(), "not-found");
    }
    assert_eq!(market.show(&id).await.body, before);
}

#[tokio::test]
async fn only_administrators_change_categories() {
    let market = Market::open().await;
    let support = market.test.staff("sam", Role::Support).await;
    let id = market.category.clone();
    let calls = |who: &TestUser| {
        let at = |method| TestCall::new(method, "/v1/categories/x").parameter("category", &id).by(who);
        (
            TestCall::post("/v1/categories", &json!({"name": "Toys"})).by(who),
            at("PATCH").header("if-match", "\"1\"").json(&json!({"name": "Rags"})),
            at("DELETE"),
        )
    };
    for who in [&market.seller, &support] {
        let (create, update, delete) = calls(who);
        assert_eq!(market.test.call(create_category::handle, create).await.problem(), "forbidden");
        assert_eq!(market.test.call(update_category::handle, update).await.problem(), "forbidden");
        assert_eq!(market.test.call(delete_category::handle, delete).await.problem(), "forbidden");
    }
    let anonymous = TestCall::post("/v1/categories", &json!({"name": "Toys"}));
    assert_eq!(market.test.call(create_category::handle, anonymous).await.problem(), "unauthenticated");
}

#[tokio::test]
async fn a_changed_title_shows_on_every_variant_at_once_and_the_slug_stays() {
    let market = Market::open().await;
    let shirt = market.listed().await;
    let id = text(&shirt, "/id");
    let change = json!({"title": "Hemp shirt", "brand": null, "price": {"amount": 4000, "currency": "USD"}});
    let answer = market.patch(&market.seller, &id, 1, &change).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    insta::assert_json_snapshot!("update_product", answer.body);
    assert_eq!(answer.body["slug"], shirt.body["slug"]);
    assert_eq!(answer.body["variants"][0]["price"]["amount"], 4000);
    assert_eq!(answer.body["variants"][1]["price"]["amount"], 5200);
    assert_eq!(market.show(&id).await.body, answer.body);
    let variant = sutler_domain::ids::VariantId::parse(&text(&shirt, "/variants/1/id")).unwrap();
    let stored = market.test.app.store.variant(&variant).await.unwrap().unwrap();
    assert_eq!(stored.value.title, "Hemp shirt");
}

#[tokio::test]
async fn a_change_based_on_an_old_version_is_a_conflict() {
    let market = Market::open().await;
    let id = text(&market.listed().await, "/id");
    assert_eq!(market.patch(&market.seller, &id, 1, &json!({"title": "One"})).await.status, 200);
    assert_eq!(market.patch(&market.seller, &id, 1, &json!({"title": "Two"})).await.problem(), "conflict");
    assert_eq!(text(&market.show(&id).await, "/title"), "One");
    let cleared = market.patch(&market.seller, &id, 2, &json!({"title": null})).await;
    assert_eq!(cleared.invalid_fields(), ["/title: required"]);
    let missing = TestCall::new("PATCH", "/v1/products/x").parameter("product", &id).json(&json!({}));
    let answer = market.test.call(update_product::handle, missing.by(&market.seller)).await;
    assert_eq!(answer.invalid_fields(), ["if-match: missing"]);
}

#[tokio::test]
async fn options_in_use_cannot_be_taken_away() {
    let market = Market::open().await;
    let id = text(&market.listed().await, "/id");
    let fewer = json!({"options": [{"name": "size", "values": ["S"]}]});
    let answer = market.patch(&market.seller, &id, 1, &fewer).await;
    assert_eq!(answer.invalid_fields(), ["/options: unknown-value"]);
}

#[tokio::test]
async fn a_repeated_call_answers_the_same_and_acts_once() {
    let market = Market::open().await;
    let call = |body: &Value| TestCall::post("/v1/products", body).by(&market.seller).key("k-1");
    let body = market.shirt();
    let first = market.test.call(create_product::handle, call(&body)).await;
    let second = market.test.call(create_product::handle, call(&body)).await;
    assert_eq!((first.status, &first.body), (201, &second.body));
    assert_eq!(market.titles(&[]).await.len(), 1);
    let other = market.test.call(create_product::handle, call(&json!({"title": "x"}))).await;
    assert_eq!(other.status, 422);
}

#[tokio::test]
async fn an_archived_product_is_gone_for_buyers() {
    let market = Market::open().await;
    let shirt = market.listed().await;
    let id = text(&shirt, "/id");
    assert_eq!(market.titles(&[("category", &market.category)]).await, ["Linen shirt"]);
    assert_eq!(market.archive(&market.seller, &id).await.status, 204);
    assert_eq!(market.show(&id).await.problem(), "not-found");
    assert_eq!(market.archive(&market.seller, &id).await.problem(), "not-found");
    for filter in [vec![], vec![("category", market.category.as_str())]] {
        assert!(market.titles(&filter).await.is_empty());
    }
    let variant = sutler_domain::ids::VariantId::parse(&text(&shirt, "/variants/0/id")).unwrap();
    assert!(!market.test.app.store.variant(&variant).await.unwrap().unwrap().value.is_active());
    let at = TestCall::new("DELETE", "/v1/categories/x").parameter("category", &market.category);
    assert_eq!(market.test.call(delete_category::handle, at.by(&market.staff)).await.status, 204);
}

#[tokio::test]
async fn an_article_number_is_unique_within_a_shop_only() {
    let market = Market::open().await;
    market.listed().await;
    let again = market.create(&market.shirt()).await;
    assert_eq!((again.status, again.problem()), (409, "taken"));
    let rival = market.test.seller("eve").await;
    let call = TestCall::post("/v1/products", &market.shirt()).by(&rival);
    assert_eq!(market.test.call(create_product::handle, call).await.status, 201);
}

#[tokio::test]
async fn variants_are_added_changed_and_removed() {
    let market = Market::open().await;
    let shirt = market.listed().await;
    let id = text(&shirt, "/id");
    let add = |size: &str, sku: &str| {
        let body = json!({"options": [{"name": "size", "value": size}], "sku": sku, "quantity": 9});
        TestCall::post(&format!("/v1/products/{id}/variants"), &body)
            .parameter("product", &id)
            .by(&market.seller)
    };
    let added = market.test.call(create_variant::handle, add("L", "SHIRT-L")).await;
    assert_eq!(added.status, 201, "{}", added.text);
    insta::assert_json_snapshot!("create_variant", added.body);
    assert_eq!(market.test.call(create_variant::handle, add("L", "OTHER")).await.problem(), "taken");
    assert_eq!(market.test.call(create_variant::handle, add("L", "SHIRT-S")).await.problem(), "taken");

    let change = |version: u64, body: Value| {
        let call = Market::on_variant("PATCH", &shirt, 1).header("if-match", &format!("\"{version}\""));
        market.test.call(update_variant::handle, call.json(&body).by(&market.seller))
    };
    let follows = change(1, json!({"price": null, "sku": "SHIRT-MM"})).await;
    assert_eq!(follows.status, 200, "{}", follows.text);
    assert_eq!((&follows.body["price"]["amount"], &follows.body["available"]), (&json!(4900), &json!(4)));
    assert_eq!(change(1, json!({})).await.problem(), "conflict");
    assert_eq!(change(2, json!({"sku": "SHIRT-L"})).await.problem(), "taken");
    let zero = change(2, json!({"price": {"amount": 0, "currency": "USD"}})).await;
    assert_eq!(zero.invalid_fields(), ["/price/amount: out-of-range"]);

    for nth in [0, 1] {
        let call = Market::on_variant("DELETE", &shirt, nth).by(&market.seller);
        assert_eq!(market.test.call(delete_variant::handle, call).await.status, 204);
    }
    let shown = market.show(&id).await;
    assert_eq!(shown.body["variants"].as_array().unwrap().len(), 1);
    let last = Market::on_variant("DELETE", &shown, 0).by(&market.seller);
    assert_eq!(market.test.call(delete_variant::handle, last).await.problem(), "in-use");
}

#[tokio::test]
async fn a_category_lists_everything_below_it_newest_first() {
    let market = Market::open().await;
    let shirts = market.category("Shirts", Some(&market.category)).await;
    let linen = market.category("Linen", Some(&shirts)).await;
    for (n, category) in [&market.category, &shirts, &linen, &shirts].into_iter().enumerate() {
        market.test.clock().advance(std::time::Duration::from_secs(1));
        let mut body = market.shirt();
        body["title"] = json!(format!("Shirt {n}"));
        body["category"] = json!(category);
        body["options"] = json!([]);
        body["variants"] = json!([]);
        assert_eq!(market.create(&body).await.status, 201);
    }
    let all = ["Shirt 3", "Shirt 2", "Shirt 1", "Shirt 0"];
    assert_eq!(market.titles(&[]).await, all);
    assert_eq!(market.titles(&[("category", &market.category)]).await, all);
    assert_eq!(market.titles(&[("category", &shirts)]).await, all[..3]);
    assert_eq!(market.titles(&[("category", &linen)]).await, ["Shirt 2"]);
    assert_eq!(market.titles(&[("seller", market.seller.seller().as_str())]).await, all);

    let page = |cursor: Option<String>| {
        let call = TestCall::get("/v1/products").query("category", &market.category).query("limit", "3");
        let call = cursor.iter().fold(call, |call, cursor| call.query("cursor", cursor));
        market.test.call(list_products::handle, call)
    };
    let first = page(None).await;
    insta::assert_json_snapshot!("list_products", first.body);
    let second = page(Some(text(&first, "/next_cursor"))).await;
    assert_eq!(second.body["items"].as_array().unwrap().len(), 1);
    assert_eq!(second.body["next_cursor"], Value::Null);
    for (name, value) in
        [("limit", "0"), ("limit", "101"), ("cursor", "x"), ("category", "x"), ("seller", "-")]
    {
        let call = TestCall::get("/v1/products").query(name, value);
        assert_eq!(market.test.call(list_products::handle, call).await.status, 422, "{name}={value}");
    }
}

#[tokio::test]
async fn the_category_tree_stays_a_tree() {
    let market = Market::open().await;
    let shirts = market.category("Shirts", Some(&market.category)).await;
    let at = |method, id: &str| {
        TestCall::new(method, "/v1/categories/x").parameter("category", id).by(&market.staff)
    };
    let update = |id: &str, version: u64, body: Value| {
        let call = at("PATCH", id).header("if-match", &format!("\"{version}\"")).json(&body);
        market.test.call(update_category::handle, call)
    };
    for parent in [&shirts, &market.category] {
        let answer = update(&market.category, 1, json!({"parent": parent})).await;
        assert_eq!(answer.invalid_fields(), ["/parent: cycle"]);
    }
    let twin = TestCall::post("/v1/categories", &json!({"name": "shirts", "parent": market.category}));
    let twin = market.test.call(create_category::handle, twin.by(&market.staff)).await;
    assert_eq!(twin.problem(), "taken");
    for bad in [json!({"name": ""}), json!({"name": "x", "slug": "A b"}), json!({"name": "…"})] {
        let call = TestCall::post("/v1/categories", &bad).by(&market.staff);
        assert_eq!(market.test.call(create_category::handle, call).await.status, 422, "{bad}");
    }
    let full = market.test.call(delete_category::handle, at("DELETE", &market.category)).await;
    assert_eq!(full.problem(), "in-use");
    let moved = update(&shirts, 1, json!({"parent": null, "name": "Tops"})).await;
    assert_eq!(moved.status, 200, "{}", moved.text);
    assert_eq!(update(&shirts, 1, json!({"name": "Late"})).await.problem(), "conflict");
    market.listed().await;
    let filed = market.test.call(delete_category::handle, at("DELETE", &market.category)).await;
    assert_eq!(filed.problem(), "in-use");
    assert_eq!(market.test.call(delete_category::handle, at("DELETE", &shirts)).await.status, 204);
    assert_eq!(market.test.call(delete_category::handle, at("DELETE", &shirts)).await.problem(), "not-found");
    let all = market.test.call(list_categories::handle, TestCall::get("/v1/categories")).await;
    insta::assert_json_snapshot!("list_categories", all.body);
}

#[tokio::test]
async fn a_decision_never_rests_on_an_index() {
    let market = Market::open().await;
    let id = text(&market.listed().await, "/id");
    assert_eq!(market.titles(&[]).await.len(), 1);
    market.archive(&market.seller, &id).await;
    let stale = sutler_testkit::Rule::before(sutler_testkit::Operation::Query, sutler_testkit::Fault::Stale);
    market.test.db.fault(stale);
    assert!(market.titles(&[]).await.is_empty());
}
