//! Turns each version of a stock item into a movement of its append-only history, and tells of units where there were none.

use std::collections::BTreeSet;

use sutler_domain::ids::VariantId;
use sutler_runtime::{Handled, queue::Sender};
use sutler_services::{
    App, Error,
    inventory::{StockChange, record_movements},
};
use sutler_store::stream::StreamRecord;

use crate::hold_for_next::BackInStock;

/// What this worker works with.
pub struct Bookkeeper {
    /// The use cases' needs.
    pub app: App,
    /// What takes the word of variants that are back in stock.
    pub queue: Sender,
}

impl Bookkeeper {
    /// Reads configuration.
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn connect() -> Result<Self, lambda_runtime::Error> {
        let (config, app) = sutler_runtime::start()?;
        Ok(Self { app, queue: Sender::connect(&config, "QUEUE_BACK_IN_STOCK")? })
    }
}

/// Records the movements of a batch, in order, and puts each variant on the queue that came back in stock.
///
/// # Errors
/// When a movement cannot be recorded yet, or the queue does not answer; the stream then hands the batch over again.
pub async fn handle(state: &Bookkeeper, records: Vec<StreamRecord>) -> Handled {
    for variant in record(&state.app, records).await? {
        state.queue.send(&BackInStock { variant }).await?;
    }
    Ok(())
}

/// Records the movements of a batch, in order, and answers the variants of which a shard has units that had none.
///
/// # Errors
/// When a movement cannot be recorded yet.
pub async fn record(app: &App, records: Vec<StreamRecord>) -> Result<BTreeSet<VariantId>, Error> {
    let read = |record| change(app, record);
    let changes: Vec<StockChange> = records.iter().map(read).collect::<Result<_, _>>()?;
    let back = changes.iter().filter_map(StockChange::back_in_stock).cloned().collect();
    record_movements(app, changes).await?;
    Ok(back)
}

fn change(app: &App, record: &StreamRecord) -> Result<StockChange, Error> {
    // Stock items are never deleted.
    let after = record.new_image()?.ok_or_else(|| Error::Internal("a stock item was deleted".into()))?;
    Ok(StockChange { before: record.old_image()?, after, at: record.at().unwrap_or_else(|| app.now()) })
}

#[cfg(test)]
mod tests {
    use sutler_domain::{
        ids::{OrderId, ProductId, SellerId, VariantId},
        movement::ChainError,
        shards::Shift,
        stock::{Stock, StockOp},
    };
    use sutler_services::chains::{Chain, ChainId, verify_chain};
    use sutler_store::{Key, Table, Transaction, stock};
    use sutler_testkit::{Change, TestApp};

    use super::*;

    struct Warehouse {
        test: TestApp,
        variant: VariantId,
        order: OrderId,
    }

    impl Warehouse {
        async fn with(units: u32) -> Self {
            let test = TestApp::new().await;
            let owner = test.user("ada").await;
            let product = ProductId::generate(&*test.app.ids, test.app.now());
            let variant = VariantId::of(&product, 0).unwrap();
            let order = OrderId::generate(&*test.app.ids, test.app.now());
            let mut transaction = Transaction::new();
            stock::create(
                &mut transaction,
                &Stock::new(variant.clone(), SellerId::of_user(owner.id()), units),
            )
            .unwrap();
            test.app.store.transact(transaction).await.unwrap();
            Self { test, variant, order }
        }

        async fn moves(&self, op: StockOp, n: u32) {
            let (key, change) = stock::moved(op, &self.variant, 0, n, self.order.as_str());
            self.test.app.store.update(&key, &change).await.unwrap();
        }

        fn stream(&self) -> Vec<Change> {
            let stock = |change: &Change| change.sk.starts_with("STOCK#");
            self.test.db.drain_stream().into_iter().filter(stock).collect()
        }

        async fn record(&self, changes: &[Change]) -> Handled {
            let read = |change: &Change| serde_json::from_value(change.record.clone()).unwrap();
            record(&self.test.app, changes.iter().map(read).collect()).await.map(drop)
        }

        fn chain_id(&self, shard: u8) -> ChainId {
            ChainId { variant: self.variant.clone(), shard }
        }

        async fn chain(&self) -> Chain {
            verify_chain(&self.test.app, &self.chain_id(0)).await.unwrap()
        }
    }

    async fn sold() -> (Warehouse, Vec<Change>) {
        let shop = Warehouse::with(5).await;
        shop.moves(StockOp::Reserve, 2).await;
        shop.moves(StockOp::Commit, 2).await;
        shop.moves(StockOp::Ship, 1).await;
        shop.moves(StockOp::Restock, 1).await;
        let changes = shop.stream();
        (shop, changes)
    }

    #[tokio::test]
    async fn every_version_of_stock_becomes_one_sealed_movement() {
        let (shop, changes) = sold().await;
        assert_eq!(shop.chain().await, Chain { movements: 0, behind: 5, broken: None });
        shop.record(&changes).await.unwrap();
        assert_eq!(shop.chain().await, Chain { movements: 5, behind: 0, broken: None });
        let movements = shop.test.app.store.movements_before(&shop.chain_id(0), None, 10).await.unwrap();
        let told: Vec<_> = movements.iter().map(|m| (m.number, m.op, m.quantity)).collect();
        let expected = [
            (5, StockOp::Restock, 1),
            (4, StockOp::Ship, 1),
            (3, StockOp::Commit, 2),
            (2, StockOp::Reserve, 2),
            (1, StockOp::Create, 5),
        ];
        assert_eq!(told, expected);
        assert!(movements[..4].iter().all(|movement| movement.reference == shop.order.as_str()));
    }

    #[tokio::test]
    async fn each_shard_has_a_history_of_its_own() {
        let shop = Warehouse::with(5).await;
        let seller = SellerId::of_user(shop.test.user("eve").await.id());
        let mut transaction = Transaction::new();
        stock::create_shard(&mut transaction, &shop.variant, &seller, 7).unwrap();
        shop.test.app.store.transact(transaction).await.unwrap();
        let mut transaction = Transaction::new();
        stock::shift(&mut transaction, &shop.variant, Shift { from: 0, to: 7, quantity: 2 });
        shop.test.app.store.transact(transaction).await.unwrap();
        shop.record(&shop.stream()).await.unwrap();
        for shard in [0, 7] {
            let chain = verify_chain(&shop.test.app, &shop.chain_id(shard)).await.unwrap();
            assert_eq!(chain, Chain { movements: 2, behind: 0, broken: None }, "shard {shard}");
        }
        let moved = shop.test.app.store.movements_before(&shop.chain_id(7), None, 1).await.unwrap();
        let told = (moved[0].op, moved[0].quantity, moved[0].reference.as_str());
        assert_eq!(told, (StockOp::ShiftIn, 2, "from shard 0"));
    }

    #[tokio::test]
    async fn a_stream_retry_never_adds_twice() {
        let (shop, changes) = sold().await;
        shop.record(&changes[..3]).await.unwrap();
        shop.record(&changes).await.unwrap();
        shop.record(&changes).await.unwrap();
        shop.record(&changes[2..4]).await.unwrap();
        assert_eq!(shop.chain().await, Chain { movements: 5, behind: 0, broken: None });
    }

    #[tokio::test]
    async fn records_that_come_out_of_order_wait_for_those_before() {
        let (shop, changes) = sold().await;
        shop.record(&changes[1..]).await.unwrap_err();
        let mut mixed = changes.clone();
        mixed.swap(2, 3);
        shop.record(&mixed).await.unwrap_err();
        assert_eq!(shop.chain().await, Chain { movements: 2, behind: 3, broken: None });
        shop.record(&changes).await.unwrap();
        assert_eq!(shop.chain().await, Chain { movements: 5, behind: 0, broken: None });
    }

    #[tokio::test]
    async fn a_changed_movement_is_found() {
        let (shop, changes) = sold().await;
        shop.record(&changes).await.unwrap();
        let key = Key::new(Table::Commerce, format!("MOVES#{}", shop.variant), "MOVE#000000000003");
        let forge = sutler_store::Expression::when("attribute_exists(#pk)")
            .then("SET #quantity = :n")
            .with(":n", sutler_store::codec::number(1));
        shop.test.app.store.update(&key, &forge).await.unwrap();
        let found = Chain { movements: 2, behind: 0, broken: Some((3, ChainError::Hash)) };
        assert_eq!(shop.chain().await, found);
    }
}
