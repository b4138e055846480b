//! The history of stock against whoever may write the table.
#![expect(clippy::expect_used, reason = "a test fails by stopping")]

use sutler_domain::{
    ids::{OrderId, SellerId, VariantId},
    movement::{ChainError, Movement},
    shards::{FIRST_SHARD, Shift},
    stock::StockOp,
};
use sutler_services::{
    chains::{Audit, ChainId, Reads, verify_all, verify_chain, verify_variant},
    inventory::{StockChange, record_movements},
};
use sutler_store::{
    Expression, Key, Table, Transaction, Version,
    codec::{encode, number, text},
    movements::StockImage,
    stock,
    stream::StreamRecord,
};
use sutler_testkit::{TestApp, TestUser};

const MANY: u32 = 1_000;

/// A shop with one thing, whose stock moves.
struct Warehouse {
    test: TestApp,
    owner: TestUser,
    thing: VariantId,
    order: OrderId,
}

impl Warehouse {
    async fn open() -> Self {
        let test = TestApp::new().await;
        let owner = test.seller("ada").await;
        let thing = test.goods(&owner, 1_999, 10).await;
        let order = OrderId::generate(&*test.app.ids, test.app.now());
        Self { test, owner, thing, order }
    }

    /// One with six movements, all of them recorded.
    async fn busy() -> Self {
        let shop = Self::open().await;
        for (op, units) in [
            (StockOp::Reserve, 2),
            (StockOp::Reserve, 3),
            (StockOp::Release, 2),
            (StockOp::Commit, 3),
            (StockOp::Ship, 1),
        ] {
            shop.moves(FIRST_SHARD, op, units).await;
        }
        shop.record().await;
        shop
    }

    async fn moves(&self, shard: u8, op: StockOp, units: u32) {
        let (key, change) = stock::moved(op, &self.thing, shard, units, self.order.as_str());
        self.test.app.store.update(&key, &change).await.expect("the units are there");
    }

    /// What the stream does.
    async fn record(&self) {
        let stocks = self.test.db.drain_stream().into_iter().filter(|change| change.sk.starts_with("STOCK#"));
        let read = |record: serde_json::Value| {
            let record: StreamRecord = serde_json::from_value(record).expect("a record");
            let after: StockImage = record.new_image().expect("stock").expect("an image");
            StockChange { before: record.old_image().expect("stock"), after, at: self.test.app.now() }
        };
        let changes = stocks.map(|change| read(change.record)).collect();
        record_movements(&self.test.app, changes).await.expect("the movements are recorded");
    }

    fn chain(&self, shard: u8) -> ChainId {
        ChainId { variant: self.thing.clone(), shard }
    }

    fn link(&self, number: u64) -> Key {
        Key::new(Table::Commerce, format!("MOVES#{}", self.thing), format!("MOVE#{number:012}"))
    }

    async fn movement(&self, number: u64) -> Movement {
        let found = self.test.app.store.movement(&self.chain(FIRST_SHARD), number).await;
        found.expect("an answer").expect("a movement")
    }

    /// Writes `movement` over the link of this number, as only somebody beside the application can.
    async fn overwrite(&self, number: u64, movement: &Movement) {
        let item = encode(&self.link(number), "movement", Version::FIRST, movement).expect("an item");
        let mut transaction = Transaction::new();
        transaction.put(
            self.link(number),
            item,
            Expression::when("attribute_exists(#pk) OR attribute_not_exists(#pk)"),
        );
        self.test.app.store.transact(transaction).await.expect("written");
    }

    async fn remove(&self, number: u64) {
        let mut transaction = Transaction::new();
        transaction.delete(self.link(number), Expression::when("attribute_exists(#pk)"));
        self.test.app.store.transact(transaction).await.expect("removed");
    }

    async fn audit(&self) -> Audit {
        let all = verify_all(&self.test.app, Reads::at_most(MANY)).await.expect("an audit");
        let one = verify_variant(&self.test.app, &self.thing, Reads::at_most(MANY)).await.expect("an audit");
        assert_eq!(all, one, "both ways find the same");
        all
    }

    /// The audit names exactly this.
    async fn breaks_at(&self, number: u64, error: ChainError) {
        let audit = self.audit().await;
        assert_eq!(audit.broken, [(self.chain(FIRST_SHARD), number, error)]);
        assert!(!audit.is_clean() && audit.complete);
    }
}

#[tokio::test]
async fn a_chain_that_nobody_touched_holds() {
    let shop = Warehouse::busy().await;
    drop(shop.test.db.drain_stream());
    let expected = Audit { chains: 1, movements: 6, complete: true, ..Audit::default() };
    assert_eq!(shop.audit().await, expected);
    assert!(expected.is_clean());
    assert_eq!(shop.test.db.drain_stream(), [], "a check changes nothing");
}

#[tokio::test]
async fn a_changed_quantity_is_found_whether_it_was_sealed_anew_or_not() {
    let shop = Warehouse::busy().await;
    let fourth = shop.movement(4).await;
    shop.overwrite(4, &Movement { quantity: 1, ..fourth.clone() }).await;
    shop.breaks_at(4, ChainError::Hash).await;
    let resealed = Movement { quantity: 1, ..fourth.clone() }.sealed(&fourth.prev_hash);
    shop.overwrite(4, &resealed).await;
    shop.breaks_at(4, ChainError::Operation).await;
    // One that is plausible by itself breaks the next.
    let mut plausible = Movement { quantity: 1, ..fourth.clone() };
    plausible.after = plausible.before.after(plausible.op, 1).expect("enough units");
    shop.overwrite(4, &plausible.sealed(&fourth.prev_hash)).await;
    shop.breaks_at(5, ChainError::Hash).await;
    shop.overwrite(4, &fourth).await;
    assert!(shop.audit().await.is_clean());
}

#[tokio::test]
async fn a_chain_that_was_written_anew_from_somewhere_on_does_not_end_where_the_stock_is() {
    let shop = Warehouse::busy().await;
    let mut last = shop.movement(4).await;
    for number in 5..=6 {
        let mut forged = shop.movement(number).await;
        forged.reference = "somebody else".to_owned();
        forged.before = last.after;
        forged.quantity = if number == 6 { 2 } else { forged.quantity };
        forged.after = forged.before.after(forged.op, forged.quantity).expect("enough units");
        last = forged.sealed(&last.hash);
        shop.overwrite(number, &last).await;
    }
    shop.breaks_at(6, ChainError::Quantities).await;
}

#[tokio::test]
async fn a_removed_link_is_found_in_its_place() {
    for number in [1, 3, 5] {
        let shop = Warehouse::busy().await;
        shop.remove(number).await;
        shop.breaks_at(number, ChainError::Gap).await;
    }
}

#[tokio::test]
async fn a_swapped_pair_is_found_at_its_first() {
    let shop = Warehouse::busy().await;
    let (second, third) = (shop.movement(2).await, shop.movement(3).await);
    shop.overwrite(2, &third).await;
    shop.overwrite(3, &second).await;
    shop.breaks_at(2, ChainError::Gap).await;
    // With numbers and seals that fit their new places.
    let first = shop.movement(1).await;
    let swapped = Movement { number: 2, ..third }.sealed(&first.hash);
    shop.overwrite(2, &swapped).await;
    shop.overwrite(3, &Movement { number: 3, ..second }.sealed(&swapped.hash)).await;
    shop.breaks_at(2, ChainError::Quantities).await;
}

#[tokio::test]
async fn a_movement_that_the_stock_never_made_is_found() {
    let shop = Warehouse::busy().await;
    let sixth = shop.movement(6).await;
    let mut invented =
        Movement { number: 7, op: StockOp::Remove, quantity: 1, before: sixth.after, ..sixth.clone() };
    invented.after = invented.before.after(StockOp::Remove, 1).expect("a unit");
    shop.overwrite(7, &invented.sealed(&sixth.hash)).await;
    shop.breaks_at(7, ChainError::Ahead).await;
}

#[tokio::test]
async fn stock_that_was_changed_by_hand_does_not_fit_its_history() {
    let shop = Warehouse::busy().await;
    let by_hand =
        Expression::when("attribute_exists(#pk)").then("SET #available = :n").with(":n", number(1_000));
    shop.test.app.store.update(&stock::stock_key(&shop.thing, FIRST_SHARD), &by_hand).await.expect("written");
    shop.breaks_at(6, ChainError::Quantities).await;
}

#[tokio::test]
async fn what_cannot_be_read_or_belongs_elsewhere_is_named() {
    let shop = Warehouse::busy().await;
    let unreadable =
        Expression::when("attribute_exists(#pk)").then("SET #op = :op").with(":op", text("steal"));
    shop.test.app.store.update(&shop.link(5), &unreadable).await.expect("written");
    shop.breaks_at(5, ChainError::Unreadable).await;
    let shop = Warehouse::busy().await;
    let foreign = Expression::when("attribute_exists(#pk)").then("SET #shard = :n").with(":n", number(1));
    shop.test.app.store.update(&shop.link(1), &foreign).await.expect("written");
    shop.breaks_at(1, ChainError::Elsewhere).await;
}

#[tokio::test]
async fn a_chain_behind_the_stream_is_late_and_not_broken() {
    let shop = Warehouse::busy().await;
    shop.moves(FIRST_SHARD, StockOp::Reserve, 1).await;
    shop.moves(FIRST_SHARD, StockOp::Reserve, 1).await;
    let audit = shop.audit().await;
    assert_eq!((audit.movements, audit.behind.clone()), (6, vec![(shop.chain(FIRST_SHARD), 2)]));
    assert!(audit.is_clean(), "{audit:?}");
    shop.record().await;
    let audit = shop.audit().await;
    assert_eq!((audit.movements, audit.behind), (8, vec![]));
}

#[tokio::test]
async fn every_shard_is_walked_and_one_that_breaks_hides_no_other() {
    let shop = Warehouse::busy().await;
    let seller = SellerId::of_user(shop.owner.id());
    for shard in [1, 2] {
        let mut created = Transaction::new();
        stock::create_shard(&mut created, &shop.thing, &seller, shard).expect("an item");
        shop.test.app.store.transact(created).await.expect("a shard");
        let mut shifted = Transaction::new();
        stock::shift(&mut shifted, &shop.thing, Shift { from: 0, to: shard, quantity: 1 });
        shop.test.app.store.transact(shifted).await.expect("a unit");
    }
    shop.record().await;
    let all = verify_all(&shop.test.app, Reads::at_most(MANY)).await.expect("an audit");
    assert_eq!((all.chains, all.movements, all.is_clean()), (3, 12, true));
    let forge = Expression::when("attribute_exists(#pk)").then("SET #reference = :r").with(":r", text("me"));
    for shard in [1, 2] {
        let key = Key::new(Table::Commerce, format!("MOVES#{}#{shard}", shop.thing), "MOVE#000000000002");
        shop.test.app.store.update(&key, &forge).await.expect("written");
    }
    let all = verify_all(&shop.test.app, Reads::at_most(MANY)).await.expect("an audit");
    let expected = [1, 2].map(|shard| (shop.chain(shard), 2, ChainError::Hash));
    assert_eq!((all.chains, all.broken.as_slice()), (3, expected.as_slice()));
}

#[tokio::test]
async fn movements_without_stock_are_found() {
    let shop = Warehouse::busy().await;
    let mut transaction = Transaction::new();
    transaction.delete(stock::stock_key(&shop.thing, FIRST_SHARD), Expression::when("attribute_exists(#pk)"));
    shop.test.app.store.transact(transaction).await.expect("removed");
    let all = verify_all(&shop.test.app, Reads::at_most(MANY)).await.expect("an audit");
    assert_eq!(all.broken, [(shop.chain(FIRST_SHARD), 1, ChainError::Ahead)]);
}

#[tokio::test]
async fn a_check_ends_where_it_may_read_no_more_and_says_so() {
    let shop = Warehouse::busy().await;
    for reads in 0..3 {
        let audit = verify_all(&shop.test.app, Reads::at_most(reads)).await.expect("an audit");
        assert!(!audit.complete && !audit.is_clean(), "{reads}: {audit:?}");
    }
    let unknown = VariantId::parse("var_01J8ZQ5K3N0V7X2Y4T6B8D9FGH00").expect("an id");
    assert!(verify_variant(&shop.test.app, &unknown, Reads::at_most(9)).await.is_err());
    let chain = verify_chain(&shop.test.app, &shop.chain(7)).await.expect("an answer");
    assert_eq!((chain.movements, chain.behind, chain.broken), (0, 0, None));
}
