//! The database: reads that say how consistent they are, conditional writes, and the one place that retries.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::{Duration, SystemTime},
};

use aws_sdk_dynamodb::{
    Client,
    config::AsyncSleep,
    operation::{
        transact_write_items::TransactWriteItemsError as TransactError, update_item::UpdateItemError,
    },
    types::{
        AttributeValue, CancellationReason, KeysAndAttributes, ReturnValue,
        ReturnValuesOnConditionCheckFailure,
    },
};
use sutler_domain::ids::IdGen;

use crate::{
    codec::text,
    error::{Item, Refusal, StoreError, classify},
    keys::{Key, Table, TableNames},
    write::{Expression, Transaction},
};

/// How often an operation is tried before its caller is told that the database is unavailable.
const TRIES_MAX: u32 = 8;
/// How long after its first try an operation is tried again. DynamoDB knows the token of a transaction for ten minutes.
const TRYING_MAX: Duration = Duration::from_mins(5);
/// The longest pause before the first retry; it doubles with each, up to [`PAUSE_MS_MAX`].
const PAUSE_MS_FIRST: u64 = 10;
/// The longest pause between two tries.
const PAUSE_MS_MAX: u64 = 400;
/// The most keys DynamoDB takes in one batch.
pub const BATCH_KEYS_MAX: usize = 100;

/// Reads and writes the tables.
#[derive(Clone)]
pub struct Store {
    client: Client,
    names: Arc<TableNames>,
    ids: Arc<dyn IdGen>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("names", &self.names).finish_non_exhaustive()
    }
}

/// A query of one partition of a table or index. It always has a limit.
#[derive(Debug, Clone)]
pub struct Query {
    /// The table.
    pub table: Table,
    /// An index with its key attribute names (`pk`, `sk`), or none for the table itself.
    pub index: Option<(&'static str, &'static str, &'static str)>,
    /// The partition.
    pub pk: String,
    /// Which part of the partition.
    pub range: Range,
    /// Largest keys first.
    pub descending: bool,
    /// The most items to answer, at most 1,000.
    pub limit: i32,
    /// Strongly consistent; an index never is.
    pub consistent: bool,
}

/// Which sort keys a query covers.
#[derive(Debug, Clone)]
pub enum Range {
    /// All of them.
    All,
    /// Those that start with this text.
    Prefix(String),
    /// From here on, this key included.
    From(String),
    /// Everything up to this key, itself excluded.
    Before(String),
    /// Everything after this key, itself excluded.
    After(String),
}

impl Store {
    /// Uses the tables through `client`. The client must not retry by itself: this type does.
    #[must_use]
    pub fn new(client: Client, names: TableNames, ids: Arc<dyn IdGen>) -> Self {
        Self { client, names: Arc::new(names), ids }
    }

    /// Reads one item, strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.retrying(|| async {
            let sent = self
                .client
                .get_item()
                .table_name(self.names.get(key.table))
                .set_key(Some(key.attributes()))
                .consistent_read(true)
                .send()
                .await;
            sent.map(|output| output.item).map_err(classify)
        })
        .await
    }

    /// Reads up to [`BATCH_KEYS_MAX`] items in one round trip, strongly consistent, in the order asked.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer, or answers only part of it again and again.
    pub async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut found: HashMap<(String, String, String), Item> = HashMap::new();
        let mut pending = self.batch(keys)?;
        for turn in 0..TRIES_MAX {
            if turn > 0 {
                self.pause(turn).await;
            }
            let request = pending;
            let output = self
                .retrying(|| async {
                    let call = self.client.batch_get_item().set_request_items(Some(request.clone()));
                    call.send().await.map_err(classify)
                })
                .await?;
            for (table, items) in output.responses.unwrap_or_default() {
                for item in items {
                    found.insert((table.clone(), key_part(&item, "pk"), key_part(&item, "sk")), item);
                }
            }
            pending = output.unprocessed_keys.unwrap_or_default();
            if pending.is_empty() {
                let place =
                    |key: &Key| (self.names.get(key.table).to_owned(), key.pk.clone(), key.sk.clone());
                return Ok(keys.iter().map(|key| found.get(&place(key)).cloned()).collect());
            }
        }
        Err(StoreError::Unavailable("some keys stayed unprocessed".into()))
    }

    /// Reads any number of items in batches that are all under way at once, strongly consistent, in the order
    /// asked. The caller bounds how many.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer, or answers only part of it again and again.
    pub async fn get_all(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        let batches = keys.chunks(BATCH_KEYS_MAX).map(|batch| Box::pin(self.get_many(batch))).collect();
        let mut items = Vec::with_capacity(keys.len());
        for batch in all(batches).await {
            items.extend(batch?);
        }
        Ok(items)
    }

    /// Reads a bounded part of one partition.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn query(&self, query: &Query) -> Result<Vec<Item>, StoreError> {
        let (pk, sk) = query.index.map_or(("pk", "sk"), |(_, pk, sk)| (pk, sk));
        let (condition, bound) = match &query.range {
            Range::All => ("#k = :k", None),
            Range::Prefix(text) => ("#k = :k AND begins_with(#r, :r)", Some(text)),
            Range::From(text) => ("#k = :k AND #r >= :r", Some(text)),
            Range::Before(text) => ("#k = :k AND #r < :r", Some(text)),
            Range::After(text) => ("#k = :k AND #r > :r", Some(text)),
        };
        self.retrying(|| async {
            let mut call = self
                .client
                .query()
                .table_name(self.names.get(query.table))
                .set_index_name(query.index.map(|(name, _, _)| name.to_owned()))
                .key_condition_expression(condition)
                .expression_attribute_names("#k", pk)
                .expression_attribute_values(":k", text(&query.pk))
                .scan_index_forward(!query.descending)
                .limit(query.limit.clamp(1, 1_000))
                .consistent_read(query.consistent && query.index.is_none());
            if let Some(bound) = bound {
                call =
                    call.expression_attribute_names("#r", sk).expression_attribute_values(":r", text(bound));
            }
            call.send().await.map(|output| output.items.unwrap_or_default()).map_err(classify)
        })
        .await
    }

    /// Reads one page of a whole table, strongly consistent, and where the next one starts.
    ///
    /// Only the audit may use it: everything else knows its keys.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn scan(
        &self,
        table: Table,
        from: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        self.retrying(|| async {
            let call = self
                .client
                .scan()
                .table_name(self.names.get(table))
                .consistent_read(true)
                .set_exclusive_start_key(from.clone());
            let output = call.send().await.map_err(classify)?;
            let next = output.last_evaluated_key.filter(|key| !key.is_empty());
            Ok((output.items.unwrap_or_default(), next))
        })
        .await
    }

    /// Changes one item under a condition and answers it as it is afterwards.
    ///
    /// # Errors
    /// [`StoreError::Refused`] with the item as it was found, when the condition fails.
    pub async fn update(&self, key: &Key, change: &Expression) -> Result<Item, StoreError> {
        self.retrying(|| async {
            let sent = self
                .client
                .update_item()
                .table_name(self.names.get(key.table))
                .set_key(Some(key.attributes()))
                .update_expression(change.update())
                .condition_expression(change.condition())
                .set_expression_attribute_names(change.names())
                .set_expression_attribute_values(change.values())
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
                .await;
            match sent {
                Ok(output) => Ok(output.attributes.unwrap_or_default()),
                Err(failure) => Err(match failure.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(found)) => {
                        StoreError::Refused(Refusal { failed: vec![(0, found.item.clone())] })
                    }
                    _ => classify(failure),
                }),
            }
        })
        .await
    }

    /// Carries out all writes or none.
    ///
    /// A try whose outcome is unknown is repeated under the same request token, so that DynamoDB recognises
    /// its own success. Conflicts and throttling are retried here; a refused condition never is.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when a condition did not hold; [`StoreError::Unavailable`] when the outcome
    /// is still unknown after all tries.
    pub async fn transact(&self, transaction: Transaction) -> Result<(), StoreError> {
        let items = transaction.into_items(&self.names)?;
        if items.is_empty() {
            return Ok(());
        }
        if items.len() > Transaction::WRITES_MAX {
            return Err(StoreError::Rejected(format!("{} writes in one transaction", items.len()).into()));
        }
        let token = format!("{:032x}", self.ids.random());
        self.retrying(|| async {
            let sent = self
                .client
                .transact_write_items()
                .set_transact_items(Some(items.clone()))
                .client_request_token(&token)
                .send()
                .await;
            sent.map(|_| ()).map_err(|failure| match failure.as_service_error() {
                Some(TransactError::TransactionCanceledException(cancelled)) => {
                    match read_reasons(cancelled.cancellation_reasons()) {
                        Reasons::Refused(refusal) => StoreError::Refused(refusal),
                        Reasons::Transient => StoreError::Unavailable(failure.into()),
                        Reasons::Bug => StoreError::Rejected(failure.into()),
                    }
                }
                _ => classify(failure),
            })
        })
        .await
    }

    async fn retrying<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let (mut turn, begun) = (1, self.now());
        loop {
            // Boxed, for the futures of the SDK are deep and would make every caller's as deep.
            let outcome = Box::pin(attempt()).await;
            if turn >= TRIES_MAX || !matches!(outcome, Err(StoreError::Unavailable(_))) {
                return outcome;
            }
            self.pause(turn).await;
            let end = begun.and_then(|begun| begun.checked_add(TRYING_MAX));
            if self.now() > end {
                return outcome;
            }
            turn = turn.saturating_add(1);
        }
    }

    /// The client's own idea of the time, which need not be the machine's.
    fn now(&self) -> Option<SystemTime> {
        self.client.config().time_source().map(|source| source.now())
    }

    /// Waits a random time below a bound that doubles with each try, so that losers of a race spread out.
    async fn pause(&self, turn: u32) {
        let bound =
            PAUSE_MS_FIRST.saturating_mul(1_u64.checked_shl(turn).unwrap_or(u64::MAX)).min(PAUSE_MS_MAX);
        let random = u64::try_from(self.ids.random() & u128::from(u64::MAX)).unwrap_or(0);
        let pause_ms = random.checked_rem(bound.saturating_add(1)).unwrap_or(0);
        let pause = Duration::from_millis(pause_ms);
        match self.client.config().sleep_impl() {
            // The client's own idea of waiting, which need not be the machine's clock.
            Some(sleep) => sleep.sleep(pause).await,
            #[expect(clippy::disallowed_methods, reason = "the bounded back-off between two tries")]
            None => tokio::time::sleep(pause).await,
        }
    }

    fn batch(&self, keys: &[Key]) -> Result<HashMap<String, KeysAndAttributes>, StoreError> {
        if keys.len() > BATCH_KEYS_MAX {
            return Err(StoreError::Rejected(format!("{} keys in one batch", keys.len()).into()));
        }
        let mut wanted = keys.to_vec();
        wanted.sort();
        wanted.dedup();
        let mut by_table: HashMap<String, Vec<HashMap<String, AttributeValue>>> = HashMap::new();
        for key in wanted {
            by_table.entry(self.names.get(key.table).to_owned()).or_default().push(key.attributes());
        }
        let build = |(table, keys): (String, Vec<_>)| {
            let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
            request.map(|built| (table, built)).map_err(|e| StoreError::Rejected(e.into()))
        };
        by_table.into_iter().map(build).collect()
    }
}

/// Waits for all of them at once, on the caller's own task.
async fn all<F: Future + Unpin>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<(Option<F>, Option<F::Output>)> =
        futures.into_iter().map(|future| (Some(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut running {
            if let Some(Poll::Ready(ready)) = future.as_mut().map(|future| Pin::new(future).poll(context)) {
                (*future, *output) = (None, Some(ready));
            }
        }
        let is_done = running.iter().all(|(future, _)| future.is_none());
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

enum Reasons {
    Refused(Refusal),
    Transient,
    Bug,
}

/// Reads why a transaction was cancelled, write by write. A conflict beside a failed condition is retried:
/// the condition was judged against a state that was just changing.
fn read_reasons(reasons: &[CancellationReason]) -> Reasons {
    let mut failed = Vec::new();
    let mut transient = false;
    for (index, reason) in reasons.iter().enumerate() {
        match reason.code().unwrap_or("None") {
            "None" => {}
            "ConditionalCheckFailed" => failed.push((index, reason.item.clone())),
            "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded" => transient = true,
            _ => return Reasons::Bug,
        }
    }
    if transient || failed.is_empty() { Reasons::Transient } else { Reasons::Refused(Refusal { failed }) }
}

/// A key attribute of an item, empty when it has none.
#[must_use]
pub fn key_part(item: &Item, name: &str) -> String {
    item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
}
