//! Counts that were uploaded, as the store of files and we ourselves tell the worker.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use sutler_domain::{
    ids::{ImportId, VariantId},
    stock_import::{Counts, StockImport},
};
use sutler_runtime::queue::Sender;
use sutler_services::stock_imports::{self, GoOn, file_key};
use sutler_testkit::{Fault, Operation, Rule, broken};

use super::{Market, deliver};
use crate::import_stock::{Imports, handle};

const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/000000000000/stock-imports";

impl Market {
    fn imports(&self) -> Imports {
        Imports {
            app: self.test.app.clone(),
            files: Arc::new(self.cloud.files()),
            queue: Sender::new(self.cloud.queue(), QUEUE),
        }
    }

    /// An import whose file was uploaded, and what the store of files tells of that.
    async fn uploaded(&self, text: &str) -> (ImportId, Value) {
        let once = self.test.once(stock_imports::remembered);
        let bytes = u64::try_from(text.len()).unwrap();
        let seller = self.seller.seller();
        let import = stock_imports::create(&self.test.app, &seller, bytes, &once).await.unwrap();
        self.cloud.put_file(&file_key(&import.id), text.as_bytes());
        let sample: Value =
            serde_json::from_str(include_str!("../../../../events/import_stock.json")).unwrap();
        let mut told: Value = serde_json::from_str(sample["Records"][0]["body"].as_str().unwrap()).unwrap();
        told["Records"][0]["s3"]["object"]["key"] = json!(file_key(&import.id));
        (import.id, told)
    }

    async fn import(&self, id: &ImportId) -> StockImport {
        stock_imports::get(&self.test.app, &self.seller.seller(), id).await.unwrap()
    }

    /// Something else that the seller sells, by its article number.
    async fn lamp(&self) -> VariantId {
        self.test.article(&self.seller, "LAMP", 10).await
    }
}

#[tokio::test]
async fn the_word_of_an_upload_is_carried_out_once_however_often_it_comes() {
    let market = Market::open().await;
    let lamp = market.lamp().await;
    let (id, told) = market.uploaded("sku,quantity\nLAMP,25\n").await;
    let imports = market.imports();
    assert_eq!(deliver(&imports, handle, &[told.clone(), told.clone()]).await, [""; 0]);
    assert_eq!(market.import(&id).await.counts, Counts { applied: 1, ..Counts::default() });
    market.test.order(&market.buyer, &[(&lamp, 2)]).await;
    assert_eq!(deliver(&imports, handle, &[told]).await, [""; 0]);
    assert_eq!(market.test.stock(&lamp).await, (23, 2, 0));
    assert_eq!(market.cloud.queued(), []);
    market.test.assert_clean().await;
}

#[tokio::test]
async fn a_long_file_goes_on_in_the_next_message() {
    let market = Market::open().await;
    let lamp = market.lamp().await;
    let unknown: Vec<String> = (0..99).map(|number| format!("X{number},1\n")).collect();
    let unknown = unknown.concat();
    let (id, told) = market.uploaded(&format!("sku,quantity\n{unknown}LAMP,25\n")).await;
    let imports = market.imports();
    let slow = Fault::Slow(Duration::from_secs(40));
    market.test.db.fault(Rule::before(Operation::TransactWriteItems, slow).skip(1));
    assert_eq!(deliver(&imports, handle, &[told]).await, [""; 0]);
    assert_eq!(market.import(&id).await.position(), 45);
    let queued = market.cloud.queued();
    let next: Value = serde_json::from_str(&queued[0].body).unwrap();
    assert_eq!((queued.len(), queued[0].queue_url.as_str()), (1, QUEUE));
    assert_eq!(serde_json::from_value::<GoOn>(next.clone()).unwrap(), GoOn { import: id.clone() });
    assert_eq!(deliver(&imports, handle, &[next]).await, [""; 0]);
    assert_eq!(market.import(&id).await.counts, Counts { applied: 1, unchanged: 0, refused: 99 });
    assert_eq!(market.test.stock(&lamp).await, (25, 0, 0));
}

#[tokio::test]
async fn a_message_stays_in_the_queue_until_the_rest_of_its_file_is_somewhere() {
    let market = Market::open().await;
    let (id, told) = market.uploaded("sku,quantity\nA,1\n").await;
    let imports = market.imports();
    // The file cannot be read, three times over.
    for _ in 0..3 {
        market.cloud.fail(503);
    }
    assert_eq!(deliver(&imports, handle, std::slice::from_ref(&told)).await, ["0"]);
    // The time is up with the first step, and the message that goes on cannot be sent.
    let slow = Fault::Slow(Duration::from_secs(40));
    market.test.db.fault(Rule::before(Operation::TransactWriteItems, slow));
    market.cloud.pass();
    market.cloud.fail(503);
    assert_eq!(deliver(&imports, handle, std::slice::from_ref(&told)).await, ["0"]);
    assert_eq!(deliver(&imports, handle, &[told]).await, [""; 0]);
    assert_eq!(market.import(&id).await.state.name(), "done");
}

#[tokio::test]
async fn what_is_no_upload_of_ours_is_passed_over_and_garbage_is_kept() {
    let market = Market::open().await;
    let imports = market.imports();
    let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "files"});
    let foreign = json!({"Records": [{"s3": {"object": {"key": "imports/other.csv"}}}]});
    let gone = json!({"import": "imp_01J8ZQ5K3N0V7X2Y4T6B8D9FGH"});
    assert_eq!(deliver(&imports, handle, &[test, foreign, gone]).await, [""; 0]);
    assert_eq!(deliver(&imports, handle, &[json!({"import": "x"}), json!("{")]).await, ["0", "1"]);
    let (_, told) = market.uploaded("sku,quantity\nA,1\n").await;
    let bodies: Vec<Value> = broken(&told, 100).collect();
    drop(deliver(&imports, handle, &bodies).await);
    market.test.assert_clean().await;
}
