//! Counts of stock by file: each row exactly once, whatever breaks, repeats or races, and never below what is held.
#![expect(clippy::expect_used, reason = "a test fails by stopping")]

use std::time::Duration;

use sutler_domain::{
    ids::{ImportId, VariantId},
    stock_import::{Counts, EXPIRY_SECONDS, FileProblem, ImportState, RowOutcome, RowProblem, StockImport},
};
use sutler_gateways::files::{FileError, FileStore};
use sutler_services::{
    Error, inventory,
    stock_imports::{self, Pass, Which, create, file_key, remembered, run, upload},
};
use sutler_testkit::{Fault, Moment, Operation, RandomFaults, Reason, Rule, TestApp, TestCloud, TestUser};
use tokio::task::JoinSet;

/// A shop, what it sells, and where its files are.
#[derive(Clone)]
struct Shop {
    test: TestApp,
    cloud: TestCloud,
    seller: TestUser,
}

impl Shop {
    async fn open() -> Self {
        let test = TestApp::new().await;
        let seller = test.seller("ada").await;
        Self { test, cloud: TestCloud::default(), seller }
    }

    /// Something with an article number.
    async fn sells(&self, sku: &str, units: u32) -> VariantId {
        self.test.article(&self.seller, sku, units).await
    }

    /// So many things with one unit each, called `S0`, `S1` and so on.
    async fn sells_many(&self, count: u32) -> Vec<VariantId> {
        let mut variants = Vec::new();
        for number in 0..count {
            variants.push(self.sells(&format!("S{number}"), 1).await);
        }
        variants
    }

    async fn prepared(&self, text: &str) -> StockImport {
        let bytes = u64::try_from(text.len()).expect("a size");
        let once = self.test.once(remembered);
        create(&self.test.app, &self.seller.seller(), bytes, &once).await.expect("an import")
    }

    /// An import whose file was uploaded.
    async fn sent(&self, text: &str) -> ImportId {
        let import = self.prepared(text).await;
        let link = upload(&self.test.app, &self.cloud.files(), &import).expect("a link").expect("in time").0;
        assert_eq!(self.cloud.upload(&link, text.as_bytes(), self.test.app.now()), 200);
        import.id
    }

    async fn run(&self, id: &ImportId) -> Result<Pass, Error> {
        let until = self.test.app.now().plus_seconds(600);
        run(&self.test.app, &self.cloud.files(), id, until).await
    }

    /// A file that is sent and carried out.
    async fn imported(&self, text: &str) -> StockImport {
        let id = self.sent(text).await;
        assert_eq!(self.run(&id).await.expect("a run"), Pass::Ended);
        self.read(&id).await
    }

    async fn read(&self, id: &ImportId) -> StockImport {
        stock_imports::get(&self.test.app, &self.seller.seller(), id).await.expect("an import")
    }

    async fn outcomes(&self, import: &StockImport, which: Which) -> Vec<(u32, String, RowOutcome)> {
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let page = stock_imports::results(&self.test.app, import, which, after, 100).await;
            let (results, next) = page.expect("results");
            found.extend(results.into_iter().map(|result| (result.line, result.sku, result.outcome)));
            let Some(next) = next else { return found };
            after = next;
        }
    }

    /// Available and how often the stock changed, of each.
    async fn stocks(&self, variants: &[VariantId]) -> Vec<(u32, u64)> {
        let mut found = Vec::new();
        for variant in variants {
            let read = self.test.app.store.stock(variant).await.expect("an answer").expect("some stock");
            found.push((read.value.available, read.version.0));
        }
        found
    }
}

/// A file that counts five of everything [`Shop::sells_many`] sells.
fn five_of_each(count: u32) -> String {
    let rows: Vec<String> = (0..count).map(|number| format!("S{number},5\n")).collect();
    format!("sku,quantity\n{}", rows.concat())
}

fn counts(applied: u32, unchanged: u32, refused: u32) -> Counts {
    Counts { applied, unchanged, refused }
}

fn refused(problem: RowProblem) -> RowOutcome {
    RowOutcome::Refused { problem }
}

#[tokio::test]
async fn a_file_makes_the_stock_what_was_counted_and_every_row_has_its_result() {
    let shop = Shop::open().await;
    let things = [shop.sells("A", 3).await, shop.sells("B", 3).await, shop.sells("C", 3).await];
    let rival = shop.test.seller("eve").await;
    let foreign = shop.test.article(&rival, "EVE-1", 7).await;
    shop.test.order(&shop.test.user("bob").await, &[(&things[2], 2)]).await;
    let text = "sku,quantity,reason\nA,5,stocktaking\nB,3,\nC,1,\nEVE-1,0,\nA,9,\nnothing,1,\nC,x,\n";
    let import = shop.imported(text).await;
    assert_eq!((import.state.name(), import.rows, import.counts), ("done", 7, counts(1, 1, 5)));
    let found = shop.outcomes(&import, Which::All).await;
    let expected = [
        (2, "A", RowOutcome::Applied { before: 3, after: 5 }),
        (3, "B", RowOutcome::Unchanged { on_hand: 3 }),
        (4, "C", refused(RowProblem::BelowHeld { held: 2 })),
        (5, "EVE-1", refused(RowProblem::SkuUnknown)),
        (6, "A", refused(RowProblem::SkuTwice { first: 2 })),
        (7, "nothing", refused(RowProblem::SkuUnknown)),
        (8, "C", refused(RowProblem::SkuTwice { first: 4 })),
    ];
    let expected: Vec<_> = expected.map(|(line, sku, outcome)| (line, sku.to_owned(), outcome)).to_vec();
    assert_eq!(found, expected);
    assert_eq!(shop.outcomes(&import, Which::Refused).await, expected[2..].to_vec());
    assert_eq!(shop.stocks(&things).await, [(5, 2), (3, 1), (1, 2)]);
    assert_eq!(shop.stocks(&[foreign]).await, [(7, 1)], "another's stock is out of reach");
    shop.test.assert_clean().await;
}

#[tokio::test]
async fn a_file_that_is_sent_twice_changes_nothing_the_second_time() {
    let shop = Shop::open().await;
    let things = shop.sells_many(100).await;
    assert_eq!(shop.imported(&five_of_each(100)).await.counts, counts(100, 0, 0));
    let after = shop.stocks(&things).await;
    assert_eq!(after, vec![(5, 2); 100]);
    let again = shop.imported(&five_of_each(100)).await;
    assert_eq!((again.counts, shop.stocks(&things).await), (counts(0, 100, 0), after.clone()));
    // And the word of the upload may come again as well.
    let versions = shop.test.app.store.stock_import(&again.id).await.expect("an answer").expect("it").version;
    assert_eq!(shop.run(&again.id).await.expect("a run"), Pass::Ended);
    let later = shop.test.app.store.stock_import(&again.id).await.expect("an answer").expect("it").version;
    assert_eq!((later, shop.stocks(&things).await), (versions, after));
}

#[tokio::test]
async fn an_import_that_breaks_anywhere_goes_on_and_counts_each_row_once() {
    // It begins, and takes three transactions for its rows.
    for skip in 0..4 {
        for (moment, fault) in [
            (Moment::Before, Fault::Killed),
            (Moment::After, Fault::Killed),
            (Moment::After, Fault::Dropped),
            (Moment::Before, Fault::Conflict),
        ] {
            let shop = Shop::open().await;
            let things = shop.sells_many(100).await;
            let id = shop.sent(&five_of_each(100)).await;
            let rule = match moment {
                Moment::Before => Rule::before(Operation::TransactWriteItems, fault),
                Moment::After => Rule::after(Operation::TransactWriteItems, fault),
            };
            shop.test.db.fault(rule.skip(skip));
            let (other, other_id) = (shop.clone(), id.clone());
            let run = async move { other.run(&other_id).await };
            drop(tokio::time::timeout(Duration::from_millis(200), run).await);
            shop.test.db.calm();
            assert_eq!(shop.run(&id).await.expect("a run"), Pass::Ended);
            let import = shop.read(&id).await;
            assert_eq!(import.counts, counts(100, 0, 0), "{moment:?} {skip}");
            assert_eq!(shop.stocks(&things).await, vec![(5, 2); 100], "{moment:?} {skip}");
            let lines: Vec<u32> =
                shop.outcomes(&import, Which::All).await.iter().map(|(line, ..)| *line).collect();
            assert_eq!(lines, (2..102).collect::<Vec<u32>>());
        }
    }
}

#[tokio::test]
async fn an_import_waits_while_files_or_database_are_away() {
    let shop = Shop::open().await;
    let things = shop.sells_many(3).await;
    let id = shop.sent(&five_of_each(3)).await;
    shop.test.db.fault(Rule::before(Operation::BatchGetItem, Fault::Dropped).times(50));
    assert!(matches!(shop.run(&id).await, Err(Error::Store(_))));
    shop.test.db.calm();
    for _ in 0..3 {
        shop.cloud.fail(503);
    }
    assert!(matches!(shop.run(&id).await, Err(Error::Unavailable(_))));
    shop.cloud.fail(403);
    assert!(matches!(shop.run(&id).await, Err(Error::Internal(_))));
    assert_eq!(shop.stocks(&things).await, vec![(1, 1); 3]);
    shop.cloud.fail(500);
    assert_eq!(shop.run(&id).await.expect("a run after a try more"), Pass::Ended);
    assert_eq!(shop.read(&id).await.counts, counts(3, 0, 0));
}

#[tokio::test]
async fn the_same_import_in_parallel_counts_each_row_once() {
    for seed in 0..6 {
        let shop = Shop::open().await;
        let things = shop.sells_many(100).await;
        let id = shop.sent(&five_of_each(100)).await;
        shop.test.db.random_faults(RandomFaults::rough(seed));
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let (shop, id) = (shop.clone(), id.clone());
            tasks.spawn(async move { while shop.run(&id).await.is_err() {} });
        }
        while let Some(outcome) = tasks.join_next().await {
            outcome.expect("no panic");
        }
        shop.test.db.calm();
        let import = shop.read(&id).await;
        assert_eq!((import.state.name(), import.counts), ("done", counts(100, 0, 0)), "seed {seed}");
        assert_eq!(shop.stocks(&things).await, vec![(5, 2); 100], "seed {seed}");
        assert_eq!(shop.outcomes(&import, Which::All).await.len(), 100);
    }
}

#[tokio::test]
async fn orders_go_on_while_stock_is_counted_and_no_unit_is_lost_or_sold_twice() {
    for seed in 0..6 {
        let shop = Shop::open().await;
        let (hot, cold) = (shop.sells("HOT", 20).await, shop.sells("COLD", 20).await);
        let mut buyers = Vec::new();
        for number in 0..12 {
            buyers.push(shop.test.user(&format!("buyer{number}")).await);
        }
        let id = shop.sent("sku,quantity\nHOT,30\nCOLD,15\n").await;
        shop.test.db.random_faults(RandomFaults::new(seed).rate(100, Moment::Before, Fault::Conflict));
        let mut tasks = JoinSet::new();
        for buyer in buyers {
            let (test, hot, cold) = (shop.test.clone(), hot.clone(), cold.clone());
            tasks.spawn(async move { drop(test.order(&buyer, &[(&hot, 1), (&cold, 1)]).await) });
        }
        let (importer, import) = (shop.clone(), id.clone());
        tasks.spawn(async move { assert_eq!(importer.run(&import).await.expect("a run"), Pass::Ended) });
        while let Some(outcome) = tasks.join_next().await {
            outcome.expect("no panic");
        }
        shop.test.db.calm();
        assert_eq!(shop.read(&id).await.counts, counts(2, 0, 0), "seed {seed}");
        assert_eq!(shop.test.stock(&hot).await, (18, 12, 0), "seed {seed}");
        assert_eq!(shop.test.stock(&cold).await, (3, 12, 0), "seed {seed}");
        shop.test.assert_clean().await;
    }
}

#[tokio::test]
async fn what_keeps_moving_is_refused_and_the_others_are_counted() {
    let shop = Shop::open().await;
    let things = shop.sells_many(3).await;
    let id = shop.sent(&five_of_each(3)).await;
    // The import begins, and then the second row's stock is never as it was read.
    let moved = Fault::Cancelled(vec![(2, Reason::ConditionalCheckFailed)]);
    shop.test.db.fault(Rule::before(Operation::TransactWriteItems, moved).skip(1).times(8));
    assert_eq!(shop.run(&id).await.expect("a run"), Pass::Ended);
    let import = shop.read(&id).await;
    assert_eq!(import.counts, counts(2, 0, 1));
    let expected = vec![(3, "S1".to_owned(), refused(RowProblem::KeepsMoving))];
    assert_eq!(shop.outcomes(&import, Which::Refused).await, expected);
    assert_eq!(shop.stocks(&things).await, [(5, 2), (1, 1), (5, 2)]);
}

#[tokio::test]
async fn a_variant_that_is_spread_is_counted_as_a_whole() {
    let shop = Shop::open().await;
    let (wide, plain) = (shop.sells("WIDE", 64).await, shop.sells_many(60).await);
    shop.test.flash_sale(&shop.seller, &wide, 64, None).await;
    let text = format!("{}WIDE,70\n", five_of_each(60));
    assert_eq!(shop.imported(&text).await.counts, counts(61, 0, 0));
    assert_eq!(shop.test.stock(&wide).await, (70, 0, 0));
    assert_eq!(shop.stocks(&plain).await, vec![(5, 2); 60]);
    assert_eq!(shop.imported("sku,quantity\nWIDE,70\n").await.counts, counts(0, 1, 0));
    assert_eq!(shop.imported("sku,quantity\nWIDE,3\n").await.counts, counts(1, 0, 0));
    assert_eq!(shop.test.stock(&wide).await, (3, 0, 0));
    shop.test.assert_clean().await;
}

#[tokio::test]
async fn spreading_a_variant_while_it_is_counted_loses_no_unit() {
    for seed in 0..8 {
        let shop = Shop::open().await;
        let thing = shop.sells("A", 12).await;
        let id = shop.sent("sku,quantity\nA,12\n").await;
        shop.test.db.random_faults(RandomFaults::new(seed));
        let spread = shop.test.flash_sale(&shop.seller, &thing, 6, None);
        let (outcome, ()) = tokio::join!(shop.run(&id), spread);
        assert_eq!(outcome.expect("a run"), Pass::Ended);
        shop.test.db.calm();
        assert_eq!(shop.read(&id).await.counts, counts(0, 1, 0), "seed {seed}");
        assert_eq!(shop.test.stock(&thing).await, (12, 0, 0), "seed {seed}");
    }
}

#[tokio::test]
async fn a_bad_file_fails_as_a_whole_before_anything_changes() {
    let shop = Shop::open().await;
    let things = shop.sells_many(2).await;
    let too_many = format!("sku,quantity\nS0,5\n{}", "x,1\n".repeat(100_000));
    for (text, problem) in [
        ("S0,5\nS1,5\n", FileProblem::ColumnMissing),
        ("sku,quantity,note\nS0,5,\"\nS1,5,\n", FileProblem::QuoteOpen),
        ("sku,quantity,sku\nS0,5,\n", FileProblem::ColumnTwice),
        (too_many.as_str(), FileProblem::TooManyRows),
    ] {
        let import = shop.imported(text).await;
        let at = shop.test.app.now();
        assert_eq!((import.state, import.counts), (ImportState::Failed { problem, at }, counts(0, 0, 0)));
    }
    let import = shop.prepared("1234567890").await;
    shop.cloud.put_file(&file_key(&import.id), b"sku,quantity\nS\xe9,5\n");
    shop.run(&import.id).await.expect("a run");
    assert!(matches!(
        shop.read(&import.id).await.state,
        ImportState::Failed { problem: FileProblem::NotUtf8, .. }
    ));
    assert_eq!(shop.stocks(&things).await, [(1, 1), (1, 1)]);
}

#[tokio::test]
async fn nobody_uploads_more_than_was_said_or_after_the_time() {
    let shop = Shop::open().await;
    let text = "sku,quantity\n";
    let import = shop.prepared(text).await;
    let files = shop.cloud.files();
    let (link, seconds) = upload(&shop.test.app, &files, &import).expect("a link").expect("in time");
    let now = shop.test.app.now();
    assert_eq!(shop.cloud.upload(&link, b"sku,quantity\nA,1\n", now), 403, "more bytes");
    assert_eq!(
        shop.cloud.upload(&link, text.as_bytes(), now.plus_seconds(seconds).plus_seconds(1)),
        403,
        "too late"
    );
    assert_eq!(shop.cloud.upload(&link.replace("imp_", "imp_0"), text.as_bytes(), now), 403, "another file");
    shop.cloud.put_file("large", &[0; 11]);
    assert!(matches!(files.read("large", 10, now).await, Err(FileError::TooLarge)));
    assert_eq!(files.read("none", 10, now).await.expect("an answer"), None);
    // The word of an upload that comes after all time has passed changes nothing.
    assert_eq!(shop.cloud.upload(&link, text.as_bytes(), now), 200);
    shop.test.clock().advance(Duration::from_secs(u64::try_from(EXPIRY_SECONDS).expect("seconds")));
    assert_eq!(shop.run(&import.id).await.expect("a run"), Pass::Ended);
    let import = shop.read(&import.id).await;
    assert_eq!(import.state_name(shop.test.app.now()), "expired");
    assert_eq!(upload(&shop.test.app, &files, &import).expect("no failure"), None);
}

#[tokio::test]
async fn a_file_that_is_replaced_on_the_way_ends_the_import_where_it_is() {
    let shop = Shop::open().await;
    let things = shop.sells_many(100).await;
    let id = shop.sent(&five_of_each(100)).await;
    // The second transaction for rows fails for good, as far as this run is concerned.
    let away = Rule::before(Operation::TransactWriteItems, Fault::Dropped);
    shop.test.db.fault(away.skip(2).times(8));
    assert_eq!(shop.run(&id).await.expect("a run"), Pass::Unfinished);
    shop.cloud.put_file(&file_key(&id), five_of_each(100).replace(",5", ",7").as_bytes());
    assert_eq!(shop.run(&id).await.expect("a run"), Pass::Ended);
    let import = shop.read(&id).await;
    assert!(matches!(import.state, ImportState::Failed { problem: FileProblem::Changed, .. }));
    assert_eq!(import.counts, counts(45, 0, 0));
    let changed = shop.stocks(&things).await.into_iter().filter(|stock| *stock == (5, 2)).count();
    assert_eq!(changed, 45);
}

#[tokio::test]
async fn a_run_stops_in_time_and_another_goes_on() {
    let shop = Shop::open().await;
    shop.sells_many(100).await;
    let id = shop.sent(&five_of_each(100)).await;
    let files = shop.cloud.files();
    for expected in [0, 45, 90] {
        let until = shop.test.app.now().plus_seconds(10);
        // The one transaction that begins, or the first for rows, takes until the time is up.
        let slow = Fault::Slow(Duration::from_secs(10));
        shop.test.db.fault(Rule::before(Operation::TransactWriteItems, slow));
        assert_eq!(run(&shop.test.app, &files, &id, until).await.expect("a run"), Pass::Unfinished);
        assert_eq!(shop.read(&id).await.position(), expected);
    }
    assert_eq!(shop.run(&id).await.expect("a run"), Pass::Ended);
    assert_eq!(shop.read(&id).await.counts, counts(100, 0, 0));
    assert_eq!(shop.run(&id).await.expect("a run"), Pass::Ended, "nothing is left to do");
}

#[tokio::test]
async fn a_run_that_got_somewhere_is_followed_by_another_and_one_that_did_not_fails() {
    let shop = Shop::open().await;
    shop.sells_many(100).await;
    let id = shop.sent(&five_of_each(100)).await;
    let busy = |skip| Rule::before(Operation::TransactWriteItems, Fault::Conflict).skip(skip).times(8);
    // It begins, and carries out no row, some rows, and none again.
    for (skip, expected) in [(1, None), (1, Some(45)), (0, None)] {
        shop.test.db.fault(busy(skip));
        let outcome = shop.run(&id).await;
        match expected {
            Some(position) => {
                assert_eq!(outcome.expect("a run"), Pass::Unfinished);
                assert_eq!(shop.read(&id).await.position(), position);
            }
            None => assert!(matches!(outcome, Err(Error::Store(_)))),
        }
        shop.test.db.calm();
    }
    assert_eq!(shop.run(&id).await.expect("a run"), Pass::Ended);
    assert_eq!(shop.read(&id).await.counts, counts(100, 0, 0));
}

#[tokio::test]
async fn a_count_tells_the_history_why() {
    let shop = Shop::open().await;
    let things = [shop.sells("A", 1).await, shop.sells("B", 1).await];
    let import = shop.imported("sku,quantity,reason\nA,5,found some\nB,5,\n").await;
    for (thing, reason) in things.iter().zip(["found some".to_owned(), format!("import {}", import.id)]) {
        let found =
            shop.test.app.store.get(&sutler_store::stock::stock_key(thing, 0)).await.expect("an answer");
        let item = found.expect("some stock");
        assert_eq!(item["last_ref"].as_s().map(String::as_str), Ok(reason.as_str()));
    }
    let answer = inventory::get(&shop.test.app, &shop.seller.seller(), &things[0]).await.expect("stock");
    assert_eq!(answer.stock.value.available, 5);
}

#[tokio::test]
async fn some_rows_cost_three_round_trips_whatever_their_number() {
    let shop = Shop::open().await;
    shop.sells_many(45).await;
    let id = shop.sent(&five_of_each(45)).await;
    shop.test.db.reset_meter();
    shop.run(&id).await.expect("a run");
    // The import, its begin, article numbers, stock, and the transaction of all rows.
    assert_eq!(shop.test.db.meter().round_trips(), 5);
}
