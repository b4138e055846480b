//! The four tables as the data template creates them.

use dynoxide::Database;
use serde_json::{Value, json};

/// Accounts, addresses, sellers, sessions and keys.
pub const IDENTITY: &str = "Identity";
/// Products, variants and categories.
pub const CATALOG: &str = "Catalog";
/// Carts, stock, orders, payments, events, idempotency records and the inbox.
pub const COMMERCE: &str = "Commerce";
/// Ledger transactions and account balances.
pub const LEDGER: &str = "Ledger";
/// All of them.
pub const TABLES: [&str; 4] = [IDENTITY, CATALOG, COMMERCE, LEDGER];

/// Index names of a table; index `n` (from one) has the keys `gsi<n>pk` and `gsi<n>sk`.
fn indexes(table: &str) -> &'static [&'static str] {
    match table {
        CATALOG => &["by_category", "newest", "by_seller"],
        COMMERCE => &["by_buyer", "by_seller", "by_due"],
        LEDGER => &["by_order"],
        _ => &[],
    }
}

fn keys(pk: &str, sk: &str) -> Value {
    json!([{ "AttributeName": pk, "KeyType": "HASH" }, { "AttributeName": sk, "KeyType": "RANGE" }])
}

/// Creates the tables in an empty database.
pub(crate) fn create(engine: &Database) {
    for table in TABLES {
        let names: Vec<_> = indexes(table)
            .iter()
            .zip(1_u8..)
            .map(|(index, n)| (*index, format!("gsi{n}pk"), format!("gsi{n}sk")))
            .collect();
        let attributes: Vec<Value> = ["pk", "sk"]
            .into_iter()
            .chain(names.iter().flat_map(|(_, pk, sk)| [pk.as_str(), sk.as_str()]))
            .map(|name| json!({ "AttributeName": name, "AttributeType": "S" }))
            .collect();
        let mut request = json!({
            "TableName": table,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": keys("pk", "sk"),
            "AttributeDefinitions": attributes,
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
        });
        let indexes: Vec<Value> = names
            .iter()
            .map(|(index, pk, sk)| {
                json!({ "IndexName": index, "KeySchema": keys(pk, sk), "Projection": { "ProjectionType": "ALL" } })
            })
            .collect();
        if let (false, Some(fields)) = (indexes.is_empty(), request.as_object_mut()) {
            fields.insert("GlobalSecondaryIndexes".to_owned(), Value::Array(indexes));
        }
        let request = serde_json::from_value(request).expect("a table definition");
        engine.create_table(request).expect("the table is created");
        let ttl = json!({
            "TableName": table,
            "TimeToLiveSpecification": { "AttributeName": "ttl", "Enabled": true },
        });
        let ttl = serde_json::from_value(ttl).expect("a time-to-live definition");
        engine.update_time_to_live(ttl).expect("time to live is switched on");
    }
}

/// Switches every stream off.
pub(crate) fn stop_streams(engine: &Database) {
    for table in TABLES {
        let off = json!({ "TableName": table, "StreamSpecification": { "StreamEnabled": false } });
        let off = serde_json::from_value(off).expect("a change of a table");
        engine.update_table(off).expect("the table is changed");
    }
}
