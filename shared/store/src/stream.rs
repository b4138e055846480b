//! Records of a table's stream.

use serde::{Deserialize, de::DeserializeOwned};
use sutler_domain::time::Timestamp;

use crate::error::StoreError;

/// One change of one item.
#[derive(Debug, Clone, Deserialize)]
pub struct StreamRecord {
    dynamodb: Images,
}

#[derive(Debug, Clone, Deserialize)]
struct Images {
    #[serde(rename = "NewImage")]
    new_image: Option<serde_dynamo::Item>,
    #[serde(rename = "OldImage")]
    old_image: Option<serde_dynamo::Item>,
    #[serde(rename = "ApproximateCreationDateTime")]
    created_at: Option<serde_json::Number>,
}

impl StreamRecord {
    /// The item as it is after the change; `None` when it was deleted.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it does not read.
    pub fn new_image<T: DeserializeOwned>(&self) -> Result<Option<T>, StoreError> {
        read(self.dynamodb.new_image.as_ref())
    }

    /// The item as it was before the change; `None` when it was created.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it does not read.
    pub fn old_image<T: DeserializeOwned>(&self) -> Result<Option<T>, StoreError> {
        read(self.dynamodb.old_image.as_ref())
    }

    /// When the change was made; the stream tells it in seconds, with or without a fraction.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        let text = self.dynamodb.created_at.as_ref()?.to_string();
        let (seconds, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let millis: String = fraction.chars().chain("000".chars()).take(3).collect();
        let whole = seconds.parse::<i64>().ok()?.checked_mul(1_000)?;
        Some(Timestamp::from_millis(whole.checked_add(millis.parse().ok()?)?))
    }
}

fn read<T: DeserializeOwned>(image: Option<&serde_dynamo::Item>) -> Result<Option<T>, StoreError> {
    let Some(item) = image else { return Ok(None) };
    let corrupt =
        |e: serde_dynamo::Error| StoreError::Corrupt { key: "a stream record".to_owned(), source: e.into() };
    serde_dynamo::from_item(item.clone()).map(Some).map_err(corrupt)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_tells_when_it_happened() {
        for (told, millis) in
            [(json!(1_700_000_000), 1_700_000_000_000), (json!(1_700_000_000.25), 1_700_000_000_250)]
        {
            let record = json!({"dynamodb": {"ApproximateCreationDateTime": told}});
            let record: StreamRecord = serde_json::from_value(record).unwrap();
            assert_eq!(record.at(), Some(Timestamp::from_millis(millis)));
        }
        let record: StreamRecord = serde_json::from_value(json!({"dynamodb": {}})).unwrap();
        assert_eq!(record.at(), None);
    }
}
