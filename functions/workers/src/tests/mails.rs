//! From the queue to the mail service.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use sutler_domain::{
    ids::{OrderId, ReturnId, VariantId},
    order::Units,
    password::Registration,
    payment::RefundReason,
    product::OptionValue,
    refund::Destination,
};
use sutler_services::{
    identity::{self, Visitor},
    orders,
    refunds::{self, RefundOf, RefundWish},
    returns::{self, Decider},
};
use sutler_store::{
    Expression,
    catalog::variant_key,
    codec::{text, value},
};
use sutler_testkit::{Fault, Logs, Operation, Rule, Stage, nothing};

use super::{Market, deliver, kinds};
use crate::send_mail::{self, Post};

/// Long enough for the claim of a worker that died to lapse.
const LEASE: Duration = Duration::from_secs(61);

impl Market {
    fn post(&self) -> Post {
        Post { app: self.test.app.clone(), mailer: Arc::new(self.cloud.mailer()) }
    }

    pub(super) async fn send(&self, events: &[Value]) -> Vec<String> {
        deliver(&self.post(), send_mail::handle, events).await
    }

    fn recipients(&self) -> Vec<String> {
        self.cloud.mails().into_iter().map(|mail| mail.to).collect()
    }

    async fn rename(&self, variant: &VariantId, title: &str, seller_name: &str) {
        let options = [OptionValue { name: "size".to_owned(), value: "M & L".to_owned() }];
        let named = Expression::when("attribute_exists(#pk)")
            .then("SET #title = :title, #seller_name = :name, #options = :options")
            .with(":title", text(title))
            .with(":options", value(&options).unwrap())
            .with(":name", text(seller_name));
        self.test.app.store.update(&variant_key(variant), &named).await.unwrap();
    }

    async fn order_at(&self, stage: Stage) -> OrderId {
        self.test.order_at(stage, &self.buyer, &self.seller, &[(&self.thing, 1)]).await
    }

    /// An order of two sellers that was paid: an event with three letters.
    async fn sale_of_two(&self) -> Value {
        let rival = self.test.seller("eve").await;
        let other = self.test.goods(&rival, 333, 10).await;
        let order = self.test.order(&self.buyer, &[(&self.thing, 2), (&other, 3)]).await;
        self.test.pay(&self.buyer, &order).await;
        let events = self.happened().await;
        assert_eq!(kinds(&events), ["order.placed", "order.paid"]);
        events.into_iter().nth(1).unwrap()
    }

    /// All mails since the last look as one text, without what differs from run to run.
    fn shown(&self, hidden: &[(&str, &str)]) -> String {
        let show = |mail: sutler_gateways::mail::Mail| {
            format!("To: {}\nSubject: {}\n\n{}\n{}\n", mail.to, mail.subject, mail.text, mail.html)
        };
        let all: Vec<String> = self.cloud.mails().into_iter().map(show).collect();
        let all = all.join("\n----\n\n");
        hidden.iter().fold(all, |text, (found, shown)| text.replace(found, shown))
    }
}

async fn register(market: &Market) -> Value {
    let new = Registration::parse("tim@example.com", "tim", "correct horse battery staple").unwrap();
    identity::register(&market.test.app, &Visitor::default(), &new).await.unwrap();
    market.happened().await.remove(0)
}

#[tokio::test]
async fn a_new_account_gets_a_code_that_works() {
    let market = Market::open().await;
    let event = register(&market).await;
    assert!(market.send(&[event]).await.is_empty());
    let mail = market.cloud.mails().remove(0);
    let (_, token) = mail.text.split_once("?token=").unwrap();
    let token = token.trim();
    insta::assert_snapshot!("verification", market.shown(&[(token, "[token]")]));
    identity::verify_email(&market.test.app, token).await.unwrap();
}

#[tokio::test]
async fn whoever_is_verified_gets_no_code() {
    let market = Market::open().await;
    let event = register(&market).await;
    market.send(std::slice::from_ref(&event)).await;
    let mail = market.cloud.mails().remove(0);
    let (_, token) = mail.text.split_once("?token=").unwrap();
    identity::verify_email(&market.test.app, token.trim()).await.unwrap();
    let mut again = event;
    again["detail"]["event_id"] = json!("evt_another");
    assert!(market.send(&[again]).await.is_empty());
    assert_eq!(market.cloud.mails().len(), 1);
}

#[tokio::test]
async fn a_sale_is_told_to_the_buyer_and_to_each_seller_with_their_part_alone() {
    let market = Market::open().await;
    let rival = market.test.seller("eve").await;
    let other = market.test.goods(&rival, 333, 10).await;
    market.rename(&market.thing, "<script>alert('x')</script>", "Ada & Daughters").await;
    market.rename(&other, "Grüße \"aus\" 東京", "O'Neil").await;
    let order = market.test.order(&market.buyer, &[(&market.thing, 2), (&other, 3)]).await;
    market.test.pay(&market.buyer, &order).await;
    let events = market.happened().await;
    assert!(market.send(&events).await.is_empty());
    insta::assert_snapshot!("sale", market.shown(&[(order.as_str(), "[order]")]));
    let mails = market.cloud.mails();
    assert!(mails.iter().all(|mail| !mail.html.contains("<script>")));
    assert!(mails.iter().all(|mail| !mail.text.is_empty() && mail.html.starts_with("<!doctype html>")));
    let to_rival = mails.iter().find(|mail| mail.to == "eve@example.com").unwrap();
    assert!(to_rival.text.contains("東京") && !to_rival.text.contains("script"));
    assert!(!to_rival.text.contains("bob"), "a seller learns nothing of the buyer by mail");
}

#[tokio::test]
async fn a_shipment_names_carrier_and_number() {
    let market = Market::open().await;
    let order = market.order_at(Stage::InTransit).await;
    let events = market.happened().await;
    assert_eq!(kinds(&events), ["order.placed", "order.paid", "part.shipped"]);
    assert!(market.send(&events[2..]).await.is_empty());
    insta::assert_snapshot!("shipment", market.shown(&[(order.as_str(), "[order]")]));
}

#[tokio::test]
async fn a_cancelled_order_says_why_it_ended() {
    let market = Market::open().await;
    let given_up = market.order_at(Stage::Cancelled).await;
    let expired = market.order_at(Stage::AwaitingPayment).await;
    market.test.clock().advance(Duration::from_secs(901));
    assert_eq!(orders::sweep(&market.test.app).await.unwrap(), 1);
    let events = market.happened().await;
    let cancelled: Vec<Value> =
        events.into_iter().filter(|event| event["detail-type"] == "order.cancelled").collect();
    assert!(market.send(&cancelled).await.is_empty());
    let hidden = [(given_up.as_str(), "[given up]"), (expired.as_str(), "[expired]")];
    insta::assert_snapshot!("cancelled", market.shown(&hidden));
}

#[tokio::test]
async fn a_refund_says_how_much_and_why() {
    let market = Market::open().await;
    let order = market.order_at(Stage::Refunded).await;
    let events = market.happened().await;
    assert_eq!(kinds(&events), ["order.placed", "order.paid", "order.refunded", "payment.refund_requested"]);
    assert_eq!(market.send(&events[2..]).await, Vec::<String>::new());
    // The seller is not to send anything; the buyer hears when the provider has given the money back.
    assert_eq!(market.recipients(), ["ada@example.com"]);
    let mut told = events[3].clone();
    told["detail-type"] = json!("payment.refunded");
    told["detail"]["event"]["type"] = json!("payment.refunded");
    for (reason, destination) in [
        (RefundReason::Cancelled, "card"),
        (RefundReason::NotSent, "card"),
        (RefundReason::Returned, "wallet"),
        (RefundReason::Goodwill, "wallet"),
        (RefundReason::Late, "card"),
        (RefundReason::Second, "card"),
        (RefundReason::Mismatch, "card"),
    ] {
        told["detail"]["event"]["data"]["reason"] = serde_json::to_value(reason).unwrap();
        told["detail"]["event"]["data"]["destination"] = json!(destination);
        told["detail"]["event_id"] = json!(format!("evt_{reason:?}"));
        assert!(market.send(std::slice::from_ref(&told)).await.is_empty());
    }
    insta::assert_snapshot!("refunds", market.shown(&[(order.as_str(), "[order]")]));
}

#[tokio::test]
async fn whoever_has_to_know_of_cancelled_units_and_returns_is_told() {
    let market = Market::open().await;
    market.rename(&market.thing, "A <b>thing</b>", "Ada & Daughters").await;
    let order = market.test.order(&market.buyer, &[(&market.thing, 4)]).await;
    market.test.pay(&market.buyer, &order).await;
    drop(market.happened().await);
    let (app, buyer, seller) = (&market.test.app, market.buyer.id(), market.seller.id());
    let some = |quantity| vec![Units { variant: market.thing.clone(), quantity }];
    orders::cancel(app, &order, buyer, Some(&some(1)), &market.test.once(nothing)).await.unwrap();
    let of = RefundOf::Part { seller: None, lines: some(1), amount: None };
    let wish = RefundWish { by: seller.clone(), staff: false, of, destination: Destination::Wallet };
    refunds::refund(app, &order, &wish, &market.test.once(nothing)).await.unwrap();
    market.test.ship(&market.seller, &order).await;
    market.test.deliver(&market.buyer, &market.seller, &order).await;
    let decider = Decider { by: seller.clone(), staff: false };
    for number in 1..=2 {
        let back = some(1);
        returns::request(app, &order, buyer, (&back, "Too <small>"), &market.test.once(nothing))
            .await
            .unwrap();
        let id = ReturnId::of(&order, 0, number).unwrap();
        if number == 1 {
            returns::reject(app, &id, &decider, &market.test.once(nothing)).await.unwrap();
        } else {
            returns::approve(app, &id, &decider, &market.test.once(nothing)).await.unwrap();
            let how = (back.as_slice(), Destination::Card);
            returns::receive(app, &id, seller, how, &market.test.once(nothing)).await.unwrap();
        }
    }
    let events = market.happened().await;
    let expected = [
        "part.units_cancelled",
        "payment.refund_requested",
        "part.units_cancelled",
        "payment.refunded",
        "part.shipped",
        "part.delivered",
        "order.completed",
        "return.requested",
        "return.rejected",
        "return.requested",
        "return.approved",
        "return.received",
        "payment.refund_requested",
    ];
    assert_eq!(kinds(&events), expected);
    assert!(market.send(&events).await.is_empty());
    insta::assert_snapshot!("returns", market.shown(&[(order.as_str(), "[order]")]));
    assert!(market.cloud.mails().iter().all(|mail| !mail.html.contains("<small>")));
    market.test.assert_clean().await;
}

#[tokio::test]
async fn an_event_that_comes_twice_is_one_mail() {
    let market = Market::open().await;
    let sale = market.sale_of_two().await;
    let twice = [sale.clone(), sale.clone()];
    assert!(market.send(&twice).await.is_empty());
    assert!(market.send(&[sale]).await.is_empty());
    assert_eq!(market.recipients(), ["bob@example.com", "ada@example.com", "eve@example.com"]);
}

#[tokio::test]
async fn an_event_that_comes_twice_at_once_is_one_mail() {
    let market = Market::open().await;
    let sale = [market.sale_of_two().await];
    let (one, two, three) = tokio::join!(market.send(&sale), market.send(&sale), market.send(&sale));
    assert_eq!(market.recipients(), ["bob@example.com", "ada@example.com", "eve@example.com"]);
    let kept = [one, two, three].iter().filter(|kept| kept.is_empty()).count();
    assert!(kept >= 1, "one of them sends, and the queue keeps the others until it has");
    assert!(market.send(&sale).await.is_empty());
    assert_eq!(market.recipients().len(), 3);
}

#[tokio::test]
async fn a_mail_that_the_service_did_not_take_is_sent_later_and_the_others_are_not_repeated() {
    for taken in 0..3 {
        let market = Market::open().await;
        let sale = [market.sale_of_two().await];
        for _ in 0..taken {
            market.cloud.pass();
        }
        market.cloud.fail(503);
        assert_eq!(market.send(&sale).await, ["0"]);
        assert_eq!(market.recipients().len(), taken);
        assert_eq!(market.send(&sale).await, ["0"], "not before the claim has lapsed");
        market.test.clock().advance(LEASE);
        assert!(market.send(&sale).await.is_empty());
        assert_eq!(market.recipients(), ["bob@example.com", "ada@example.com", "eve@example.com"]);
    }
}

#[tokio::test]
async fn a_worker_that_dies_sends_a_mail_twice_rather_than_never() {
    let market = Market::open().await;
    let sale = [market.sale_of_two().await];
    // The note that the first mail was sent never arrives.
    let never = Rule::before(Operation::UpdateItem, Fault::Dropped).touching("#0").times(100);
    market.test.db.fault(never);
    assert_eq!(market.send(&sale).await, ["0"]);
    market.test.db.calm();
    market.test.clock().advance(LEASE);
    assert!(market.send(&sale).await.is_empty());
    let expected = ["bob@example.com", "bob@example.com", "ada@example.com", "eve@example.com"];
    assert_eq!(market.recipients(), expected);
}

#[tokio::test]
async fn lost_answers_of_the_database_repeat_no_mail() {
    let market = Market::open().await;
    let sale = [market.sale_of_two().await];
    market.test.db.fault(Rule::after(Operation::TransactWriteItems, Fault::Dropped).times(2));
    market.test.db.fault(Rule::after(Operation::UpdateItem, Fault::TimedOut).times(3));
    assert!(market.send(&sale).await.is_empty());
    assert_eq!(market.recipients().len(), 3);
}

#[tokio::test]
async fn a_mail_that_is_refused_for_good_holds_up_no_other() {
    let market = Market::open().await;
    let sale = [market.sale_of_two().await];
    market.cloud.fail(400);
    let logs = Logs::capture();
    assert!(market.send(&sale).await.is_empty());
    assert_eq!(market.recipients(), ["ada@example.com", "eve@example.com"]);
    let text = logs.text();
    let gave_up = text.lines().find(|line| line.contains("Gave up a mail")).unwrap();
    for cause in ["the mail service refused the mail", "service error", "InternalFailure", "evt_"] {
        assert!(gave_up.contains(cause), "{gave_up}");
    }
    assert!(!text.contains("bob@"), "{text}");
}

#[tokio::test]
async fn an_unreadable_message_is_kept_and_the_others_are_sent() {
    let market = Market::open().await;
    let sale = market.sale_of_two().await;
    let mut unknown = sale.clone();
    unknown["detail"]["event"]["type"] = json!("order.teleported");
    let mut lost = sale.clone();
    lost["detail"]["aggregate"] = json!("ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH");
    lost["detail"]["event_id"] = json!("evt_lost");
    let logs = Logs::capture();
    let kept = market.send(&[json!("no json"), unknown, sale, lost, json!({})]).await;
    assert_eq!(kept, ["0", "1", "3", "4"]);
    assert_eq!(market.recipients().len(), 3);
    let text = logs.text();
    assert_eq!(text.matches("Message failed").count(), 4, "{text}");
    assert!(text.contains("order.teleported"), "the log says what was wrong: {text}");
}

#[tokio::test]
async fn the_log_of_a_mail_names_its_event_and_nobody() {
    let market = Market::open().await;
    let events = [register(&market).await, market.sale_of_two().await];
    let logs = Logs::capture();
    assert!(market.send(&events).await.is_empty());
    market.cloud.fail(503);
    market.test.clock().advance(LEASE);
    let mut again = events[1].clone();
    again["detail"]["event_id"] = json!("evt_again");
    assert_eq!(market.send(&[again]).await, ["0"]);
    let text = logs.text();
    assert!(text.contains(events[1]["detail"]["event_id"].as_str().unwrap()), "{text}");
    for personal in ["example.com", "tim,", "bob", "Lovelace", "token"] {
        assert!(!text.contains(personal), "{personal}: {text}");
    }
}
