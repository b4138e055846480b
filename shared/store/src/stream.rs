//! Records of a table's stream.

use serde::{Deserialize, de::DeserializeOwned};

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
}

impl StreamRecord {
    /// The item as it is after the change; `None` when it was deleted.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it does not read.
    pub fn new_image<T: DeserializeOwned>(&self) -> Result<Option<T>, StoreError> {
        let Some(item) = &self.dynamodb.new_image else { return Ok(None) };
        let corrupt = |e: serde_dynamo::Error| StoreError::Corrupt {
            key: "a stream record".to_owned(),
            source: e.into(),
        };
        serde_dynamo::from_item(item.clone()).map(Some).map_err(corrupt)
    }
}
