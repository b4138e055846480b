//! Carts as guests and users see them.

use serde_json::{Value, json};
use sutler_domain::{
    account::Role,
    ids::{CartId, VariantId},
    product::ListingState,
};
use sutler_testkit::{TestAnswer, TestApp, TestCall, TestUser};

use crate::{create_cart, delete_cart, delete_cart_line, get_cart, merge_cart, put_cart_line, quote_cart};

/// A marketplace with a seller, a buyer and ten pieces of one thing.
struct Market {
    test: TestApp,
    seller: TestUser,
    buyer: TestUser,
    thing: VariantId,
}

/// A guest's cart with its secret.
struct Guest {
    id: String,
    token: String,
}

fn text(answer: &TestAnswer, pointer: &str) -> String {
    answer.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn on(method: &'static str, cart: &str) -> TestCall {
    TestCall::new(method, &format!("/v1/carts/{cart}")).parameter("cart", cart)
}

fn line(method: &'static str, cart: &str, variant: &VariantId) -> TestCall {
    TestCall::new(method, &format!("/v1/carts/{cart}/lines/{variant}"))
        .parameter("cart", cart)
        .parameter("variant", variant.as_str())
}

fn put(cart: &str, variant: &VariantId, quantity: u32) -> TestCall {
    line("PUT", cart, variant).json(&json!({"quantity": quantity}))
}

/// What is in a cart, in its order.
fn lines(answer: &TestAnswer) -> Vec<(String, u64)> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let lines = answer.body["lines"].as_array().unwrap();
    lines
        .iter()
        .map(|l| (l["variant"].as_str().unwrap().to_owned(), l["quantity"].as_u64().unwrap()))
        .collect()
}

fn is(answer: &TestAnswer, status: u16, problem: &str) {
    assert_eq!((answer.status, answer.problem()), (status, problem), "{}", answer.text);
}

impl Guest {
    fn of(&self, call: TestCall) -> TestCall {
        call.header("cart-token", &self.token)
    }

    fn merge(&self) -> TestCall {
        self.of(TestCall::new("POST", &format!("/v1/carts/{}/merge", self.id)).parameter("cart", &self.id))
    }
}

impl Market {
    async fn open() -> Self {
        let test = TestApp::new().await;
        let (seller, buyer) = (test.seller("ada").await, test.user("bob").await);
        let thing = test.goods(&seller, 1_999, 10).await;
        Self { test, seller, buyer, thing }
    }

    /// The id of the buyer's own cart.
    fn cart(&self) -> String {
        CartId::of_user(self.buyer.id()).to_string()
    }

    async fn guest(&self) -> Guest {
        let answer = self.test.call(create_cart::handle, TestCall::new("POST", "/v1/carts")).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        Guest { id: text(&answer, "/id"), token: text(&answer, "/token") }
    }

    /// A guest whose cart has these lines.
    async fn guest_with(&self, wanted: &[(&VariantId, u32)]) -> Guest {
        let guest = self.guest().await;
        for (variant, quantity) in wanted {
            let answer = self.put(guest.of(put(&guest.id, variant, *quantity))).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        guest
    }

    async fn put(&self, call: TestCall) -> TestAnswer {
        self.test.call(put_cart_line::handle, call).await
    }

    async fn show(&self) -> TestAnswer {
        self.test.call(get_cart::handle, on("GET", &self.cart()).by(&self.buyer)).await
    }

    async fn quote(&self, body: &Value) -> TestAnswer {
        let call = on("POST", &self.cart()).json(body).by(&self.buyer);
        self.test.call(quote_cart::handle, call).await
    }
}

#[tokio::test]
async fn a_guests_secret_is_shown_once_and_stored_nowhere() {
    let market = Market::open().await;
    drop(market.test.db.drain_stream());
    let opened = market.test.call(create_cart::handle, TestCall::new("POST", "/v1/carts")).await;
    assert_eq!(opened.status, 201);
    insta::assert_json_snapshot!("create_cart_of_guest", opened.body);
    let guest = Guest { id: text(&opened, "/id"), token: text(&opened, "/token") };
    let stored = format!("{:?}", market.test.db.drain_stream());
    assert!(stored.contains(&guest.id) && !stored.contains(&guest.token), "{stored}");
    let shown = market.test.call(get_cart::handle, guest.of(on("GET", &guest.id))).await;
    insta::assert_json_snapshot!("get_cart_empty", shown.body);
    assert_ne!(market.guest().await.token, guest.token);
}

#[tokio::test]
async fn a_user_has_one_cart_that_needs_no_secret() {
    let market = Market::open().await;
    drop(market.test.db.drain_stream());
    let call = || TestCall::new("POST", "/v1/carts").by(&market.buyer);
    let first = market.test.call(create_cart::handle, call()).await;
    assert_eq!(first.status, 201);
    insta::assert_json_snapshot!("create_cart_of_user", first.body);
    assert_eq!(market.test.call(create_cart::handle, call()).await, first);
    assert_eq!(market.test.db.drain_stream(), []);
}

#[tokio::test]
async fn lines_are_put_changed_and_taken_out() {
    let market = Market::open().await;
    let (cart, other) = (market.cart(), market.test.goods(&market.seller, 500, 3).await);
    let first = market.put(put(&cart, &market.thing, 2).by(&market.buyer)).await;
    assert_eq!(first.status, 200, "{}", first.text);
    insta::assert_json_snapshot!("put_cart_line", first.body);
    market.put(put(&cart, &other, 3).by(&market.buyer)).await;
    let changed = market.put(put(&cart, &market.thing, 10).by(&market.buyer)).await;
    assert_eq!(lines(&changed), [(market.thing.to_string(), 10), (other.to_string(), 3)]);
    assert_eq!(changed.body["goods"]["amount"], 10 * 1_999 + 3 * 500);
    assert_eq!(market.show().await.body["lines"], changed.body["lines"]);
    let out = || line("DELETE", &cart, &market.thing).by(&market.buyer);
    let left = market.test.call(delete_cart_line::handle, out()).await;
    insta::assert_json_snapshot!("delete_cart_line", left.body);
    // What is not in it is no error.
    assert_eq!(market.test.call(delete_cart_line::handle, out()).await.body, left.body);
}

#[tokio::test]
async fn reading_a_cart_writes_nothing() {
    let market = Market::open().await;
    let guest = market.guest_with(&[(&market.thing, 1)]).await;
    drop(market.test.db.drain_stream());
    assert_eq!(market.show().await.status, 200);
    assert_eq!(market.test.call(get_cart::handle, guest.of(on("GET", &guest.id))).await.status, 200);
    assert_eq!(market.test.db.drain_stream(), []);
}

#[tokio::test]
async fn a_deleted_cart_is_empty_for_its_user_and_gone_for_its_guest() {
    let market = Market::open().await;
    market.put(put(&market.cart(), &market.thing, 2).by(&market.buyer)).await;
    for _ in 0..2 {
        let delete = on("DELETE", &market.cart()).by(&market.buyer);
        let answer = market.test.call(delete_cart::handle, delete).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
        assert_eq!(lines(&market.show().await), []);
    }
    let guest = market.guest_with(&[(&market.thing, 1)]).await;
    let delete = || guest.of(on("DELETE", &guest.id));
    assert_eq!(market.test.call(delete_cart::handle, delete()).await.status, 204);
    is(&market.test.call(delete_cart::handle, delete()).await, 404, "not-found");
    is(&market.test.call(get_cart::handle, guest.of(on("GET", &guest.id))).await, 404, "not-found");
}

#[tokio::test]
async fn anothers_cart_does_not_exist() {
    let market = Market::open().await;
    let test = &market.test;
    market.put(put(&market.cart(), &market.thing, 2).by(&market.buyer)).await;
    let guest = market.guest_with(&[(&market.thing, 3)]).await;
    let other = market.guest_with(&[(&market.thing, 1)]).await;
    let (stranger, staff) = (test.user("eve").await, test.staff("root", Role::Admin).await);
    let nobody: [&dyn Fn(TestCall) -> TestCall; 6] = [
        &|call| call,
        &|call| call.header("cart-token", "wrong"),
        &|call| call.header("cart-token", &other.token),
        &|call| call.by(&stranger),
        &|call| call.by(&market.seller),
        &|call| call.by(&staff).header("cart-token", &other.token),
    ];
    for (cart, who) in [market.cart(), guest.id.clone()].iter().flat_map(|cart| nobody.map(|who| (cart, who)))
    {
        let answers = [
            test.refused(get_cart::handle, who(on("GET", cart))).await,
            test.refused(delete_cart::handle, who(on("DELETE", cart))).await,
            test.refused(put_cart_line::handle, who(put(cart, &market.thing, 9))).await,
            test.refused(delete_cart_line::handle, who(line("DELETE", cart, &market.thing))).await,
            test.refused(quote_cart::handle, who(on("POST", cart))).await,
            test.refused(merge_cart::handle, who(on("POST", cart)).by(&stranger)).await,
        ];
        for answer in &answers {
            is(answer, 404, "not-found");
        }
    }
    assert_eq!(lines(&market.show().await), [(market.thing.to_string(), 2)]);
    let shown = test.call(get_cart::handle, guest.of(on("GET", &guest.id))).await;
    assert_eq!(lines(&shown), [(market.thing.to_string(), 3)]);
}

#[tokio::test]
async fn an_access_token_that_is_not_valid_is_refused_even_beside_a_carts_secret() {
    let market = Market::open().await;
    let test = &market.test;
    let guest = market.guest_with(&[(&market.thing, 3)]).await;
    for token in test.bad_tokens(&market.buyer) {
        let with = |call: TestCall| guest.of(call).token(&token);
        let answers = [
            test.refused(create_cart::handle, with(TestCall::new("POST", "/v1/carts"))).await,
            test.refused(get_cart::handle, with(on("GET", &guest.id))).await,
            test.refused(delete_cart::handle, with(on("DELETE", &guest.id))).await,
            test.refused(put_cart_line::handle, with(put(&guest.id, &market.thing, 9))).await,
            test.refused(delete_cart_line::handle, with(line("DELETE", &guest.id, &market.thing))).await,
            test.refused(quote_cart::handle, with(on("POST", &guest.id))).await,
        ];
        for answer in &answers {
            is(answer, 401, "unauthenticated");
        }
    }
    test.needs_token(&market.buyer, merge_cart::handle, guest.merge()).await;
}

#[tokio::test]
async fn an_id_that_names_nothing_is_not_found() {
    let market = Market::open().await;
    let test = &market.test;
    let buyer = &market.buyer;
    for id in ["", "x", "crt_", "crt_0", &market.cart().to_lowercase(), "crt_01J8ZQ5K3N0V7X2Y4T6B8D9FGH"] {
        is(&test.refused(get_cart::handle, on("GET", id).by(buyer)).await, 404, "not-found");
        is(&test.refused(put_cart_line::handle, put(id, &market.thing, 1).by(buyer)).await, 404, "not-found");
    }
    let call = put(&market.cart(), &market.thing, 1).parameter("variant", "var_1").by(buyer);
    is(&test.refused(put_cart_line::handle, call).await, 404, "not-found");
}

#[tokio::test]
async fn bad_lines_name_their_fields() {
    let market = Market::open().await;
    for (body, named) in [
        ("{}", "/quantity: missing"),
        (r#"{"quantity": 0}"#, "/quantity: out-of-range"),
        (r#"{"quantity": 100}"#, "/quantity: out-of-range"),
        (r#"{"quantity": 4294967295}"#, "/quantity: out-of-range"),
        (r#"{"quantity": 4294967296}"#, "/quantity: invalid"),
        (r#"{"quantity": 1e30}"#, "/quantity: wrong-type"),
        (r#"{"quantity": -1}"#, "/quantity: invalid"),
        (r#"{"quantity": 1.5}"#, "/quantity: wrong-type"),
        (r#"{"quantity": "1"}"#, "/quantity: wrong-type"),
        (r#"{"quantity": null}"#, "/quantity: wrong-type"),
        (r#"{"quantity": 1, "price": 1}"#, "/price: unknown-field"),
        (r#"{"quantity": 1, "quantity": 2}"#, ": invalid"),
        ("null", ": wrong-type"),
        ("7", ": wrong-type"),
    ] {
        let call = line("PUT", &market.cart(), &market.thing).text(body).by(&market.buyer);
        let answer = market.test.refused(put_cart_line::handle, call).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![named.to_owned()]), "{body}");
    }
    for (body, status, problem) in [
        (String::new(), 400, "malformed-request"),
        ("{".to_owned(), 400, "malformed-request"),
        (r#"{"quantity": 1} x"#.to_owned(), 400, "malformed-request"),
        (format!(r#"{{"quantity": 1}}{}"#, " ".repeat(64 * 1_024)), 413, "too-large"),
    ] {
        let call = line("PUT", &market.cart(), &market.thing).text(&body).by(&market.buyer);
        is(&market.test.refused(put_cart_line::handle, call).await, status, problem);
    }
}

#[tokio::test]
async fn a_cart_takes_only_what_is_free_for_sale_and_not_ones_own() {
    let market = Market::open().await;
    let test = &market.test;
    let put = |variant: &VariantId, quantity| put(&market.cart(), variant, quantity).by(&market.buyer);
    let short = test.refused(put_cart_line::handle, put(&market.thing, 11)).await;
    is(&short, 409, "insufficient-stock");
    let shortage = json!([{"variant": market.thing, "requested": 11, "available": 10}]);
    assert_eq!(short.body["shortages"], shortage);
    let none = test.goods(&market.seller, 100, 0).await;
    is(&test.refused(put_cart_line::handle, put(&none, 1)).await, 409, "insufficient-stock");

    let unknown = VariantId::parse("var_01J8ZQ5K3N0V7X2Y4T6B8D9FGH00").unwrap();
    let gone = test.goods(&market.seller, 100, 5).await;
    test.change_goods(&gone, |variant| variant.state = ListingState::Archived).await;
    for variant in [&unknown, &gone] {
        let answer = test.refused(put_cart_line::handle, put(variant, 1)).await;
        is(&answer, 409, "not-for-sale");
        assert_eq!(answer.body["variant"], variant.as_str());
    }
    let own = super::tests::put(CartId::of_user(market.seller.id()).as_str(), &market.thing, 1);
    is(&test.refused(put_cart_line::handle, own.by(&market.seller)).await, 422, "own-goods");
}

#[tokio::test]
async fn a_cart_has_fifty_lines_at_most() {
    let market = Market::open().await;
    let mut things = Vec::new();
    for _ in 0..50 {
        things.push(market.test.goods(&market.seller, 100, 5).await);
    }
    let full: Vec<_> = things.iter().map(|thing| (thing, 1)).collect();
    market.test.fill_cart(&market.buyer, &full).await;
    let one_more = put(&market.cart(), &market.thing, 1).by(&market.buyer);
    let answer = market.test.refused(put_cart_line::handle, one_more).await;
    assert_eq!(answer.invalid_fields(), ["/lines: too-many"]);
    let known = put(&market.cart(), &things[0], 2).by(&market.buyer);
    assert_eq!(market.put(known).await.status, 200);
}

#[tokio::test]
async fn a_line_that_cannot_be_bought_any_more_says_so_and_counts_nothing() {
    let market = Market::open().await;
    let gone = market.test.goods(&market.seller, 500, 3).await;
    market.test.fill_cart(&market.buyer, &[(&market.thing, 2), (&gone, 1)]).await;
    market.test.change_goods(&gone, |variant| variant.state = ListingState::Archived).await;
    let rival = market.test.user("eve").await;
    market.test.order(&rival, &[(&market.thing, 9)]).await;
    let shown = market.show().await;
    insta::assert_json_snapshot!("get_cart", shown.body);
    let refused = market.quote(&json!({})).await;
    is(&refused, 409, "not-for-sale");
    assert_eq!(refused.body["variant"], gone.as_str());
}

#[tokio::test]
async fn a_repeated_change_answers_the_same_and_acts_once() {
    let market = Market::open().await;
    let test = &market.test;
    let (cart, other) = (market.cart(), test.goods(&market.seller, 500, 3).await);
    let by = |call: TestCall| call.by(&market.buyer).key("k-1");
    let first = market.put(by(put(&cart, &market.thing, 2))).await;
    assert_eq!(first.status, 200, "{}", first.text);
    market.put(put(&cart, &market.thing, 5).by(&market.buyer)).await;
    drop(test.db.drain_stream());
    assert_eq!(market.put(by(put(&cart, &market.thing, 2))).await, first);
    assert_eq!(test.db.drain_stream(), []);
    for reused in [put(&cart, &market.thing, 3), put(&cart, &other, 2)] {
        is(&test.refused(put_cart_line::handle, by(reused)).await, 422, "idempotency-key-reused");
    }
    assert_eq!(lines(&market.show().await), [(market.thing.to_string(), 5)]);

    let take = || by(line("DELETE", &cart, &market.thing));
    let taken = test.call(delete_cart_line::handle, take()).await;
    assert_eq!(lines(&taken), []);
    market.put(put(&cart, &market.thing, 1).by(&market.buyer)).await;
    assert_eq!(test.call(delete_cart_line::handle, take()).await, taken);
    assert_eq!(lines(&market.show().await), [(market.thing.to_string(), 1)]);
    for bad in ["", "a b", "a#b", &"k".repeat(65)] {
        let call = put(&cart, &market.thing, 2).by(&market.buyer).key(bad);
        let answer = test.refused(put_cart_line::handle, call).await;
        assert_eq!(answer.invalid_fields(), ["idempotency-key: invalid"], "{bad}");
    }
}

#[tokio::test]
async fn nobody_gets_anothers_answer_by_its_key() {
    let market = Market::open().await;
    let test = &market.test;
    let guest = market.guest().await;
    let stranger = test.user("eve").await;
    for (cart, own) in [(market.cart(), None), (guest.id.clone(), Some(&guest))] {
        let mine = |call: TestCall| match own {
            Some(guest) => guest.of(call).key("1"),
            None => call.by(&market.buyer).key("1"),
        };
        assert_eq!(market.put(mine(put(&cart, &market.thing, 2))).await.status, 200);
        let taken = test.call(delete_cart_line::handle, mine(line("DELETE", &cart, &market.thing))).await;
        assert_eq!(taken.status, 200);
        for theirs in [TestCall::key, |call: TestCall, key: &str| call.header("cart-token", "x").key(key)] {
            for call in [put(&cart, &market.thing, 2), put(&cart, &market.thing, 3)] {
                for call in [theirs(call.clone(), "1"), theirs(call, "1").by(&stranger)] {
                    is(&test.refused(put_cart_line::handle, call).await, 404, "not-found");
                }
            }
            let call = theirs(line("DELETE", &cart, &market.thing), "1");
            is(&test.refused(delete_cart_line::handle, call).await, 404, "not-found");
        }
    }
}

#[tokio::test]
async fn signing_in_brings_a_guests_cart_along_and_keeps_the_larger_quantities() {
    let market = Market::open().await;
    let test = &market.test;
    let (more, less) = (test.goods(&market.seller, 500, 9).await, test.goods(&market.seller, 700, 9).await);
    test.fill_cart(&market.buyer, &[(&more, 2), (&less, 5)]).await;
    let guest = market.guest_with(&[(&market.thing, 3), (&more, 4), (&less, 1)]).await;
    let merge = || guest.merge().by(&market.buyer).key("sign-in");
    let merged = test.call(merge_cart::handle, merge()).await;
    insta::assert_json_snapshot!("merge_cart", merged.body);
    let expected = [(more.to_string(), 4), (less.to_string(), 5), (market.thing.to_string(), 3)];
    assert_eq!(lines(&merged), expected);
    is(&test.call(get_cart::handle, guest.of(on("GET", &guest.id))).await, 404, "not-found");

    // Repeated, it answers the same and acts no more; so it does for a client that sends no key.
    market.put(put(&market.cart(), &more, 1).by(&market.buyer)).await;
    assert_eq!(test.call(merge_cart::handle, merge()).await, merged);
    is(&test.refused(merge_cart::handle, guest.merge().by(&market.buyer)).await, 404, "not-found");
    let expected = [(more.to_string(), 1), (less.to_string(), 5), (market.thing.to_string(), 3)];
    assert_eq!(lines(&market.show().await), expected);
    let other = market.guest_with(&[(&market.thing, 3)]).await;
    let reused = other.merge().by(&market.buyer).key("sign-in");
    is(&test.refused(merge_cart::handle, reused).await, 422, "idempotency-key-reused");
}

#[tokio::test]
async fn a_guests_cart_is_merged_once_however_many_try() {
    let market = Market::open().await;
    let test = &market.test;
    let guest = market.guest_with(&[(&market.thing, 3)]).await;
    let rival = test.user("eve").await;
    let merge = |who: &TestUser| test.call(merge_cart::handle, guest.merge().by(who));
    let (one, two) = tokio::join!(merge(&market.buyer), merge(&rival));
    let won = [&one, &two].iter().filter(|answer| answer.status == 200).count();
    assert_eq!(won, 1, "{} {}", one.text, two.text);
    let lost = if one.status == 200 { &two } else { &one };
    assert!(matches!(lost.problem(), "not-found" | "conflict"), "{}", lost.text);
}

#[tokio::test]
async fn a_merge_leaves_out_what_does_not_fit_and_ones_own_goods() {
    let market = Market::open().await;
    let test = &market.test;
    let mut full = Vec::new();
    for _ in 0..50 {
        full.push(test.goods(&market.seller, 100, 5).await);
    }
    test.fill_cart(&market.buyer, &full.iter().map(|thing| (thing, 1)).collect::<Vec<_>>()).await;
    let guest = market.guest_with(&[(&market.thing, 3), (&full[0], 2)]).await;
    let merged = test.call(merge_cart::handle, guest.merge().by(&market.buyer)).await;
    let lines_now = lines(&merged);
    assert_eq!((lines_now.len(), &lines_now[0]), (50, &(full[0].to_string(), 2)));

    let rival = test.seller("eve").await;
    let foreign = test.goods(&rival, 300, 5).await;
    let guest = market.guest_with(&[(&market.thing, 3), (&foreign, 1)]).await;
    let merged = test.call(merge_cart::handle, guest.merge().by(&market.seller)).await;
    assert_eq!(lines(&merged), [(foreign.to_string(), 1)]);
}

#[tokio::test]
async fn only_a_guests_cart_is_merged() {
    let market = Market::open().await;
    market.test.fill_cart(&market.buyer, &[(&market.thing, 1)]).await;
    let own = on("POST", &market.cart()).by(&market.buyer);
    is(&market.test.refused(merge_cart::handle, own).await, 404, "not-found");
}

#[tokio::test]
async fn a_quote_adds_up_goods_shipping_and_tax_of_each_seller() {
    let market = Market::open().await;
    let test = &market.test;
    let other = test.goods(&test.seller("eve").await, 333, 9).await;
    test.fill_cart(&market.buyer, &[(&market.thing, 2), (&other, 3)]).await;
    let address = test.address(&market.buyer).await;
    drop(test.db.drain_stream());
    let quote = market.quote(&json!({"address": address})).await;
    assert_eq!(quote.status, 200, "{}", quote.text);
    insta::assert_json_snapshot!("quote_cart", quote.body);
    assert_eq!(test.db.drain_stream(), [], "a quote is only a look");
    assert_eq!(market.quote(&json!({"address": address})).await.body, quote.body);

    // The hash stands for all that the buyer agrees to.
    let without = market.quote(&json!({})).await;
    assert_eq!((without.status, &without.body["address"]), (200, &Value::Null));
    let elsewhere = market.quote(&json!({"address": test.address(&market.buyer).await})).await;
    test.change_goods(&other, |variant| variant.title = "Another thing".to_owned()).await;
    let renamed = market.quote(&json!({"address": address})).await;
    test.fill_cart(&market.buyer, &[(&market.thing, 2), (&other, 4)]).await;
    let larger = market.quote(&json!({"address": address})).await;
    let hashes = [&quote, &without, &elsewhere, &renamed, &larger].map(|quote| text(quote, "/hash"));
    assert_eq!(hashes.iter().collect::<std::collections::BTreeSet<_>>().len(), 5);
}

#[tokio::test]
async fn a_cart_shows_the_hash_of_its_quote_while_it_can_be_bought() {
    let market = Market::open().await;
    let test = &market.test;
    let other = test.goods(&test.seller("eve").await, 333, 9).await;
    assert_eq!(market.show().await.body.get("quote_hash"), None, "nothing is in it");
    test.fill_cart(&market.buyer, &[(&market.thing, 2), (&other, 3)]).await;
    let shown = text(&market.show().await, "/quote_hash");
    assert_eq!(shown, text(&market.quote(&json!({})).await, "/hash"));
    test.change_goods(&other, |variant| variant.title = "Another thing".to_owned()).await;
    let renamed = text(&market.show().await, "/quote_hash");
    assert_ne!(renamed, shown);
    test.change_goods(&other, |variant| variant.state = ListingState::Archived).await;
    let stale = market.show().await;
    assert_eq!((stale.status, stale.body.get("quote_hash")), (200, None));
}

#[tokio::test]
async fn a_call_without_body_asks_for_a_quote_without_address() {
    let market = Market::open().await;
    let guest = market.guest_with(&[(&market.thing, 1)]).await;
    let answer = market.test.call(quote_cart::handle, guest.of(on("POST", &guest.id))).await;
    assert_eq!((answer.status, &answer.body["totals"]["total"]["amount"]), (200, &json!(2_999)));
}

#[tokio::test]
async fn a_quote_needs_lines_and_an_address_of_the_users_own() {
    let market = Market::open().await;
    let test = &market.test;
    let (own, foreign) = (test.address(&market.buyer).await, test.address(&market.seller).await);
    is(&market.quote(&json!({"address": own})).await, 409, "cart-empty");
    test.fill_cart(&market.buyer, &[(&market.thing, 1)]).await;
    for (body, named) in [
        (json!({"address": foreign}), "/address: unknown"),
        (json!({"address": "adr_01J8ZQ5K3N0V7X2Y4T6B8D9FGH"}), "/address: unknown"),
        (json!({"address": "adr_1"}), "/address: invalid"),
        (json!({"address": ""}), "/address: invalid"),
        (json!({"address": 7}), "/address: wrong-type"),
        (json!({"address": {"city": "Berlin"}}), "/address: wrong-type"),
        (json!({"coupon": "FREE"}), "/coupon: unknown-field"),
    ] {
        let answer = market.quote(&body).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![named.to_owned()]), "{body}");
    }
    // A guest has no address book.
    let guest = market.guest_with(&[(&market.thing, 1)]).await;
    let call = guest.of(on("POST", &guest.id)).json(&json!({"address": own}));
    assert_eq!(test.call(quote_cart::handle, call).await.invalid_fields(), ["/address: unknown"]);
    let unreadable = on("POST", &market.cart()).text("{").by(&market.buyer);
    is(&test.call(quote_cart::handle, unreadable).await, 400, "malformed-request");
}

#[tokio::test]
async fn a_quote_has_fifteen_sellers_at_most() {
    let market = Market::open().await;
    let mut things = vec![market.thing.clone()];
    for n in 0..15 {
        let seller = market.test.seller(&format!("seller{n}")).await;
        things.push(market.test.goods(&seller, 100, 5).await);
    }
    let filled: Vec<_> = things.iter().map(|thing| (thing, 1)).collect();
    market.test.fill_cart(&market.buyer, &filled[..15]).await;
    assert_eq!(market.quote(&json!({})).await.status, 200);
    market.test.fill_cart(&market.buyer, &filled).await;
    assert_eq!(market.quote(&json!({})).await.invalid_fields(), ["/lines: too-many-sellers"]);
}
