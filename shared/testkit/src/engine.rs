//! From a request on the wire to the embedded engine and back.

use dynoxide::{Database, DynoxideError};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

macro_rules! operations {
    ($($name:ident $method:ident),+ $(,)?) => {
        /// An operation the in-process database answers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Operation {
            $(#[doc = stringify!($name)] $name),+
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name in the `X-Amz-Target` header.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
        }

        /// Carries out one request.
        pub(crate) fn run(engine: &Database, operation: Operation, body: &Value) -> Result<Value, DynoxideError> {
            match operation { $(Operation::$name => dispatch(body, |request| engine.$method(request))),+ }
        }
    };
}

operations! {
    GetItem get_item,
    PutItem put_item,
    UpdateItem update_item,
    DeleteItem delete_item,
    Query query,
    Scan scan,
    BatchGetItem batch_get_item,
    BatchWriteItem batch_write_item,
    TransactGetItems transact_get_items,
    TransactWriteItems transact_write_items,
    DescribeTable describe_table,
    ListTables list_tables,
}

impl Operation {
    /// The operation named by an `X-Amz-Target` header.
    pub(crate) fn of_target(target: &str) -> Option<Self> {
        let name = target.strip_prefix("DynamoDB_20120810.")?;
        Self::ALL.iter().copied().find(|operation| operation.name() == name)
    }

    /// Whether it is billed in write units.
    pub(crate) fn writes(self) -> bool {
        match self {
            Self::PutItem
            | Self::UpdateItem
            | Self::DeleteItem
            | Self::BatchWriteItem
            | Self::TransactWriteItems => true,
            Self::GetItem
            | Self::Query
            | Self::Scan
            | Self::BatchGetItem
            | Self::TransactGetItems
            | Self::DescribeTable
            | Self::ListTables => false,
        }
    }

    /// Whether it reports consumed capacity.
    pub(crate) fn metered(self) -> bool {
        !matches!(self, Self::DescribeTable | Self::ListTables)
    }

    /// Whether it is a transaction.
    pub(crate) fn transacts(self) -> bool {
        matches!(self, Self::TransactGetItems | Self::TransactWriteItems)
    }
}

fn dispatch<Q: DeserializeOwned, A: Serialize>(
    body: &Value,
    carry_out: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Result<Value, DynoxideError> {
    // Text, not `from_value`: the engine's readers look at numbers as they were written.
    let request = serde_json::from_str(&body.to_string()).map_err(|error| unreadable(&error))?;
    let answer = carry_out(request)?;
    serde_json::to_value(answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// The engine's readers name the exception they mean in front of their message.
fn unreadable(error: &serde_json::Error) -> DynoxideError {
    let message = error.to_string();
    match message.split_once(':') {
        Some((marker, rest)) if marker.starts_with("VALIDATION") => {
            DynoxideError::ValidationException(rest.to_owned())
        }
        Some((marker, rest)) if marker.starts_with("SERIALIZATION") => {
            DynoxideError::SerializationException(rest.to_owned())
        }
        // As DynamoDB does it, except for messages no typed client can provoke.
        _ if message.contains("missing field") || message.contains("Supplied AttributeValue") => {
            DynoxideError::ValidationException(message)
        }
        _ => DynoxideError::SerializationException(message),
    }
}

/// How many items a request names.
pub(crate) fn items(operation: Operation, body: &Value) -> usize {
    match operation {
        Operation::TransactWriteItems | Operation::TransactGetItems => {
            body.get("TransactItems").and_then(Value::as_array).map_or(0, Vec::len)
        }
        Operation::BatchGetItem | Operation::BatchWriteItem => {
            let tables = body.get("RequestItems").and_then(Value::as_object);
            let count = |table: &Value| table.get("Keys").unwrap_or(table).as_array().map_or(0, Vec::len);
            tables.map_or(0, |tables| tables.values().map(count).sum())
        }
        Operation::GetItem | Operation::PutItem | Operation::UpdateItem | Operation::DeleteItem => 1,
        Operation::Query | Operation::Scan | Operation::DescribeTable | Operation::ListTables => 0,
    }
}
