//! Carries out the counts that sellers uploaded. The store of files tells of an upload; what takes longer than one run is
//! put back onto the queue.

use std::sync::Arc;

use serde::Deserialize;
use sutler_domain::ids::ImportId;
use sutler_gateways::files::FileStore;
use sutler_runtime::{Handled, queue::Sender, worker::QueueMessage};
use sutler_services::{
    App, Error,
    stock_imports::{GoOn, Pass, import_of, run},
};

/// How long one run goes on. The rest of the function's time is for what it has begun by then.
const RUN_SECONDS: i64 = 40;

/// What this worker works with.
pub struct Imports {
    /// The use cases' needs.
    pub app: App,
    /// The files.
    pub files: Arc<dyn FileStore>,
    /// What takes the rest of a long file.
    pub queue: Sender,
}

impl Imports {
    /// Reads configuration.
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn connect() -> Result<Self, lambda_runtime::Error> {
        let (config, app) = sutler_runtime::start()?;
        Ok(Self {
            app,
            files: Arc::new(sutler_runtime::aws::files(&config)?),
            queue: Sender::connect(&config, "QUEUE_STOCK_IMPORTS")?,
        })
    }
}

/// What comes: the word of an upload, the store's test when the stack is deployed, or our own.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Message {
    Uploaded {
        #[serde(rename = "Records")]
        records: Vec<Record>,
    },
    Test {
        #[serde(rename = "Event")]
        event: String,
    },
    GoOn(GoOn),
}

#[derive(Debug, Deserialize)]
struct Record {
    s3: Upload,
}

#[derive(Debug, Deserialize)]
struct Upload {
    object: Object,
}

#[derive(Debug, Deserialize)]
struct Object {
    key: String,
}

/// The imports that a message is about.
fn imports(message: &QueueMessage) -> Result<Vec<ImportId>, Error> {
    let message = serde_json::from_str(&message.body).map_err(|error| Error::Internal(error.into()))?;
    Ok(match message {
        Message::Uploaded { records } => {
            records.iter().filter_map(|record| import_of(&record.s3.object.key)).collect()
        }
        Message::Test { event } => {
            tracing::info!(event, "The store of files can reach the queue");
            Vec::new()
        }
        Message::GoOn(GoOn { import }) => vec![import],
    })
}

/// Carries out what a message is about, as far as it gets.
///
/// # Errors
/// When files, queue or database do not answer; the queue then keeps the message.
pub async fn handle(state: &Imports, message: QueueMessage) -> Handled {
    let until = state.app.now().plus_seconds(RUN_SECONDS);
    for import in imports(&message)? {
        match run(&state.app, state.files.as_ref(), &import, until).await? {
            Pass::Ended => {}
            Pass::Unfinished => state.queue.send(&GoOn { import }).await?,
        }
    }
    Ok(())
}
