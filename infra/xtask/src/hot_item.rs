//! What shards do for one item that everybody wants: the same crowd orders it from 1, 4, 16 and 64 shards, through the
//! real use case, against the in-process database with DynamoDB's limits and virtual time.

mod limits;
mod time;

use std::{
    cell::RefCell,
    io::{self, Write},
    rc::Rc,
    sync::Arc,
};

use aws_sdk_dynamodb::Client;
use limits::{Count, Limits, Line};
use sutler_domain::{
    idempotency::{Once, OnceKey},
    ids::VariantId,
    problem::Problem,
    time::Clock,
};
use sutler_services::{
    App, Error, invariants,
    orders::{self, PlaceOrder},
};
use sutler_store::{Store, StoreError, TableNames};
use sutler_testkit::{CATALOG, COMMERCE, IDENTITY, LEDGER, TestApp, id_of};
use time::{Dice, Hourglass, Task};

use crate::{Findings, failure::Failure};

/// How many buyers there are, all within [`ARRIVAL_US`].
const BUYERS: u32 = 1_000;
/// How many units they want, one each.
const UNITS: u32 = 700;
/// In which time they come.
const ARRIVAL_US: u64 = 1_000_000;
/// How long a buyer waits before asking again, as the answer says.
const RETRY_AFTER_US: u64 = 1_000_000;
/// How often a buyer asks again.
const CALLS_MAX: u32 = 60;
/// Over how many shards.
const SETTINGS: [u8; 4] = [1, 4, 16, 64];

/// What the crowd met with.
#[derive(Debug, Default)]
struct Sales {
    sold: u32,
    refused: u32,
    gave_up: u32,
    asked_again: u32,
    last_sale_us: u64,
    waits_us: Vec<u64>,
    unexpected: Vec<String>,
}

impl Sales {
    /// Notes how a call ended, and whether its buyer is done.
    fn is_over(&mut self, outcome: Result<(), Error>, now_us: u64, wait_us: u64) -> bool {
        match outcome {
            Ok(()) => {
                self.sold = self.sold.saturating_add(1);
                self.last_sale_us = now_us;
                self.waits_us.push(wait_us);
                true
            }
            Err(Error::Problem(Problem::InsufficientStock(_))) => {
                self.refused = self.refused.saturating_add(1);
                true
            }
            Err(Error::Problem(Problem::Conflict) | Error::Store(StoreError::Unavailable(_))) => {
                self.asked_again = self.asked_again.saturating_add(1);
                false
            }
            Err(other) => {
                self.unexpected.push(other.to_string());
                true
            }
        }
    }
}

/// Prints a table of what one item sells at from different numbers of shards.
///
/// # Errors
/// When the marketplace cannot be prepared, or the table not be printed. A unit that was sold twice, or not at all
/// though somebody was refused, is a finding.
pub fn print(seed: u64) -> Result<Findings, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let mut findings = Vec::new();
    let mut out = io::stdout();
    writeln!(
        out,
        "| shards | sold | refused | orders per second | conflicts | throttled | asked again | wait, ms (median) | \
         (99 of 100) | write units per order | read units per order |"
    )?;
    writeln!(out, "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    for shards in SETTINGS {
        let _entered = runtime.enter();
        let (row, wrong) = runtime.block_on(prepared(seed, shards))?.sell()?;
        writeln!(out, "{row}")?;
        findings.extend(wrong.into_iter().map(|text| format!("{shards} shards: {text}")));
    }
    Ok(findings)
}

/// A marketplace in which everybody has filled a cart and seen a quote.
struct Market {
    test: TestApp,
    thing: VariantId,
    commands: Vec<PlaceOrder>,
    shards: u8,
    seed: u64,
}

async fn prepared(seed: u64, shards: u8) -> Result<Market, Failure> {
    let test = TestApp::new().await;
    let seller = test.seller("shop").await;
    let thing = test.goods(&seller, 1_000, UNITS).await;
    test.flash_sale(&seller, &thing, shards, None).await;
    let mut commands = Vec::new();
    for number in 0..BUYERS {
        let buyer = test.user(&format!("buyer{number}")).await;
        commands.push(test.agreed(&buyer, &[(&thing, 1)]).await);
    }
    Ok(Market { test, thing, commands, shards, seed })
}

impl Market {
    /// Lets the crowd in. Answers a row of the table, and what must not be.
    fn sell(self) -> Result<(String, Findings), Failure> {
        let (glass, dice) = (Hourglass::default(), Arc::new(Dice::new(self.seed)));
        let limits = Limits::new(glass.clone(), Arc::clone(&dice));
        let app = self.app(&glass, &dice, &limits)?;
        self.test.db.tap(Arc::new(limits.clone()));
        self.test.db.reset_meter();
        let sales = Rc::new(RefCell::new(Sales::default()));
        let tasks = self.commands.iter().map(|command| -> Task {
            let (app, glass, sales) = (app.clone(), glass.clone(), Rc::clone(&sales));
            let (command, arrival) = (command.clone(), dice.below(ARRIVAL_US));
            Box::pin(async move { buy(&app, &glass, &command, arrival, &sales).await })
        });
        let begin = self.test.clock().now();
        time::run(&glass, self.test.clock(), begin, tasks.collect());
        let mut sales = sales.take();
        let row = self.row(&mut sales, limits.count());
        let mut findings = std::mem::take(&mut sales.unexpected);
        findings.extend(self.check(&sales)?);
        Ok((row, findings))
    }

    fn app(&self, glass: &Hourglass, dice: &Arc<Dice>, limits: &Limits) -> Result<App, Failure> {
        let inner = self.test.db.client();
        let missing = || Failure::Bench("the client has no connector".to_owned());
        let line = Line::new(inner.config().http_client().ok_or_else(missing)?, limits.clone());
        let config = inner.config().to_builder().http_client(line).sleep_impl(glass.clone()).build();
        let names = TableNames {
            identity: IDENTITY.to_owned(),
            catalog: CATALOG.to_owned(),
            commerce: COMMERCE.to_owned(),
            ledger: LEDGER.to_owned(),
        };
        let ids = Arc::clone(dice);
        let store = Store::new(Client::from_conf(config), names, ids.clone());
        Ok(App { store, ids, ..self.test.app.clone() })
    }

    fn row(&self, sales: &mut Sales, count: Count) -> String {
        sales.waits_us.sort_unstable();
        let wait = |of_hundred: usize| {
            let at = sales.waits_us.len().saturating_mul(of_hundred).div_euclid(100);
            let last = sales.waits_us.len().saturating_sub(1);
            sales.waits_us.get(at.min(last)).copied().unwrap_or(0).div_euclid(1_000)
        };
        let sold = u64::from(sales.sold);
        let rate = sold.saturating_mul(1_000_000).checked_div(sales.last_sale_us).unwrap_or(0);
        let per_order = |units: u64| tenths(units, sold);
        let read_units: u64 = whole(&self.test.db.meter().read().to_string());
        format!(
            "| {} | {} | {} | {rate} | {} | {} | {} | {} | {} | {} | {} |",
            self.shards,
            sales.sold,
            sales.refused,
            count.conflicts,
            count.throttled,
            sales.asked_again,
            wait(50),
            wait(99),
            per_order(count.write_units),
            per_order(read_units),
        )
    }

    /// Nothing is oversold, nobody was refused while there was any, and the books agree.
    fn check(&self, sales: &Sales) -> Result<Findings, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(async {
            let mut findings = Vec::new();
            let (available, reserved, _) = self.test.stock(&self.thing).await;
            let due = (UNITS.saturating_sub(sales.sold), sales.sold);
            if (available, reserved) != due {
                findings.push(format!("{} sold, {available} are free and {reserved} held", sales.sold));
            }
            if sales.sold > UNITS || (sales.sold < UNITS && sales.refused > 0) {
                findings.push(format!("{} of {UNITS} sold, {} refused", sales.sold, sales.refused));
            }
            if sales.gave_up > 0 {
                findings.push(format!("{} buyers gave up", sales.gave_up));
            }
            let found = invariants::check(&self.test.app).await;
            let found = found.map_err(|error| Failure::Bench(error.to_string()))?;
            findings.extend(found.problems);
            Ok(findings)
        })
    }
}

fn whole(units: &str) -> u64 {
    units.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or(0)
}

fn tenths(units: u64, of: u64) -> String {
    let tenths = units.saturating_mul(10).checked_div(of).unwrap_or(0);
    format!("{}.{}", tenths.div_euclid(10), tenths.rem_euclid(10))
}

/// One buyer orders, and asks again under the same key when told to.
async fn buy(app: &App, glass: &Hourglass, command: &PlaceOrder, arrival: u64, sales: &RefCell<Sales>) {
    glass.pass(arrival).await;
    for _ in 0..CALLS_MAX {
        let key = OnceKey {
            caller: command.buyer.to_string(),
            operation: "place_order",
            key: "one order".to_owned(),
            body_hash: command.quote_hash.clone(),
        };
        let once = Once { key: Some(key), render: id_of, at: app.now() };
        let outcome = orders::place(app, command, &once).await.map(drop);
        let wait_us = glass.now_us().saturating_sub(arrival);
        if sales.borrow_mut().is_over(outcome, glass.now_us(), wait_us) {
            return;
        }
        glass.pass(RETRY_AFTER_US).await;
    }
    let mut sales = sales.borrow_mut();
    sales.gave_up = sales.gave_up.saturating_add(1);
}
