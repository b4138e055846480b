//! What came back in stock, from the stream to the mail of who is next in line.

use std::time::Duration;

use serde_json::{Value, json};
use sutler_domain::alert::Alert;
use sutler_runtime::{queue::Sender, worker};
use sutler_services::{alerts, inventory::Count, orders};
use sutler_store::stream::StreamRecord;
use sutler_testkit::{Fault, Operation, Rule, TestUser, nothing};

use super::{Market, deliver, kinds};
use crate::{
    expire_orders,
    hold_for_next::{Holds, handle},
    record_stock_movements::{self, Bookkeeper},
};

impl Market {
    async fn sold_out() -> Self {
        let market = Self::open().await;
        market.count(-10).await;
        drop(market.recorded().await);
        market
    }

    async fn count(&self, delta: i64) {
        let (app, seller, once) = (&self.test.app, self.seller.seller(), self.test.once(nothing));
        let count = Count::Delta(delta);
        sutler_services::inventory::adjust(app, &seller, &self.thing, count, "counted", &once).await.unwrap();
    }

    async fn waits(&self, user: &TestUser) {
        self.test.clock().advance(Duration::from_millis(1));
        let once = self.test.once::<Alert>(nothing);
        alerts::join(&self.test.app, user.id(), &self.thing, &once).await.unwrap();
    }

    fn back_in_stock(&self) -> Sender {
        Sender::new(self.cloud.queue(), "back-in-stock")
    }

    /// Hands what happened to stock to the bookkeeper, as the filter of the template lets it pass, and answers what
    /// came onto the queue.
    async fn recorded(&self) -> Vec<Value> {
        let bookkeeper = Bookkeeper { app: self.test.app.clone(), queue: self.back_in_stock() };
        let changes = self.test.db.drain_stream();
        let stocks: Vec<_> = changes.iter().filter(|change| change.sk.starts_with("STOCK#")).collect();
        let batch = serde_json::from_value(sutler_testkit::lambda_event(stocks)).unwrap();
        let record = |state, records: Vec<StreamRecord>| record_stock_movements::handle(state, records);
        let before = self.cloud.queued().len();
        worker::stream_batch(&bookkeeper, &record, batch).await.unwrap();
        let queued = self.cloud.queued();
        queued[before..].iter().map(|message| serde_json::from_str(&message.body).unwrap()).collect()
    }

    async fn serve(&self, messages: &[Value]) -> Vec<String> {
        let holds = Holds { app: self.test.app.clone(), queue: self.back_in_stock() };
        deliver(&holds, handle, messages).await
    }
}

#[tokio::test]
async fn who_is_next_in_line_gets_one_mail_however_often_the_news_comes() {
    let market = Market::sold_out().await;
    market.waits(&market.buyer).await;
    market.count(1).await;
    let news = market.recorded().await;
    assert_eq!(news, [json!({"variant": market.thing})]);
    assert_eq!(market.serve(&[news[0].clone(), news[0].clone()]).await, [""; 0]);
    let events = market.happened().await;
    assert_eq!(kinds(&events), ["alert.held"]);
    assert_eq!(market.send(&[events[0].clone(), events[0].clone()]).await, [""; 0]);
    let mails = market.cloud.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, market.buyer.user.email.as_str());
    assert_eq!(mails[0].subject, "A thing is back in stock");
    let end = market.test.app.now().plus_seconds(900).in_words();
    assert!(mails[0].text.contains(&end) && mails[0].text.contains(market.thing.product().as_str()));
    // The event names nobody.
    assert!(!events[0].to_string().contains(market.buyer.user.email.as_str()));
    market.test.assert_clean().await;
}

#[tokio::test]
async fn nobody_is_told_of_what_they_have_ordered_or_given_up_meanwhile() {
    let market = Market::sold_out().await;
    market.waits(&market.buyer).await;
    market.count(1).await;
    market.serve(&market.recorded().await).await;
    let events = market.happened().await;
    market.test.order(&market.buyer, &[(&market.thing, 1)]).await;
    assert_eq!(market.send(&events).await, [""; 0]);
    assert!(market.cloud.mails().is_empty());
}

#[tokio::test]
async fn only_units_where_there_were_none_are_news() {
    let market = Market::open().await;
    // Listed, less, more, less, none, and again some.
    for delta in [-4, 2, -3, -5, 6] {
        market.count(delta).await;
    }
    assert_eq!(market.recorded().await.len(), 1);
    market.count(1).await;
    assert_eq!(market.recorded().await, Vec::<Value>::new());
}

#[tokio::test]
async fn units_that_nobody_ordered_in_time_reach_the_next_in_line_by_themselves() {
    let market = Market::sold_out().await;
    let second = market.test.user("eve").await;
    market.waits(&market.buyer).await;
    market.waits(&second).await;
    market.count(1).await;
    market.serve(&market.recorded().await).await;
    for (held, none) in [(&market.buyer, &second), (&second, &market.buyer)] {
        let state = |user: &TestUser| {
            let (app, id) = (market.test.app.clone(), user.id().clone());
            async move { app.store.alerts(&id).await.unwrap().value.first_end().is_some() }
        };
        assert!(state(held).await && !state(none).await);
        market.test.clock().advance(Duration::from_secs(901));
        let swept = serde_json::to_value(expire_orders::handle(&market.test.app).await.unwrap()).unwrap();
        assert_eq!(swept, json!({"released": 0, "holds": 1}));
        market.serve(&market.recorded().await).await;
    }
    assert_eq!(market.test.stock(&market.thing).await, (1, 0, 0));
    market.test.assert_clean().await;
}

#[tokio::test]
async fn an_order_that_is_not_paid_gives_its_unit_to_who_waits() {
    let market = Market::open().await;
    let order = market.test.order(&market.buyer, &[(&market.thing, 10)]).await;
    drop(market.recorded().await);
    let second = market.test.user("eve").await;
    market.waits(&second).await;
    market.test.clock().advance(Duration::from_secs(901));
    assert_eq!(orders::sweep(&market.test.app).await.unwrap(), 1);
    assert_eq!(market.serve(&market.recorded().await).await, [""; 0]);
    assert_eq!(market.test.stock(&market.thing).await, (9, 1, 0));
    assert!(market.test.read_order(&order).await.order.value.state.name().contains("cancelled"));
    market.test.assert_clean().await;
}

#[tokio::test]
async fn a_line_that_takes_long_goes_on_in_the_next_message() {
    let market = Market::sold_out().await;
    let second = market.test.user("eve").await;
    market.waits(&market.buyer).await;
    market.waits(&second).await;
    market.count(1).await;
    market.count(1).await;
    let news = market.recorded().await;
    let slow = Fault::Slow(Duration::from_secs(21));
    market.test.db.fault(Rule::before(Operation::Query, slow));
    let before = market.cloud.queued().len();
    assert_eq!(market.serve(&news).await, [""; 0]);
    assert_eq!(market.test.stock(&market.thing).await, (2, 0, 0));
    let next: Vec<Value> = market.cloud.queued()[before..]
        .iter()
        .map(|message| serde_json::from_str(&message.body).unwrap())
        .collect();
    assert_eq!(next, news);
    assert_eq!(market.serve(&next).await, [""; 0]);
    assert_eq!(market.test.stock(&market.thing).await, (0, 2, 0));
}

#[tokio::test]
async fn news_that_nobody_can_act_on_stays_on_the_queue() {
    let market = Market::sold_out().await;
    market.waits(&market.buyer).await;
    market.count(1).await;
    let news = market.recorded().await;
    market.test.db.fault(Rule::before(Operation::Query, Fault::Throttled).times(20));
    assert_eq!(market.serve(&[news[0].clone(), json!({"variant": "mug"})]).await, ["0", "1"]);
    market.test.db.calm();
    assert_eq!(market.serve(&news).await, [""; 0]);
    assert_eq!(market.test.stock(&market.thing).await, (0, 1, 0));
}
