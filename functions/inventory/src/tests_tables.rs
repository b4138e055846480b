//! Stock as tables: sent, carried out, looked at, and taken home.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use sutler_domain::{ids::ImportId, patch::Patch};
use sutler_http::response;
use sutler_services::{
    catalog::variants::{self, VariantChange},
    stock_imports,
};
use sutler_testkit::{TestAnswer, TestApp, TestCall, TestCloud, TestUser};

use crate::{create_stock_import, export_inventory, get_stock_import, table_views::Tables, tests::Shop};

/// A shop with its files.
struct Desk {
    shop: Shop,
    cloud: TestCloud,
    tables: Tables,
}

impl Desk {
    async fn with(units: u32) -> Self {
        let (shop, cloud) = (Shop::with(units).await, TestCloud::default());
        let tables = Tables { app: shop.test.app.clone(), files: Arc::new(cloud.files()) };
        Self { shop, cloud, tables }
    }

    fn test(&self) -> &TestApp {
        &self.shop.test
    }

    async fn create(&self, call: TestCall) -> TestAnswer {
        TestAnswer::read(create_stock_import::handle(&self.tables, call.request()).await)
    }

    async fn get(&self, call: TestCall) -> TestAnswer {
        self.test().call(get_stock_import::handle, call).await
    }

    async fn export(&self, call: TestCall) -> TestAnswer {
        TestAnswer::read(export_inventory::handle(&self.tables, call.request()).await)
    }

    /// The file that is exported now.
    async fn exported(&self) -> String {
        let answer = self.export(TestCall::get("/v1/inventory/export").by(&self.shop.owner)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let link = answer.body["url"].as_str().unwrap();
        String::from_utf8(self.cloud.download(link, self.test().app.now()).unwrap()).unwrap()
    }

    /// Sends a file and carries it out; answers its id.
    async fn imported(&self, text: &str) -> String {
        let wish = json!({ "bytes": text.len() });
        let answer = self.create(TestCall::post(IMPORTS, &wish).by(&self.shop.owner)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let link = answer.body["upload"]["url"].as_str().unwrap();
        assert_eq!(self.cloud.upload(link, text.as_bytes(), self.test().app.now()), 200);
        let id = answer.body["id"].as_str().unwrap().to_owned();
        let import = ImportId::parse(&id).unwrap();
        let until = self.test().app.now().plus_seconds(60);
        stock_imports::run(&self.test().app, &self.cloud.files(), &import, until).await.unwrap();
        id
    }

    /// Gives the variant that the shop began with another article number and title.
    async fn rename(&self, sku: &str, title: &str) {
        let (test, id) = (self.test(), &self.shop.variant);
        let change = VariantChange {
            options: Patch::Absent,
            sku: Patch::Value(sku.to_owned()),
            price: Patch::Absent,
            image: Patch::Absent,
            weight_g: Patch::Absent,
        };
        let version = test.app.store.variant(id).await.unwrap().unwrap().version;
        let once = test.once(response::no_content_answer);
        variants::update(&test.app, &self.shop.owner.seller(), id, version, change, &once).await.unwrap();
        test.change_goods(id, |variant| title.clone_into(&mut variant.title)).await;
    }
}

const IMPORTS: &str = "/v1/inventory/imports";

fn one(id: &str, who: &TestUser) -> TestCall {
    TestCall::get("/v1/inventory/imports/x").parameter("import", id).by(who)
}

#[tokio::test]
async fn a_table_is_announced_sent_and_carried_out() {
    let desk = Desk::with(5).await;
    let text = "sku,quantity,reason\nSHIRT-S,7,stocktaking\nSHIRT-M,0,\nSHIRT-L,1,\n=1+1,2,\n";
    let wish = json!({ "bytes": text.len() });
    let mut answer = desk.create(TestCall::post(IMPORTS, &wish).by(&desk.shop.owner)).await;
    let link = answer.body["upload"]["url"].take();
    assert_eq!(answer.headers["cache-control"], "no-store");
    insta::assert_json_snapshot!("create_stock_import", answer.body);
    let (link, now) = (link.as_str().unwrap(), desk.test().app.now());
    assert_eq!(desk.cloud.upload(link, text.as_bytes(), now), 200);
    let id = answer.body["id"].as_str().unwrap();
    let import = ImportId::parse(id).unwrap();
    stock_imports::run(&desk.tables.app, &desk.cloud.files(), &import, now.plus_seconds(60)).await.unwrap();
    insta::assert_json_snapshot!("get_stock_import", desk.get(one(id, &desk.shop.owner)).await.body);
    assert_eq!(desk.shop.stock().await["on_hand"], 7);
}

#[tokio::test]
async fn results_come_in_pages_as_json_and_as_a_table_that_is_safe_to_open() {
    let desk = Desk::with(5).await;
    let rows: Vec<String> = (0..120).map(|number| format!("=X{number},1\n")).collect();
    let rows = rows.concat();
    let id = desk.imported(&format!("sku,quantity\nSHIRT-S,6\n{rows}SHIRT-M,2\n")).await;
    for (outcome, lines) in [(None, 2..=123_u64), (Some("refused"), 3..=122)] {
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        for _ in 0..50 {
            let mut call = one(&id, &desk.shop.owner).query("limit", "50");
            call = outcome.map_or(call.clone(), |outcome| call.query("outcome", outcome));
            call = cursor.as_ref().map_or(call.clone(), |cursor| call.query("cursor", cursor));
            let json = desk.get(call.clone()).await;
            let table = desk.get(call.header("accept", "text/csv")).await;
            let items = json.body["items"].as_array().unwrap().clone();
            assert_eq!(table.text.split("\r\n").count(), items.len().saturating_add(2), "{}", table.text);
            assert_eq!(json!(table.headers.get("x-next-cursor")), json.body["next_cursor"]);
            assert!(table.text.split("\r\n").all(|row| !row.contains(",=")), "{}", table.text);
            found.extend(items.iter().map(|item| item["line"].as_u64().unwrap()));
            cursor = json.body["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(found, lines.collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn another_sellers_import_does_not_exist() {
    let desk = Desk::with(5).await;
    let id = desk.imported("sku,quantity\nSHIRT-S,6\n").await;
    let (rival, buyer) = (desk.test().seller("eve").await, desk.test().user("bob").await);
    for other in [&rival, &buyer] {
        assert_eq!(desk.get(one(&id, other)).await.problem(), "not-found");
    }
    assert_eq!(desk.get(one("imp_01J8ZQ5K3N0V7X2Y4T6B8D9FGH", &rival)).await.problem(), "not-found");
    let wish = json!({ "bytes": 10 });
    assert_eq!(desk.create(TestCall::post(IMPORTS, &wish).by(&buyer)).await.problem(), "seller-required");
    let export = TestCall::get("/v1/inventory/export");
    assert_eq!(desk.export(export.clone().by(&buyer)).await.problem(), "seller-required");
    let unverified = desk.test().unverified("tim").await;
    assert_eq!(desk.export(export.clone().by(&unverified)).await.problem(), "email-not-verified");
    for call in [export.clone(), TestCall::post(IMPORTS, &wish)] {
        assert_eq!(desk.export(call.clone()).await.problem(), "unauthenticated");
        assert_eq!(desk.create(call).await.problem(), "unauthenticated");
    }
    let anonymous = TestCall::get("/v1/inventory/imports/x").parameter("import", &id);
    desk.test().needs_token(&desk.shop.owner, get_stock_import::handle, anonymous).await;
    // A rival's export has nothing of ours, and neither has their import.
    let answer = desk.export(export.by(&rival)).await;
    assert_eq!((answer.status, &answer.body["rows"]), (200, &json!(0)));
}

#[tokio::test]
async fn a_repeated_call_is_one_import_and_no_link_is_stored() {
    let desk = Desk::with(5).await;
    let create = async |key: &str, bytes: u64| {
        let token = desk.test().sign_in(&desk.shop.owner.user);
        let call = TestCall::post(IMPORTS, &json!({ "bytes": bytes })).token(&token).key(key);
        desk.create(call).await
    };
    drop(desk.test().db.drain_stream());
    let first = create("k1", 10).await;
    let changes = desk.test().db.drain_stream();
    assert!(!format!("{changes:?}").contains("Amz"), "a link is as secret as a token");
    desk.test().clock().advance(Duration::from_mins(10));
    let second = create("k1", 10).await;
    assert_eq!((second.status, &second.body["id"]), (201, &first.body["id"]));
    assert_ne!(second.body["upload"]["url"], first.body["upload"]["url"], "a fresh one");
    assert_eq!(desk.test().db.drain_stream(), []);
    assert_eq!(create("k1", 11).await.problem(), "idempotency-key-reused");
    assert_ne!(create("k2", 10).await.body["id"], first.body["id"]);
    desk.test().clock().advance(Duration::from_hours(1));
    let late = create("k1", 10).await;
    assert_eq!((&late.body["state"], &late.body["upload"]), (&json!("expired"), &Value::Null));
}

#[tokio::test]
async fn files_of_a_size_that_none_may_have_are_refused() {
    let desk = Desk::with(5).await;
    for (body, expected) in [
        (json!({ "bytes": 0 }), "/bytes: out-of-range"),
        (json!({ "bytes": 33_554_433 }), "/bytes: out-of-range"),
        (json!({ "bytes": -1 }), "/bytes: invalid"),
        (json!({ "bytes": "10" }), "/bytes: wrong-type"),
        (json!({}), "/bytes: missing"),
        (json!({ "bytes": 10, "seller": "x" }), "/seller: unknown-field"),
    ] {
        let answer = desk.create(TestCall::post(IMPORTS, &body).by(&desk.shop.owner)).await;
        assert_eq!((answer.status, answer.invalid_fields()), (422, vec![expected.to_owned()]), "{body}");
    }
    for (name, value) in [("outcome", "applied"), ("cursor", "x"), ("limit", "0")] {
        let id = "imp_01J8ZQ5K3N0V7X2Y4T6B8D9FGH";
        let answer = desk.get(one(id, &desk.shop.owner).query(name, value)).await;
        assert_eq!(answer.invalid_fields(), [format!("{name}: invalid")]);
    }
}

#[tokio::test]
async fn what_is_exported_changes_nothing_when_it_is_imported() {
    let desk = Desk::with(5).await;
    desk.shop.reserve(2).await.unwrap();
    drop(desk.test().db.drain_stream());
    let table = desk.exported().await;
    assert_eq!(desk.test().db.drain_stream(), [], "a GET changes nothing");
    insta::assert_snapshot!("export_inventory", table.replace(desk.shop.variant.as_str(), "var_1"));
    let id = desk.imported(&table).await;
    let import = desk.get(one(&id, &desk.shop.owner)).await.body;
    assert_eq!(
        (&import["state"], &import["unchanged"], &import["rows"]),
        (&json!("done"), &json!(2), &json!(2))
    );
    assert_eq!(desk.exported().await, table);
    assert_eq!(desk.shop.stock().await["version"], 2);
}

#[tokio::test]
async fn an_export_is_safe_to_open_and_still_reads_back() {
    for sku in ["=1+1", "'=1+1", "-5", "@SUM(A1)", "''+1", "'plain", "\"quoted\",;"] {
        let desk = Desk::with(5).await;
        desk.rename(sku, "=HYPERLINK(\"http://x\",\"y\")").await;
        let table = desk.exported().await;
        for cell in table.split(['\n', ',']) {
            assert!(!cell.trim_matches('"').starts_with(['=', '+', '-', '@']), "{table}");
        }
        let id = desk.imported(&table).await;
        let import = desk.get(one(&id, &desk.shop.owner)).await.body;
        assert_eq!(import["unchanged"], 2, "{sku}: {import}");
    }
}

#[tokio::test]
async fn a_table_is_written_once_though_its_answer_got_lost() {
    let desk = Desk::with(5).await;
    desk.cloud.lose_answer();
    let table = desk.exported().await;
    assert!(table.starts_with("sku,quantity,"), "{table}");
    assert_eq!(desk.cloud.file_keys().len(), 1);
    for _ in 0..3 {
        desk.cloud.fail(503);
    }
    let answer = desk.export(TestCall::get("/v1/inventory/export").by(&desk.shop.owner)).await;
    assert_eq!((answer.status, answer.problem()), (503, "try-again"));
}
