//! Between typed records and items.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{Item, StoreError},
    keys::Key,
};

/// How often an item was written; every change expects one and leaves the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u64);

impl Version {
    /// What stands for an item that was never written.
    pub const NONE: Self = Self(0);
    /// The version of a freshly created item.
    pub const FIRST: Self = Self(1);

    /// The version after one more write.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Something read together with the version it was read at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// Its version, to be expected by the next write.
    pub version: Version,
}

/// The schema number that new items carry.
const SCHEMA: &str = "1";

/// Writes `record` as the item under `key`, with the attributes that every item carries.
///
/// # Errors
/// [`StoreError::Rejected`] when the record cannot be represented, which is a bug.
pub fn encode<T: Serialize>(
    key: &Key,
    kind: &'static str,
    version: Version,
    record: &T,
) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::to_item(record).map_err(|e| StoreError::Rejected(e.into()))?;
    for (name, value) in [("pk", key.pk.clone()), ("sk", key.sk.clone()), ("type", kind.to_owned())] {
        item.insert(name.to_owned(), AttributeValue::S(value));
    }
    item.insert("schema".to_owned(), AttributeValue::N(SCHEMA.to_owned()));
    item.insert("version".to_owned(), number(version.0));
    Ok(item)
}

/// Reads an item.
///
/// # Errors
/// [`StoreError::Corrupt`] naming the key and the attribute that does not read.
pub fn decode<T: DeserializeOwned>(item: &Item) -> Result<Versioned<T>, StoreError> {
    let corrupt = |source| StoreError::Corrupt { key: describe(item), source };
    let version = item
        .get("version")
        .and_then(|value| value.as_n().ok())
        .and_then(|n| n.parse().ok())
        .map(Version)
        .ok_or_else(|| corrupt("attribute `version` is missing".into()))?;
    let value = serde_dynamo::from_item(item.clone()).map_err(|e| corrupt(e.into()))?;
    Ok(Versioned { value, version })
}

/// A whole number as an attribute.
#[must_use]
pub fn number(n: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(n.into().to_string())
}

/// A text as an attribute.
#[must_use]
pub fn text(s: impl Into<String>) -> AttributeValue {
    AttributeValue::S(s.into())
}

/// A serialisable value as an attribute.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn value<T: Serialize>(value: &T) -> Result<AttributeValue, StoreError> {
    serde_dynamo::to_attribute_value(value).map_err(|e| StoreError::Rejected(e.into()))
}

fn describe(item: &Item) -> String {
    let part = |name| item.get(name).and_then(|v| v.as_s().ok()).map_or("?", String::as_str);
    format!("{}/{}", part("pk"), part("sk"))
}
