//! Rules and coupons as sellers and staff decide them.

use serde_json::{Value, json};
use sutler_domain::account::Role;
use sutler_testkit::{TestAnswer, TestApp, TestCall, TestUser};

use crate::{
    create_coupon, get_settings, get_shipping_profile, list_coupons, put_settings, put_shipping_profile,
    update_coupon,
};

fn is(answer: &TestAnswer, status: u16, problem: &str) {
    assert_eq!((answer.status, answer.problem()), (status, problem), "{}", answer.text);
}

fn usd(minor: u64) -> Value {
    json!({"amount": minor, "currency": "USD"})
}

fn option(id: &str) -> Value {
    json!({
        "id": id, "name": "Parcel", "days_min": 1, "days_max": 3,
        "price": {"kind": "flat", "amount": usd(400)},
    })
}

fn settings() -> Value {
    json!({
        "tax": {
            "prices": "inclusive",
            "rounding": "per_line",
            "default_rate": 1_900,
            "shipping": {"kind": "fixed", "rate": 700},
            "rates": [
                {"country": "DE", "class": "books", "rate": 700},
                {"country": "US", "region": "CA", "rate": 725},
            ],
        },
        "shipping": {"zones": [{"options": [option("standard")]}]},
    })
}

fn zones() -> Value {
    let weight = json!({"kind": "weight", "bands": [{"up_to_g": 500, "amount": usd(300)}]});
    let items = json!({"kind": "items", "base": usd(400), "per_item": usd(50)});
    let mut letter = option("letter");
    letter["price"] = weight;
    letter["free_from"] = usd(5_000);
    let mut abroad = option("abroad");
    abroad["price"] = items;
    json!({"zones": [{"countries": ["DE", "AT"], "options": [letter, option("parcel")]}, {"options": [abroad]}]})
}

fn coupon(code: &str, scope: &str) -> Value {
    json!({
        "code": code, "scope": scope, "worth": {"kind": "percentage", "rate": 1_000},
        "minimum": usd(2_000), "starts_at": "2027-01-01T00:00:00Z", "ends_at": "2027-02-01T00:00:00+01:00",
        "uses_max": 100, "uses_per_user_max": 1, "budget": usd(50_000),
    })
}

fn put(path: &str, version: u64, body: &Value) -> TestCall {
    TestCall::new("PUT", path).header("if-match", &format!("\"{version}\"")).json(body)
}

fn put_rules(version: u64, body: &Value) -> TestCall {
    put("/v1/admin/settings", version, body)
}

fn put_profile(version: u64, body: &Value) -> TestCall {
    put("/v1/sellers/me/shipping", version, body)
}

fn new(body: &Value) -> TestCall {
    TestCall::post("/v1/coupons", body)
}

fn patch(code: &str, version: u64, body: &Value) -> TestCall {
    TestCall::new("PATCH", &format!("/v1/coupons/{code}"))
        .parameter("code", code)
        .header("if-match", &format!("\"{version}\""))
        .json(body)
}

fn codes(answer: &TestAnswer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let items = answer.body["items"].as_array().unwrap();
    items.iter().map(|item| item["code"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn settings_are_the_parameters_until_staff_decide() {
    let test = TestApp::new().await;
    let staff = test.staff("root", Role::Admin).await;
    let get = || TestCall::get("/v1/admin/settings").by(&staff);
    let first = test.call(get_settings::handle, get()).await;
    assert_eq!((first.status, first.headers["etag"].as_str()), (200, "\"0\""));
    insta::assert_json_snapshot!("get_settings", first.body);
    let call = put_rules(0, &settings()).by(&staff).key("k-1");
    let written = test.call(put_settings::handle, call.clone()).await;
    assert_eq!(written.status, 200, "{}", written.text);
    insta::assert_json_snapshot!("put_settings", written.body);
    assert_eq!(test.call(get_settings::handle, get()).await.body, written.body);
    assert_eq!(test.call(put_settings::handle, call).await, written, "a repetition answers the same");
    is(&test.refused(put_settings::handle, put_rules(0, &settings()).by(&staff)).await, 409, "conflict");
    let second = test.call(put_settings::handle, put_rules(1, &settings()).by(&staff)).await;
    assert_eq!(second.body["version"], 2);
}

#[tokio::test]
async fn only_staff_see_settings_and_only_administrators_decide() {
    let test = TestApp::new().await;
    let (seller, support) = (test.seller("ada").await, test.staff("sue", Role::Support).await);
    let (finance, admin) = (test.staff("fin", Role::Finance).await, test.staff("root", Role::Admin).await);
    let get = TestCall::get("/v1/admin/settings");
    test.needs_token(&admin, get_settings::handle, get.clone()).await;
    test.needs_token(&admin, put_settings::handle, put_rules(0, &settings())).await;
    for user in [&seller, &support] {
        is(&test.refused(get_settings::handle, get.clone().by(user)).await, 403, "forbidden");
    }
    assert_eq!(test.call(get_settings::handle, get.by(&finance)).await.status, 200);
    for user in [&seller, &support, &finance] {
        let call = put_rules(0, &settings()).by(user);
        is(&test.refused(put_settings::handle, call).await, 403, "forbidden");
    }
}

#[tokio::test]
async fn bad_settings_name_their_fields() {
    let test = TestApp::new().await;
    let staff = test.staff("root", Role::Admin).await;
    let with = |pointer: &str, value: Value| {
        let mut body = settings();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let twice = json!([{"country": "US", "rate": 1}, {"country": "US", "rate": 2}]);
    for (body, named) in [
        (json!({}), "/tax: missing"),
        (with("/tax/prices", json!("both")), "/tax/prices: invalid"),
        (with("/tax/default_rate", json!(10_001)), "/tax/default_rate: invalid"),
        (with("/tax/default_rate", json!(-1)), "/tax/default_rate: invalid"),
        (with("/tax/default_rate", json!(1.5)), "/tax/default_rate: wrong-type"),
        (with("/tax/rates/0/country", json!("de")), "/tax/rates/0/country: invalid"),
        (with("/tax/rates/0/class", json!("No Class")), "/tax/rates/0/class: invalid"),
        (with("/tax/rates", twice), "/tax/rates/1: duplicate"),
        (with("/shipping/zones", json!([])), "/shipping/zones: missing"),
        (
            with("/shipping/zones/0/options/0/price/amount/currency", json!("EUR")),
            "/shipping/zones/0/options/0/price/amount/currency: currency-mismatch",
        ),
    ] {
        let answer = test.refused(put_settings::handle, put_rules(0, &body).by(&staff)).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![named.to_owned()]), "{body}");
    }
    let call = TestCall::new("PUT", "/v1/admin/settings").json(&settings()).by(&staff);
    assert_eq!(test.refused(put_settings::handle, call).await.invalid_fields(), ["if-match: missing"]);
}

#[tokio::test]
async fn a_seller_says_how_their_shop_sends_things() {
    let test = TestApp::new().await;
    let (seller, other) = (test.seller("ada").await, test.seller("eve").await);
    let get = |user: &TestUser| TestCall::get("/v1/sellers/me/shipping").by(user);
    let first = test.call(get_shipping_profile::handle, get(&seller)).await;
    insta::assert_json_snapshot!("get_shipping_profile", first.body);
    let call = put_profile(0, &zones()).by(&seller).key("k-1");
    let written = test.call(put_shipping_profile::handle, call.clone()).await;
    assert_eq!(written.status, 200, "{}", written.text);
    insta::assert_json_snapshot!("put_shipping_profile", written.body);
    assert_eq!(test.call(put_shipping_profile::handle, call).await, written);
    let shown = test.call(get_shipping_profile::handle, get(&seller)).await;
    assert_eq!((&shown.body, shown.headers["etag"].as_str()), (&written.body, "\"1\""));
    let stale = put_profile(0, &zones()).by(&seller);
    is(&test.refused(put_shipping_profile::handle, stale).await, 409, "conflict");
    assert_eq!(test.call(get_shipping_profile::handle, get(&other)).await.body, first.body);
}

#[tokio::test]
async fn only_a_shop_has_a_shipping_profile() {
    let test = TestApp::new().await;
    let (buyer, unverified) = (test.user("bob").await, test.unverified("tim").await);
    let get = TestCall::get("/v1/sellers/me/shipping");
    test.needs_token(&buyer, get_shipping_profile::handle, get.clone()).await;
    test.needs_token(&buyer, put_shipping_profile::handle, put_profile(0, &zones())).await;
    for (user, problem) in [(&buyer, "seller-required"), (&unverified, "email-not-verified")] {
        is(&test.refused(get_shipping_profile::handle, get.clone().by(user)).await, 403, problem);
        let call = put_profile(0, &zones()).by(user);
        is(&test.refused(put_shipping_profile::handle, call).await, 403, problem);
    }
}

#[tokio::test]
async fn bad_profiles_name_their_fields() {
    let test = TestApp::new().await;
    let seller = test.seller("ada").await;
    let with = |pointer: &str, value: Value| {
        let mut body = zones();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    for (body, named) in [
        (json!({}), "/zones: missing"),
        (json!({"zones": []}), "/zones: missing"),
        (json!({"zones": [], "seller": "x"}), "/seller: unknown-field"),
        (with("/zones/0/countries/1", json!("DE")), "/zones/0/countries: duplicate"),
        (with("/zones/0/countries/1", json!("XX")), "/zones/0/countries/1: invalid"),
        (with("/zones/0/options/0/id", json!("A B")), "/zones/0/options/0/id: invalid"),
        (with("/zones/0/options/0/name", json!("")), "/zones/0/options/0/name: too-short"),
        (with("/zones/0/options/1/id", json!("letter")), "/zones/0/options/1/id: duplicate"),
        (with("/zones/0/options/0/price/bands", json!([])), "/zones/0/options/0/price/bands: invalid"),
        (with("/zones/1/options", json!([])), "/zones/1/options: missing"),
    ] {
        let answer = test.refused(put_shipping_profile::handle, put_profile(0, &body).by(&seller)).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![named.to_owned()]), "{body}");
    }
}

#[tokio::test]
async fn coupons_are_made_listed_and_changed_by_whoever_pays_for_them() {
    let test = TestApp::new().await;
    let (seller, rival) = (test.seller("ada").await, test.seller("eve").await);
    let finance = test.staff("fin", Role::Finance).await;
    let call = new(&coupon("spring-10", "shop")).by(&seller).key("k-1");
    let made = test.call(create_coupon::handle, call.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    insta::assert_json_snapshot!("create_coupon", made.body);
    assert_eq!(test.call(create_coupon::handle, call).await, made);
    let taken =
        test.refused(create_coupon::handle, new(&coupon("Spring-10", "marketplace")).by(&finance)).await;
    is(&taken, 409, "taken");
    for code in ["WINTER", "AUTUMN"] {
        let call = new(&coupon(code, "marketplace")).by(&finance);
        assert_eq!(test.call(create_coupon::handle, call).await.body["funder"], "platform");
    }
    let list = |scope: &str| TestCall::get("/v1/coupons").query("scope", scope);
    assert_eq!(codes(&test.call(list_coupons::handle, list("shop").by(&seller)).await), ["SPRING-10"]);
    assert!(codes(&test.call(list_coupons::handle, list("shop").by(&rival)).await).is_empty());
    let all = test.call(list_coupons::handle, list("marketplace").by(&finance)).await;
    assert_eq!(codes(&all), ["AUTUMN", "WINTER"]);
    let first = test.call(list_coupons::handle, list("marketplace").query("limit", "1").by(&finance)).await;
    let cursor = first.body["next_cursor"].as_str().unwrap();
    let next = list("marketplace").query("limit", "1").query("cursor", cursor).by(&finance);
    assert_eq!(codes(&test.call(list_coupons::handle, next).await), ["WINTER"]);

    let change =
        json!({"active": false, "uses_max": null, "budget": usd(1), "ends_at": "2027-03-01T00:00:00Z"});
    let call = patch("spring-10", 1, &change).by(&seller).key("k-2");
    let changed = test.call(update_coupon::handle, call.clone()).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    insta::assert_json_snapshot!("update_coupon", changed.body);
    assert_eq!(test.call(update_coupon::handle, call).await, changed);
    is(
        &test.refused(update_coupon::handle, patch("spring-10", 1, &change).by(&seller)).await,
        409,
        "conflict",
    );
    let own = test.call(update_coupon::handle, patch("WINTER", 1, &change).by(&finance)).await;
    assert_eq!((own.status, &own.body["version"]), (200, &json!(2)));
}

#[tokio::test]
async fn anothers_coupon_does_not_exist_and_nobody_makes_one_for_others() {
    let test = TestApp::new().await;
    let (seller, rival) = (test.seller("ada").await, test.seller("eve").await);
    let (buyer, finance) = (test.user("bob").await, test.staff("fin", Role::Finance).await);
    test.needs_token(&seller, create_coupon::handle, new(&coupon("X-10", "shop"))).await;
    test.needs_token(&seller, list_coupons::handle, TestCall::get("/v1/coupons")).await;
    test.needs_token(&seller, update_coupon::handle, patch("X-10", 1, &json!({}))).await;
    test.call(create_coupon::handle, new(&coupon("OURS", "shop")).by(&seller)).await;
    test.call(create_coupon::handle, new(&coupon("ALL", "marketplace")).by(&finance)).await;
    let change = json!({"active": false});
    for (user, code) in
        [(&rival, "OURS"), (&finance, "OURS"), (&seller, "ALL"), (&buyer, "ALL"), (&buyer, "NONE")]
    {
        is(&test.refused(update_coupon::handle, patch(code, 1, &change).by(user)).await, 404, "not-found");
    }
    for (user, scope, problem) in [
        (&seller, "marketplace", "forbidden"),
        (&buyer, "shop", "seller-required"),
        (&finance, "shop", "seller-required"),
    ] {
        is(&test.refused(create_coupon::handle, new(&coupon("X-10", scope)).by(user)).await, 403, problem);
        let call = TestCall::get("/v1/coupons").query("scope", scope).by(user);
        is(&test.refused(list_coupons::handle, call).await, 403, problem);
    }
}

#[tokio::test]
async fn bad_coupons_name_their_fields() {
    let test = TestApp::new().await;
    let seller = test.seller("ada").await;
    let with = |field: &str, value: Value| {
        let mut body = coupon("spring", "shop");
        body[field] = value;
        body
    };
    for (body, named) in [
        (json!({}), "/code: missing"),
        (with("code", json!("a b")), "/code: invalid"),
        (with("code", json!("xy")), "/code: invalid"),
        (with("scope", json!("sel_01J8ZQ5K3N0V7X2Y4T6B8D9FGH")), "/scope: invalid"),
        (with("seller", json!("sel_01J8ZQ5K3N0V7X2Y4T6B8D9FGH")), "/seller: unknown-field"),
        (with("worth", json!({"kind": "percentage", "rate": 0})), "/worth/rate: out-of-range"),
        (with("worth", json!({"kind": "amount", "amount": usd(0)})), "/worth/amount/amount: out-of-range"),
        (with("ends_at", json!("soon")), "/ends_at: invalid"),
        (with("ends_at", json!("2026-01-01T00:00:00Z")), "/ends_at: out-of-range"),
        (with("uses_max", json!(0)), "/uses_max: out-of-range"),
        (with("budget", json!({"amount": 5, "currency": "EUR"})), "/budget/currency: currency-mismatch"),
    ] {
        let answer = test.refused(create_coupon::handle, new(&body).by(&seller)).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![named.to_owned()]), "{body}");
    }
    test.call(create_coupon::handle, new(&coupon("spring", "shop")).by(&seller)).await;
    for (body, named) in [
        (json!({"active": null}), "/active: required"),
        (json!({"ends_at": null}), "/ends_at: required"),
        (json!({"ends_at": "2026-01-01T00:00:00Z"}), "/ends_at: out-of-range"),
        (json!({"worth": {"kind": "percentage", "rate": 1}}), "/worth: unknown-field"),
        (json!({"uses": 0}), "/uses: unknown-field"),
    ] {
        let answer = test.refused(update_coupon::handle, patch("spring", 1, &body).by(&seller)).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![named.to_owned()]), "{body}");
    }
}
