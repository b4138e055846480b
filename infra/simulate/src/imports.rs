//! Counts of stock by file in a history: sent, replaced, carried out by several workers at once, and what has to come of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use sutler_domain::{
    ids::{ImportId, SellerId, VariantId},
    stock_import::{ImportState, RowOutcome, RowProblem, RowResult, StockImport},
    time::Timestamp,
};
use sutler_gateways::files::{FileError, FileStore, NewFile, StoredFile};
use sutler_runtime::{Handled, worker::QueueMessage};
use sutler_services::{
    Error,
    stock_imports::{self, GoOn, Pass, Which, remembered},
};

use crate::{
    books::Books,
    chance::Chance,
    delivery::{Line, deliver_messages, forward, post},
    labels::both,
    lock,
    notes::Notes,
    sellers::RECOUNT,
    wire::Weather,
    world::{Failure, World, chain},
};

/// How many results are read at a time.
const RESULTS_PER_PAGE: u16 = 100;

/// A row of a file as it was written, if it counts something of the seller's.
#[derive(Debug, Clone)]
struct Row {
    counted: Option<(VariantId, u32, String)>,
}

/// Files by key. Clones share everything.
#[derive(Clone)]
pub struct Files {
    kept: Arc<Mutex<BTreeMap<String, StoredFile>>>,
    /// What every file said that ever was, by what the store called it.
    rows: Arc<Mutex<BTreeMap<String, Vec<Row>>>>,
    chance: Chance,
    notes: Notes,
    weather: Weather,
}

impl Files {
    /// An empty store in this weather.
    #[must_use]
    pub fn new(chance: Chance, notes: Notes, weather: Weather) -> Self {
        Self { kept: Arc::default(), rows: Arc::default(), chance, notes, weather }
    }

    fn put(&self, key: String, etag: String, text: String, rows: Vec<Row>) {
        lock(&self.rows).insert(etag.clone(), rows);
        lock(&self.kept).insert(key, StoredFile { etag, bytes: text.into_bytes() });
    }

    fn fails(&self, what: &str) -> Result<(), FileError> {
        if self.chance.happens(self.weather.level().saturating_mul(25)) {
            self.notes.fault(&format!("files: {what} lost"));
            return Err(FileError::Unavailable("told to fail".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl FileStore for Files {
    fn upload_link(&self, key: &str, _: u64, _: i64, _: Timestamp) -> Result<String, FileError> {
        Ok(key.to_owned())
    }

    fn download_link(&self, key: &str, _: i64, _: Timestamp) -> Result<String, FileError> {
        Ok(key.to_owned())
    }

    async fn read(&self, key: &str, _: u64, _: Timestamp) -> Result<Option<StoredFile>, FileError> {
        tokio::task::yield_now().await;
        self.fails("request")?;
        let found = lock(&self.kept).get(key).cloned();
        tokio::task::yield_now().await;
        self.fails("answer")?;
        Ok(found)
    }

    async fn write(&self, file: NewFile<'_>, _: Timestamp) -> Result<(), FileError> {
        Err(FileError::Rejected(format!("{} is not for us to write", file.key).into()))
    }
}

/// A seller counts what is theirs and sends the table; sometimes they think better of it and send another.
pub async fn send(world: Arc<World>) {
    let Some(good) = world.chance.pick(&world.goods) else { return };
    let seller = &good.seller;
    let (text, rows) = table(&world, seller);
    let bytes = u64::try_from(text.len()).unwrap_or(0);
    let key = world.chance.happens(700).then(|| format!("k{}", world.number()));
    let mut made: Option<StockImport> = None;
    // A lost answer makes people ask again.
    for _ in 0..if key.is_some() && world.chance.happens(300) { 2 } else { 1 } {
        let body = bytes.to_string();
        let once = world.once(seller.as_str(), "create_stock_import", key.as_deref(), &body, remembered);
        let created = stock_imports::create(&world.app, seller, bytes, &once).await;
        world.ended(&format!("{seller} wants to send {bytes} bytes of counts"), &created);
        let Ok(created) = created else { continue };
        if made.as_ref().is_some_and(|first| first.id != created.id) {
            world.notes.accuse(format!("the key {key:?} led to two imports"));
        }
        lock(&world.memory).imports.push(created.id.clone());
        made = Some(created);
    }
    let Some(import) = made else { return };
    upload(&world, &import, (text, rows));
    while world.chance.happens(150) {
        tokio::task::yield_now().await;
        upload(&world, &import, table(&world, seller));
    }
}

fn upload(world: &World, import: &StockImport, (text, rows): (String, Vec<Row>)) {
    let link = stock_imports::upload(&world.app, &world.files, import);
    let Ok(Some((key, _))) = link else { return };
    let etag = format!("etag{}", world.number());
    world.notes.say(&format!("{} has {} rows in {etag}", import.id, rows.len()));
    world.files.put(key, etag, text, rows);
    let Ok(body) = serde_json::to_string(&GoOn { import: import.id.clone() }) else { return };
    let copies = if world.weather.level() == 0 { 1 } else { world.chance.between(1, 2) };
    (0..copies).for_each(|_| post(world, Line::Imports, &body));
    lock(&world.memory).uploads.entry(import.id.clone()).or_default();
}

/// What a seller counted, with reasons of which no two are the same, and what has no business in a table.
fn table(world: &World, seller: &SellerId) -> (String, Vec<Row>) {
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    let junk = if world.chance.happens(200) { world.chance.between(40, 90) } else { world.chance.below(3) };
    for _ in 0..junk {
        lines.push(format!("none-{},3,", world.number()));
        rows.push(Row { counted: None });
    }
    for good in &world.goods {
        let place = world.chance.place(lines.len().saturating_add(1));
        let (count, sku) = (world.chance.below(9), &good.variant);
        if good.seller != *seller {
            if world.chance.happens(300) {
                lines.insert(place, format!("{sku},{count},"));
                rows.insert(place, Row { counted: None });
            }
            continue;
        }
        let reason = format!("{RECOUNT}{count} the {}th time", world.number());
        let is_wrong = world.chance.happens(50);
        lines.insert(place, format!("{sku},{}{count},{reason}", if is_wrong { "x" } else { "" }));
        let count = u32::try_from(count).ok().filter(|_| !is_wrong);
        rows.insert(place, Row { counted: count.map(|count| (sku.clone(), count, reason)) });
    }
    let header = if world.chance.happens(40) { "sku,pieces,reason" } else { "sku,quantity,reason" };
    (format!("{header}\n{}\n", lines.join("\n")), rows)
}

/// Workers get what there is to carry out, sometimes two at once.
pub async fn work(world: Arc<World>) {
    let one = || Box::pin(deliver_messages(Arc::clone(&world), Line::Imports));
    if world.chance.happens(500) {
        both(one(), one()).await;
    } else {
        one().await;
    }
}

/// A worker goes on with an import, as long as it has time, which may be none.
pub async fn go_on(world: &World, message: &QueueMessage) -> Handled {
    let GoOn { import } =
        serde_json::from_str(&message.body).map_err(|error| Error::Internal(error.into()))?;
    let hurries = world.weather.level() > 0 && world.chance.happens(400);
    let millis = if hurries { world.chance.below(200) } else { 40_000 };
    let until = Timestamp::from_millis(
        world.app.now().millis().saturating_add(i64::try_from(millis).unwrap_or(i64::MAX)),
    );
    let pass = stock_imports::run(&world.app, &world.files, &import, until).await?;
    world.notes.say(&format!("{import}: {pass:?}"));
    match pass {
        Pass::Unfinished => post(world, Line::Imports, &message.body),
        Pass::Ended => {
            forward(world);
            lock(&world.memory).uploads.insert(import.clone(), true);
            let found = lock(&world.books).imports.get(&import).cloned();
            if found.is_some_and(|found| !found.is_over(world.app.now())) {
                world.notes.accuse(format!("{import} was left before its end"));
            }
        }
    }
    Ok(())
}

/// An import goes from state to state as it may, and never back.
pub fn check_change(before: Option<&StockImport>, import: &StockImport, wrong: &mut Vec<String>) {
    use ImportState::{AwaitingUpload, Done, Failed, Running};
    let allowed = match (before.map(|before| &before.state), &import.state) {
        (None, AwaitingUpload { .. })
        | (Some(AwaitingUpload { .. }), Running { .. } | Done { .. } | Failed { .. })
        | (Some(Running { .. }), Done { .. } | Failed { .. }) => true,
        (Some(Running { etag: was, .. }), Running { etag: is, .. }) => was == is,
        _ => false,
    };
    let goes_on = before.is_none_or(|before| {
        before.position() <= import.position()
            && (before.rows == import.rows || before.rows == 0)
            && (&before.seller, before.bytes) == (&import.seller, import.bytes)
    });
    if !allowed || !goes_on || import.position() > import.rows {
        let before = before.map(|before| before.state.name());
        wrong.push(format!("{} went from {before:?} to {}", import.id, import.state.name()));
    }
}

/// Every row of every file was carried out once, or not at all, as its result says.
pub async fn check(world: &World) -> Result<(), Failure> {
    let asked = lock(&world.memory).imports.clone();
    for id in asked {
        let (import, etag) = {
            let books = lock(&world.books);
            (books.imports.get(&id).cloned(), books.files.get(&id).cloned())
        };
        let Some(import) = import else {
            world.notes.accuse(format!("{id} was answered and does not exist"));
            continue;
        };
        if matches!(import.state, ImportState::Running { .. }) {
            world.notes.accuse(format!("{id} stays running"));
        }
        let results = match results(world, &import).await {
            Ok(results) => results,
            Err(error) => {
                world.notes.accuse(format!("the results of {id} do not read: {}", chain(&error)));
                continue;
            }
        };
        let rows = etag.and_then(|etag| lock(&world.files.rows).get(&etag).cloned()).unwrap_or_default();
        check_results(world, &import, &rows, &results);
    }
    check_other_files(world);
    let uploads = lock(&world.memory).uploads.clone();
    for (id, _) in uploads.iter().filter(|(_, has_ended)| !**has_ended) {
        world.notes.accuse(format!("{id} was uploaded, and no worker came to its end"));
    }
    Ok(())
}

async fn results(world: &World, import: &StockImport) -> Result<Vec<RowResult>, Error> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = stock_imports::results(&world.app, import, Which::All, after, RESULTS_PER_PAGE).await?;
        all.extend(page.0);
        let Some(next) = page.1 else { return Ok(all) };
        after = next;
    }
}

fn check_results(world: &World, import: &StockImport, rows: &[Row], results: &[RowResult]) {
    let (id, state) = (&import.id, import.state.name());
    let books = lock(&world.books);
    let count = u32::try_from(results.len()).unwrap_or(u32::MAX);
    let is_done = matches!(import.state, ImportState::Done { .. });
    if count != import.position() || (is_done && results.len() != rows.len()) {
        let position = import.position();
        world.notes.accuse(format!("{id} is {state} at row {position}, and {count} rows have a result"));
    }
    // The header is line 1.
    for ((row, line), result) in
        rows.iter().zip(2_u32..).zip(results.iter().map(Some).chain([None].into_iter().cycle()))
    {
        if result.is_some_and(|result| result.line != line) {
            world.notes.accuse(format!("line {line} of {id} has no result where it should be"));
            return;
        }
        check_row(world, &books, (id, line), row, result.map(|result| &result.outcome));
    }
}

fn check_row(
    world: &World,
    books: &Books,
    (id, line): (&ImportId, u32),
    row: &Row,
    outcome: Option<&RowOutcome>,
) {
    let Some((variant, count, reason)) = &row.counted else {
        if matches!(outcome, Some(RowOutcome::Applied { .. } | RowOutcome::Unchanged { .. })) {
            world
                .notes
                .accuse(format!("line {line} of {id} counts nothing of the seller's, and was carried out"));
        }
        return;
    };
    let made = books.corrections.get(reason).map(|made| (&made.variant, made.units));
    let is_right = match outcome {
        Some(RowOutcome::Applied { before, after }) => {
            let units = i64::try_from(*after)
                .unwrap_or(i64::MAX)
                .saturating_sub(i64::try_from(*before).unwrap_or(i64::MAX));
            made == Some((variant, units)) && *after == u64::from(*count)
        }
        Some(RowOutcome::Unchanged { on_hand }) => made.is_none() && *on_hand == u64::from(*count),
        Some(RowOutcome::Refused { problem: RowProblem::BelowHeld { .. } | RowProblem::KeepsMoving })
        | None => made.is_none(),
        Some(RowOutcome::Refused { .. }) => false,
    };
    if !is_right {
        world.notes.accuse(format!("line {line} of {id} counts {count}: {outcome:?}, and {made:?} was made"));
    }
}

/// What was in a file that another replaced was never counted.
fn check_other_files(world: &World) {
    let books = lock(&world.books);
    let begun: Vec<&String> = books.files.values().collect();
    for (etag, rows) in lock(&world.files.rows).iter().filter(|(etag, _)| !begun.contains(etag)) {
        let made =
            |row: &&Row| row.counted.as_ref().is_some_and(|row| books.corrections.contains_key(&row.2));
        if rows.iter().any(|row| made(&row)) {
            world.notes.accuse(format!("{etag} was counted, and no import began it"));
        }
    }
}
