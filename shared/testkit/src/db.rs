//! The database of one test.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{
    Client, Config,
    config::{AsyncSleep, BehaviorVersion, Region, Sleep, StalledStreamProtectionConfig, retry::RetryConfig},
};
use dynoxide::Database;

use crate::{
    FakeClock,
    capacity::Meter,
    clock::SdkClock,
    connector::{Connector, Wire, lock, pause},
    faults::{Faults, RandomFaults, Rule},
    stream::{Change, Reader},
    tables,
    wiretap::Wiretap,
};

/// How often others may run while something waits without a clock.
const TURNS: u64 = 2;

/// A fresh in-process DynamoDB with the four tables. Clones share everything.
#[derive(Clone)]
pub struct TestDb {
    wire: Arc<Wire>,
    reader: Arc<Mutex<Reader>>,
    client: Client,
}

impl std::fmt::Debug for TestDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestDb")
    }
}

impl Default for TestDb {
    fn default() -> Self {
        Self::new()
    }
}

impl TestDb {
    /// An empty database with a clock of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(FakeClock::default())
    }

    /// An empty database whose stream records, time-to-live sweep and slow requests follow `clock`.
    ///
    /// # Panics
    /// When the engine cannot be started.
    #[must_use]
    pub fn with_clock(clock: FakeClock) -> Self {
        let engine = Database::memory_with_clock(Arc::new(clock.clone())).expect("the engine starts");
        tables::create(&engine);
        let wire = Wire {
            engine,
            clock,
            faults: Mutex::default(),
            meter: Mutex::default(),
            views: Mutex::default(),
            tap: Mutex::default(),
        };
        let wire = Arc::new(wire);
        let client = Client::from_conf(config(&wire, RetryConfig::disabled()).build());
        Self { wire, reader: Arc::default(), client }
    }

    /// Stops recording changes. Each record costs the engine a look at all those before, which is nothing that DynamoDB
    /// does: whoever measures many thousand writes does without.
    ///
    /// # Panics
    /// When the engine fails.
    pub fn stop_streams(&self) {
        tables::stop_streams(&self.wire.engine);
    }

    /// The real SDK client on this database, without retries of its own.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The same with the SDK's retries as given.
    #[must_use]
    pub fn client_with_retries(&self, retries: RetryConfig) -> Client {
        Client::from_conf(config(&self.wire, retries).build())
    }

    /// The same, but nothing that uses it ever waits for the machine's clock: a pause is over once others had
    /// their turns. What happens then depends on who polls whom, and on nothing else.
    #[must_use]
    pub fn client_without_waiting(&self) -> Client {
        let config = config(&self.wire, RetryConfig::disabled()).sleep_impl(Turns);
        Client::from_conf(config.build())
    }

    /// Lets `tap` decide about every request from now on, instead of script and dice. Others may run once before
    /// and once after each.
    pub fn tap(&self, tap: Arc<dyn Wiretap>) {
        *lock(&self.wire.tap) = Some(tap);
    }

    /// The clock this database follows.
    #[must_use]
    pub fn clock(&self) -> &FakeClock {
        &self.wire.clock
    }

    /// Adds a scripted fault.
    pub fn fault(&self, rule: Rule) {
        lock(&self.wire.faults).rules.push(rule);
    }

    /// From now on requests fail at random.
    pub fn random_faults(&self, faults: RandomFaults) {
        lock(&self.wire.faults).random = Some(faults);
    }

    /// Drops all scripted and random faults.
    pub fn calm(&self) {
        *lock(&self.wire.faults) = Faults::default();
    }

    /// The requests since the start or the last [`TestDb::reset_meter`].
    #[must_use]
    pub fn meter(&self) -> Meter {
        lock(&self.wire.meter).clone()
    }

    /// Forgets the requests so far.
    pub fn reset_meter(&self) {
        *lock(&self.wire.meter) = Meter::default();
    }

    /// The committed item changes since the last call: table by table, in commit order within a table. It does
    /// not count as a request.
    ///
    /// # Panics
    /// When the engine fails.
    #[must_use]
    pub fn drain_stream(&self) -> Vec<Change> {
        lock(&self.reader).drain(&self.wire.engine).expect("the streams can be read")
    }

    /// Deletes what is past its time to live and answers how many items that were. Without this call nothing
    /// ever expires, as DynamoDB may also take its time.
    ///
    /// # Panics
    /// When the engine fails.
    #[must_use]
    pub fn sweep_ttl(&self) -> usize {
        self.wire.engine.sweep_ttl().expect("the sweep runs")
    }
}

fn config(wire: &Arc<Wire>, retries: RetryConfig) -> aws_sdk_dynamodb::config::Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .endpoint_url("http://dynamodb.invalid")
        .credentials_provider(Credentials::new("test", "test", None, None, "testkit"))
        .retry_config(retries)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .time_source(SdkClock(wire.clock.clone()))
        .http_client(Connector(Arc::clone(wire)))
}

/// Waits until others had their turns.
#[derive(Debug)]
struct Turns;

impl AsyncSleep for Turns {
    fn sleep(&self, _: Duration) -> Sleep {
        Sleep::new(pause(TURNS))
    }
}
