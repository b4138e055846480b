use std::sync::Arc;

use serde_json::{Value, json};
use sutler_domain::{
    account::Role,
    address_check::{CheckedBy, Checkup, Verdict},
    cart::{Cart, Owner, Quantity},
    ids::{AddressId, CartId, OrderId},
    money::{Currency, Money},
    product::ListingState,
};
use sutler_services::Settings;
use sutler_store::{
    Transaction, carts,
    users::{AddressEntry, address_key},
};
use sutler_testkit::{TestCall, TestUser};

use super::{Market, is, text};
use crate::{claim_orders, get_order, place_order};

#[tokio::test]
async fn an_order_shows_what_was_agreed_and_until_when_it_is_held() {
    let market = Market::open().await;
    let other = market.test.goods(&market.test.seller("eve").await, 333, 9).await;
    let body = market.agreed(&[(&market.thing, 2), (&other, 3)]).await;
    let placed = market.place(&body).await;
    assert_eq!(placed.status, 201, "{}", placed.text);
    insta::assert_json_snapshot!("place_order", placed.body);
    assert_eq!(market.test.stock(&market.thing).await, (8, 2, 0));
    assert_eq!(market.test.stock(&other).await, (6, 3, 0));
    assert_eq!(market.lines_in_cart().await, 0);
    is(&market.refuses(market.placing(&body)).await, 409, "cart-empty");
    market.test.assert_clean().await;
}

#[tokio::test]
async fn only_a_verified_user_places_orders() {
    let market = Market::open().await;
    let test = &market.test;
    let body = market.agreed(&[(&market.thing, 2)]).await;
    let call = TestCall::post("/v1/orders", &body);
    test.needs_token(&market.buyer, place_order::handle, call.clone()).await;
    let unverified = test.unverified("tim").await;
    is(&market.refuses(call.by(&unverified)).await, 403, "email-not-verified");
}

#[tokio::test]
async fn a_guest_places_orders_where_guests_may_buy() {
    let mut market = Market::open().await;
    market.buyer = market.test.guest("tim").await;
    market.address = market.test.address(&market.buyer).await;
    let placed = market.place(&market.agreed(&[(&market.thing, 2)]).await).await;
    assert_eq!(placed.status, 201, "{}", placed.text);
    let order = text(&placed, "/id");
    let get =
        |user: &TestUser| TestCall::get(&format!("/v1/orders/{order}")).parameter("order", &order).by(user);
    assert_eq!(market.test.call(get_order::handle, get(&market.buyer)).await.status, 200);
    let other = market.test.guest("tim").await;
    assert_eq!(
        market.test.call(get_order::handle, get(&other)).await.status,
        404,
        "the same address proves nothing"
    );
    let claim = TestCall::new("POST", "/v1/orders/claim");
    is(
        &market.test.refused(claim_orders::handle, claim.clone().by(&market.buyer)).await,
        403,
        "email-not-verified",
    );
    market.test.needs_token(&market.buyer, claim_orders::handle, claim.clone()).await;
    let body = market.agreed(&[(&market.thing, 1)]).await;
    let off = Settings { guest_checkout: false, ..(*market.test.app.settings).clone() };
    market.test.app.settings = Arc::new(off);
    is(&market.refuses(market.placing(&body)).await, 403, "email-not-verified");
    // What was bought stays, and goes to whoever has proven the address.
    let account = market.test.user("tim").await;
    let claimed = market.test.call(claim_orders::handle, claim.by(&account)).await;
    assert_eq!((claimed.status, &claimed.body), (200, &json!({"orders": 1})));
    assert_eq!(market.test.call(get_order::handle, get(&account)).await.status, 200);
    assert_eq!(market.test.call(get_order::handle, get(&market.buyer)).await.status, 404);
}

#[tokio::test]
async fn anothers_cart_and_address_cannot_be_used() {
    let market = Market::open().await;
    let test = &market.test;
    let body = market.agreed(&[(&market.thing, 2)]).await;
    let (stranger, staff) = (test.user("eve").await, test.staff("root", Role::Admin).await);
    for other in [&stranger, &market.seller, &staff] {
        let call = TestCall::post("/v1/orders", &body).by(other);
        is(&market.refuses(call).await, 404, "not-found");
        let mut theirs = body.clone();
        theirs["address"] = json!(test.address(other).await);
        let answer = market.refuses(market.placing(&theirs)).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec!["/address: unknown".to_owned()]));
    }
    assert_eq!(market.lines_in_cart().await, 1);
}

#[tokio::test]
async fn a_guests_cart_cannot_be_ordered_even_with_its_secret() {
    let market = Market::open().await;
    let (ids, now) = (market.test.app.ids.as_ref(), market.test.app.now());
    let owner = Owner::Guest { token_hash: sutler_services::carts::token_hash("secret") };
    let mut cart = Cart::new(CartId::generate(ids, now), owner, now);
    cart.put(&market.thing, Quantity::try_new(1).unwrap(), now).unwrap();
    let mut transaction = Transaction::new();
    let _guard = carts::create(&mut transaction, &cart).unwrap();
    market.test.app.store.transact(transaction).await.unwrap();
    let mut body = market.agreed(&[(&market.thing, 1)]).await;
    body["cart"] = json!(cart.id);
    let call = market.placing(&body).header("cart-token", "secret");
    is(&market.refuses(call).await, 404, "not-found");
}

#[tokio::test]
async fn bad_orders_name_their_fields() {
    let market = Market::open().await;
    let body = market.agreed(&[(&market.thing, 2)]).await;
    let with = |field: &str, value: Value| {
        let mut body = body.clone();
        body[field] = value;
        body
    };
    let without = |field: &str| {
        let mut body = body.clone();
        body.as_object_mut().unwrap().remove(field);
        body
    };
    for (body, named) in [
        (json!({}), "/cart: missing"),
        (without("cart"), "/cart: missing"),
        (without("address"), "/address: missing"),
        (without("quote"), "/quote: missing"),
        (with("cart", json!("")), "/cart: invalid"),
        (with("cart", json!("crt_1")), "/cart: invalid"),
        (with("cart", json!(7)), "/cart: wrong-type"),
        (with("cart", Value::Null), "/cart: wrong-type"),
        (with("address", json!("adr_1")), "/address: invalid"),
        (with("address", json!({"city": "Berlin"})), "/address: wrong-type"),
        (with("address", json!("adr_01J8ZQ5K3N0V7X2Y4T6B8D9FGH")), "/address: unknown"),
        (with("quote", json!(1)), "/quote: wrong-type"),
        (with("buyer", json!(market.seller.id())), "/buyer: unknown-field"),
        (with("total", json!({"amount": 1, "currency": "USD"})), "/total: unknown-field"),
        (json!("order"), ": wrong-type"),
        (json!(null), ": wrong-type"),
    ] {
        let answer = market.refuses(market.placing(&body)).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![named.to_owned()]), "{body}");
    }
    let unknown = with("cart", json!("crt_01J8ZQ5K3N0V7X2Y4T6B8D9FGH"));
    is(&market.refuses(market.placing(&unknown)).await, 404, "not-found");
    for (text, status, problem) in [
        (String::new(), 400, "malformed-request"),
        ("{\"cart\":".to_owned(), 400, "malformed-request"),
        (format!("{body}{body}"), 400, "malformed-request"),
        (format!("{body}{}", " ".repeat(64 * 1_024)), 413, "too-large"),
    ] {
        is(&market.refuses(market.placing(&body).text(&text)).await, status, problem);
    }
    assert_eq!(market.place(&body).await.status, 201);
}

#[tokio::test]
async fn a_quote_that_is_not_todays_is_answered_with_the_new_one() {
    let market = Market::open().await;
    let body = market.agreed(&[(&market.thing, 2)]).await;
    let mut forged = body.clone();
    forged["quote"] = json!("");
    is(&market.refuses(market.placing(&forged)).await, 409, "quote-changed");

    let dearer = Money::try_new(2_099, Currency::Usd).unwrap();
    market.test.change_goods(&market.thing, |variant| variant.price = dearer).await;
    let refused = market.refuses(market.placing(&body).key("k-1")).await;
    insta::assert_json_snapshot!("place_order_quote_changed", refused.body);
    let mut again = body.clone();
    again["quote"] = json!(text(&refused, "/quote/hash"));
    // A refusal is not remembered, so the key is still free.
    let call = market.placing(&again).key("k-1");
    let placed = market.test.call(place_order::handle, call).await;
    assert_eq!((placed.status, &placed.body["totals"]), (201, &refused.body["quote"]["totals"]));
}

#[tokio::test]
async fn what_is_not_for_sale_any_more_is_named() {
    let market = Market::open().await;
    let gone = market.test.goods(&market.seller, 500, 3).await;
    let body = market.agreed(&[(&market.thing, 2), (&gone, 1)]).await;
    market.test.change_goods(&gone, |variant| variant.state = ListingState::Archived).await;
    let refused = market.refuses(market.placing(&body)).await;
    is(&refused, 409, "not-for-sale");
    assert_eq!(refused.body["variant"], gone.as_str());
    assert_eq!(market.test.stock(&market.thing).await, (10, 0, 0));
}

#[tokio::test]
async fn every_line_that_is_short_is_named_and_none_is_reserved() {
    let market = Market::open().await;
    let test = &market.test;
    let (scarce, last) = (test.goods(&market.seller, 500, 3).await, test.goods(&market.seller, 700, 1).await);
    let body = market.agreed(&[(&scarce, 3), (&market.thing, 2), (&last, 1)]).await;
    let rival = test.user("eve").await;
    test.order(&rival, &[(&scarce, 2), (&last, 1)]).await;
    let refused = market.refuses(market.placing(&body)).await;
    is(&refused, 409, "insufficient-stock");
    let shortages = json!([
        {"variant": scarce, "requested": 3, "available": 1},
        {"variant": last, "requested": 1, "available": 0},
    ]);
    assert_eq!(refused.body["shortages"], shortages);
    assert_eq!(test.stock(&market.thing).await, (10, 0, 0));
    assert_eq!(market.lines_in_cart().await, 3);
    test.assert_clean().await;
}

#[tokio::test]
async fn nobody_orders_their_own_goods() {
    let market = Market::open().await;
    let test = &market.test;
    let seller: &TestUser = &market.seller;
    let (cart, address) = (test.fill_cart(seller, &[(&market.thing, 1)]).await, test.address(seller).await);
    let quote = test.quote_hash(seller, &cart, &address).await;
    let body = json!({"cart": cart, "address": address, "quote": quote});
    is(&market.refuses(TestCall::post("/v1/orders", &body).by(seller)).await, 422, "own-goods");
}

#[tokio::test]
async fn a_repeated_order_is_one_order_and_its_key_fits_nothing_else() {
    let market = Market::open().await;
    let test = &market.test;
    let body = market.agreed(&[(&market.thing, 2)]).await;
    let first = test.call(place_order::handle, market.placing(&body).key("k-1")).await;
    assert_eq!(first.status, 201, "{}", first.text);
    drop(test.db.drain_stream());
    let again = test.call(place_order::handle, market.placing(&body).key("k-1")).await;
    assert_eq!(again, first);
    assert_eq!(test.db.drain_stream(), []);
    let other = market.agreed(&[(&market.thing, 1)]).await;
    let reused = market.refuses(market.placing(&other).key("k-1")).await;
    is(&reused, 422, "idempotency-key-reused");
    for bad in ["", "a b", "a#b", "é", &"k".repeat(65)] {
        let answer = market.refuses(market.placing(&other).key(bad)).await;
        assert_eq!(answer.invalid_fields(), ["idempotency-key: invalid"], "{bad}");
    }
    assert_eq!(test.stock(&market.thing).await, (8, 2, 0));
}

#[tokio::test]
async fn the_same_key_of_another_user_is_another_key() {
    let market = Market::open().await;
    let test = &market.test;
    let body = market.agreed(&[(&market.thing, 2)]).await;
    let first = test.call(place_order::handle, market.placing(&body).key("k-1")).await;
    let rival = test.user("eve").await;
    let copied = TestCall::post("/v1/orders", &body).by(&rival).key("k-1");
    is(&market.refuses(copied).await, 404, "not-found");
    let (cart, address) = (test.fill_cart(&rival, &[(&market.thing, 1)]).await, test.address(&rival).await);
    let quote = test.quote_hash(&rival, &cart, &address).await;
    let own = json!({"cart": cart, "address": address, "quote": quote});
    let second =
        test.call(place_order::handle, TestCall::post("/v1/orders", &own).by(&rival).key("k-1")).await;
    assert_eq!((first.status, second.status), (201, 201), "{}", second.text);
    assert_ne!(text(&first, "/id"), text(&second, "/id"));
    assert_eq!(test.stock(&market.thing).await, (7, 3, 0));
}

#[tokio::test]
async fn parallel_repetitions_are_one_order() {
    let market = Market::open().await;
    let body = market.agreed(&[(&market.thing, 2)]).await;
    let place = || market.test.call(place_order::handle, market.placing(&body).key("k-1"));
    let (one, two) = tokio::join!(place(), place());
    assert_eq!((one.status, &one.body), (201, &two.body), "{}", two.text);
    assert_eq!(market.test.stock(&market.thing).await, (8, 2, 0));

    // Without a key the cart itself makes sure: it is ordered as it was read, or not at all.
    let body = market.agreed(&[(&market.thing, 3)]).await;
    let (one, two) = tokio::join!(market.place(&body), market.place(&body));
    let (won, lost) = if one.status == 201 { (one, two) } else { (two, one) };
    assert_eq!(won.status, 201, "{}", won.text);
    assert!(matches!(lost.problem(), "conflict" | "cart-empty"), "{}", lost.text);
    assert_eq!(market.test.stock(&market.thing).await, (5, 5, 0));
    assert!(OrderId::parse(&text(&won, "/id")).is_ok());
    market.test.assert_clean().await;
}

#[tokio::test]
async fn an_address_that_goods_do_not_arrive_at_fails_before_stock_is_reserved() {
    let market = Market::open().await;
    let test = &market.test;
    let entry = test.app.store.address(market.buyer.id(), &market.address).await.unwrap().unwrap();
    let kept = |change: fn(&mut AddressEntry)| {
        let id = AddressId::generate(test.app.ids.as_ref(), test.app.now());
        let mut entry = AddressEntry { id, ..entry.clone() };
        change(&mut entry);
        entry
    };
    let check = |entry: &mut AddressEntry, confirmed| {
        let (verdict, checked_by, at) = (Verdict::Fix, CheckedBy::Google, entry.created_at);
        entry.check = Some(Checkup { verdict, checked_by, confirmed, coordinates: None, at });
    };
    // Stored before there was the rule that it breaks.
    let of_old = kept(|entry| entry.address.postal_code = "1011".to_owned());
    let mut unconfirmed = kept(|_| ());
    check(&mut unconfirmed, false);
    for (entry, named) in [(of_old, "/address: invalid"), (unconfirmed, "/address: not-confirmed")] {
        test.put(address_key(market.buyer.id(), &entry.id), "address", &entry).await;
        let cart = test.fill_cart(&market.buyer, &[(&market.thing, 2)]).await;
        let quote = test.quote_hash(&market.buyer, &cart, &entry.id).await;
        let body = json!({"cart": cart, "address": entry.id, "quote": quote});
        let refused = market.refuses(market.placing(&body)).await;
        assert_eq!((refused.status, refused.invalid_fields()), (422, vec![named.to_owned()]));
        assert_eq!(test.stock(&market.thing).await, (10, 0, 0));
    }
    let mut confirmed = kept(|_| ());
    check(&mut confirmed, true);
    test.put(address_key(market.buyer.id(), &confirmed.id), "address", &confirmed).await;
    let cart = test.fill_cart(&market.buyer, &[(&market.thing, 2)]).await;
    let quote = test.quote_hash(&market.buyer, &cart, &confirmed.id).await;
    let body = json!({"cart": cart, "address": confirmed.id, "quote": quote});
    test.db.reset_meter();
    assert_eq!(market.place(&body).await.status, 201);
    assert!(test.db.meter().round_trips() <= 4, "the token's key, and three for the order");
}
