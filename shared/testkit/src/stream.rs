//! The item changes a stream worker would receive.

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use dynoxide::{
    Database, Result,
    actions::{
        describe_stream::DescribeStreamRequest, get_records::GetRecordsRequest,
        get_shard_iterator::GetShardIteratorRequest, list_streams::ListStreamsRequest,
    },
};
use serde_json::{Value, json};

use crate::tables::TABLES;

/// An item as the SDK shows it.
pub type Item = HashMap<String, AttributeValue>;

/// One committed change of one item.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The table it happened in.
    pub table: &'static str,
    /// Its place in the stream of its table; later changes of a table compare greater.
    pub sequence: String,
    /// `INSERT`, `MODIFY` or `REMOVE`.
    pub event_name: String,
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
    /// The item before, absent for an insert.
    pub old: Option<Item>,
    /// The item after, absent for a removal.
    pub new: Option<Item>,
    /// The record in the form the stream hands to a function.
    pub record: Value,
}

/// The event a function receives for `changes`, as JSON.
#[must_use]
pub fn lambda_event<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Value {
    let records: Vec<&Value> = changes.into_iter().map(|change| &change.record).collect();
    json!({ "Records": records })
}

/// A reader of all streams that remembers where it stopped.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Per table: the ARN of its stream and the iterator behind the last record read.
    places: HashMap<&'static str, (String, String)>,
}

impl Reader {
    /// Everything since the last call: table by table, in commit order within a table.
    pub(crate) fn drain(&mut self, engine: &Database) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for table in TABLES {
            let (arn, mut place) = match self.places.remove(table) {
                Some(place) => place,
                None => open(engine, table)?,
            };
            loop {
                let request = GetRecordsRequest { shard_iterator: place.clone(), limit: None };
                let page = engine.get_records(request)?;
                place = page.next_shard_iterator.unwrap_or(place);
                if page.records.is_empty() {
                    break;
                }
                // A write that leaves an item as it was is not a change to DynamoDB, but is one to the engine.
                let records = page.records.into_iter().map(|record| change(table, &arn, record));
                changes.extend(records.filter(|change| change.old != change.new));
            }
            self.places.insert(table, (arn, place));
        }
        Ok(changes)
    }
}

fn open(engine: &Database, table: &'static str) -> Result<(String, String)> {
    let request = ListStreamsRequest { table_name: Some(table.to_owned()), ..Default::default() };
    let streams = engine.list_streams(request)?.streams;
    let arn = streams.into_iter().next().expect("every table has a stream").stream_arn;
    let request = DescribeStreamRequest { stream_arn: arn.clone(), ..Default::default() };
    let shards = engine.describe_stream(request)?.stream_description.shards;
    let request = GetShardIteratorRequest {
        stream_arn: arn.clone(),
        shard_id: shards.into_iter().next().expect("every stream has a shard").shard_id,
        shard_iterator_type: "TRIM_HORIZON".to_owned(),
        sequence_number: None,
    };
    let place = engine.get_shard_iterator(request)?.shard_iterator;
    Ok((arn, place.expect("an open shard has an iterator")))
}

fn change(table: &'static str, arn: &str, record: dynoxide::actions::get_records::Record) -> Change {
    let mut json = serde_json::to_value(&record).expect("a record is JSON");
    if let Some(fields) = json.as_object_mut() {
        fields.insert("eventSourceARN".to_owned(), Value::String(arn.to_owned()));
    }
    let key = |name: &str| match record.dynamodb.keys.get(name) {
        Some(dynoxide::AttributeValue::S(text)) => text.clone(),
        other => format!("{other:?}"),
    };
    Change {
        table,
        event_name: record.event_name.clone(),
        pk: key("pk"),
        sk: key("sk"),
        sequence: record.dynamodb.sequence_number,
        old: record.dynamodb.old_image.map(item),
        new: record.dynamodb.new_image.map(item),
        record: json,
    }
}

fn item(item: dynoxide::Item) -> Item {
    item.into_iter().map(|(name, value)| (name, attribute(value))).collect()
}

fn attribute(value: dynoxide::AttributeValue) -> AttributeValue {
    use dynoxide::AttributeValue as Engine;
    match value {
        Engine::S(text) => AttributeValue::S(text),
        Engine::N(number) => AttributeValue::N(number),
        Engine::B(bytes) => AttributeValue::B(Blob::new(bytes)),
        Engine::BOOL(flag) => AttributeValue::Bool(flag),
        Engine::NULL(flag) => AttributeValue::Null(flag),
        Engine::SS(texts) => AttributeValue::Ss(texts),
        Engine::NS(numbers) => AttributeValue::Ns(numbers),
        Engine::BS(blobs) => AttributeValue::Bs(blobs.into_iter().map(Blob::new).collect()),
        Engine::L(values) => AttributeValue::L(values.into_iter().map(attribute).collect()),
        Engine::M(values) => AttributeValue::M(item(values)),
    }
}
