//! Tables and keys. Each aggregate's own keys are spelled in its file, from typed ids only.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::codec::text;

/// The tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Users, sellers, sessions, public keys.
    Identity,
    /// Products, variants, categories.
    Catalog,
    /// Carts, stock, orders, payments, events, idempotency, inbox.
    Commerce,
    /// Ledger transactions.
    Ledger,
}

/// What the tables are called in this deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableNames {
    /// Name of [`Table::Identity`].
    pub identity: String,
    /// Name of [`Table::Catalog`].
    pub catalog: String,
    /// Name of [`Table::Commerce`].
    pub commerce: String,
    /// Name of [`Table::Ledger`].
    pub ledger: String,
}

impl TableNames {
    /// The deployed name of `table`.
    #[must_use]
    pub fn get(&self, table: Table) -> &str {
        match table {
            Table::Identity => &self.identity,
            Table::Catalog => &self.catalog,
            Table::Commerce => &self.commerce,
            Table::Ledger => &self.ledger,
        }
    }
}

/// Where one item is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The table.
    pub table: Table,
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

impl Key {
    /// Names an item of `table`.
    #[must_use]
    pub fn new(table: Table, pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { table, pk: pk.into(), sk: sk.into() }
    }

    pub(crate) fn attributes(&self) -> HashMap<String, AttributeValue> {
        HashMap::from([("pk".to_owned(), text(&self.pk)), ("sk".to_owned(), text(&self.sk))])
    }
}
