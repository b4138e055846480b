//! Conditional writes. There is no way to build a write here that has no condition.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update,
};

use crate::{
    codec::{Version, number},
    error::{Guard, Item, StoreError},
    keys::{Key, TableNames},
};

/// Condition and update text with their values; `#name` placeholders are filled from the names themselves.
#[derive(Debug, Clone, Default)]
pub struct Expression {
    condition: String,
    update: String,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    /// Starts from the condition, in DynamoDB's syntax; attribute names are written as `#name`.
    #[must_use]
    pub fn when(condition: impl Into<String>) -> Self {
        Self { condition: condition.into(), ..Self::default() }
    }

    /// Expects the version that was read.
    #[must_use]
    pub fn at_version(version: Version) -> Self {
        Self::when("#version = :expected").with(":expected", number(version.0))
    }

    /// Adds a condition that must hold as well.
    #[must_use]
    pub fn also(mut self, condition: &str) -> Self {
        self.condition = format!("({}) AND {condition}", self.condition);
        self
    }

    /// The update text (`SET …, REMOVE …`).
    #[must_use]
    pub fn then(mut self, update: impl Into<String>) -> Self {
        self.update = update.into();
        self
    }

    /// Binds a value such as `:n`.
    #[must_use]
    pub fn with(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn condition(&self) -> &str {
        &self.condition
    }

    pub(crate) fn update(&self) -> &str {
        &self.update
    }

    pub(crate) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }

    /// Every `#name` that condition and update mention, mapped to the attribute of that name.
    pub(crate) fn names(&self) -> Option<HashMap<String, String>> {
        let mut names = HashMap::new();
        for text in [&self.condition, &self.update] {
            for piece in text.split('#').skip(1) {
                let end = piece.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(piece.len());
                let name = piece.get(..end).unwrap_or_default();
                names.insert(format!("#{name}"), name.to_owned());
            }
        }
        (!names.is_empty()).then_some(names)
    }
}

#[derive(Debug, Clone)]
enum Write {
    Put { key: Key, item: Item, expression: Expression },
    Update { key: Key, expression: Expression },
    Delete { key: Key, expression: Expression },
    Check { key: Key, expression: Expression },
}

/// Writes that happen together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    writes: Vec<Write>,
}

impl Transaction {
    /// The most writes DynamoDB takes in one transaction.
    pub const WRITES_MAX: usize = 100;

    /// An empty transaction.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an item that must not exist yet.
    pub fn create(&mut self, key: Key, item: Item) -> Guard {
        self.put(key, item, Expression::when("attribute_not_exists(#pk)"))
    }

    /// Replaces an item that must still be at `expected`.
    pub fn replace(&mut self, key: Key, item: Item, expected: Version) -> Guard {
        self.put(key, item, Expression::at_version(expected))
    }

    /// Replaces an item that must still be at `expected`, or creates it when there must be none yet.
    pub fn replace_or_create(&mut self, key: Key, item: Item, expected: Version) -> Guard {
        if expected == Version::NONE { self.create(key, item) } else { self.replace(key, item, expected) }
    }

    /// Puts an item under a condition of the caller's.
    pub fn put(&mut self, key: Key, item: Item, expression: Expression) -> Guard {
        self.push(Write::Put { key, item, expression })
    }

    /// Changes some attributes of an item under a condition.
    pub fn update(&mut self, key: Key, expression: Expression) -> Guard {
        self.push(Write::Update { key, expression })
    }

    /// Deletes an item under a condition.
    pub fn delete(&mut self, key: Key, expression: Expression) -> Guard {
        self.push(Write::Delete { key, expression })
    }

    /// Writes nothing, but all fails unless the condition holds.
    pub fn check(&mut self, key: Key, expression: Expression) -> Guard {
        self.push(Write::Check { key, expression })
    }

    /// How many writes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    fn push(&mut self, write: Write) -> Guard {
        self.writes.push(write);
        Guard(self.writes.len().saturating_sub(1))
    }

    pub(crate) fn into_items(self, names: &TableNames) -> Result<Vec<TransactWriteItem>, StoreError> {
        self.writes.into_iter().map(|write| write.build(names)).collect()
    }
}

impl Write {
    fn build(self, names: &TableNames) -> Result<TransactWriteItem, StoreError> {
        let old = ReturnValuesOnConditionCheckFailure::AllOld;
        let bug = |e: aws_sdk_dynamodb::error::BuildError| StoreError::Rejected(e.into());
        let item = TransactWriteItem::builder();
        Ok(match self {
            Self::Put { key, item: attributes, expression: e } => item.put(
                Put::builder()
                    .table_name(names.get(key.table))
                    .set_item(Some(attributes))
                    .condition_expression(e.condition())
                    .set_expression_attribute_names(e.names())
                    .set_expression_attribute_values(e.values())
                    .return_values_on_condition_check_failure(old)
                    .build()
                    .map_err(bug)?,
            ),
            Self::Update { key, expression: e } => item.update(
                Update::builder()
                    .table_name(names.get(key.table))
                    .set_key(Some(key.attributes()))
                    .update_expression(e.update())
                    .condition_expression(e.condition())
                    .set_expression_attribute_names(e.names())
                    .set_expression_attribute_values(e.values())
                    .return_values_on_condition_check_failure(old)
                    .build()
                    .map_err(bug)?,
            ),
            Self::Delete { key, expression: e } => item.delete(
                Delete::builder()
                    .table_name(names.get(key.table))
                    .set_key(Some(key.attributes()))
                    .condition_expression(e.condition())
                    .set_expression_attribute_names(e.names())
                    .set_expression_attribute_values(e.values())
                    .return_values_on_condition_check_failure(old)
                    .build()
                    .map_err(bug)?,
            ),
            Self::Check { key, expression: e } => item.condition_check(
                ConditionCheck::builder()
                    .table_name(names.get(key.table))
                    .set_key(Some(key.attributes()))
                    .condition_expression(e.condition())
                    .set_expression_attribute_names(e.names())
                    .set_expression_attribute_values(e.values())
                    .return_values_on_condition_check_failure(old)
                    .build()
                    .map_err(bug)?,
            ),
        }
        .build())
    }
}
