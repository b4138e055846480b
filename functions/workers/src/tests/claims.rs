//! What guests bought, after somebody has proven their address.

use sutler_services::identity;
use sutler_testkit::{Fault, Operation, Rule};

use super::{Market, deliver, kinds};
use crate::claim_guest_orders;

#[tokio::test]
async fn proving_an_address_brings_what_was_bought_as_a_guest() {
    let market = Market::open().await;
    let test = &market.test;
    let guest = test.guest("tim").await;
    let order = test.order(&guest, &[(&market.thing, 2)]).await;
    let account = test.unverified("tim").await;
    let mail = identity::issue_verification(&test.app, account.id()).await.unwrap().unwrap();
    market.happened().await;
    identity::verify_email(&test.app, &mail.token).await.unwrap();
    let events = market.happened().await;
    assert_eq!(kinds(&events), ["user.verified"]);
    // The queue hands messages over more than once, and things that are none of its business.
    test.order(&market.buyer, &[(&market.thing, 1)]).await;
    let foreign = market.happened().await;
    let all: Vec<_> = events.iter().chain(&events).chain(&foreign).cloned().collect();
    assert_eq!(deliver(&test.app, claim_guest_orders::handle, &all).await, [""; 0]);
    assert_eq!(test.read_order(&order).await.order.value.buyer, *account.id());
    assert_eq!(kinds(&market.happened().await), ["order.claimed"]);
    test.assert_clean().await;
}

#[tokio::test]
async fn a_claim_waits_in_the_queue_while_the_database_is_away() {
    let market = Market::open().await;
    let test = &market.test;
    let guest = test.guest("tim").await;
    let order = test.order(&guest, &[(&market.thing, 2)]).await;
    let account = test.unverified("tim").await;
    let mail = identity::issue_verification(&test.app, account.id()).await.unwrap().unwrap();
    market.happened().await;
    identity::verify_email(&test.app, &mail.token).await.unwrap();
    let events = market.happened().await;
    for operation in [Operation::GetItem, Operation::TransactWriteItems] {
        let rule = Rule::before(operation, Fault::Dropped);
        test.db.fault(rule.times(50));
        assert_eq!(deliver(&test.app, claim_guest_orders::handle, &events).await, ["0"]);
        test.db.calm();
    }
    assert_eq!(deliver(&test.app, claim_guest_orders::handle, &events).await, [""; 0]);
    assert_eq!(test.read_order(&order).await.order.value.buyer, *account.id());
}
