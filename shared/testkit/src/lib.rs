//! What tests run on: DynamoDB inside the process, faults on its wire, a clock that stands still and ids that
//! repeat.
//!
//! [`TestDb`] answers the real SDK client from an embedded engine, without sockets. Everything a test needs to
//! provoke or to observe goes through it: [`TestDb::fault`] and [`TestDb::random_faults`] break requests before
//! or after their effect, [`TestDb::meter`] lists the round trips with their capacity, and
//! [`TestDb::drain_stream`] hands over the item changes a stream worker would receive.
#![expect(clippy::expect_used, reason = "a test kit reports its own failures by failing the test")]

#[cfg(feature = "app")]
mod app;
#[cfg(feature = "app")]
mod call;
mod capacity;
mod clock;
#[cfg(feature = "app")]
mod cloud;
mod connector;
mod db;
mod engine;
mod faults;
#[cfg(feature = "app")]
mod files;
#[cfg(feature = "app")]
mod gateway;
#[cfg(feature = "app")]
mod goods;
#[cfg(feature = "app")]
mod hostile;
mod ids;
#[cfg(feature = "app")]
mod logs;
#[cfg(feature = "app")]
mod pricing;
#[cfg(feature = "app")]
mod purchase;
mod stream;
mod tables;
mod views;
mod wiretap;

#[cfg(feature = "app")]
pub use app::{TestApp, TestUser};
#[cfg(feature = "app")]
pub use call::{TestAnswer, TestCall};
pub use capacity::{Call, Meter, Units};
pub use clock::FakeClock;
#[cfg(feature = "app")]
pub use cloud::{Queued, TestCloud};
pub use db::TestDb;
pub use engine::Operation;
pub use faults::{Fault, Moment, RandomFaults, Reason, Rule};
#[cfg(feature = "app")]
pub use gateway::{FakeGateway, GatewayFault};
#[cfg(feature = "app")]
pub use hostile::{bombard, broken};
pub use ids::SeqIds;
#[cfg(feature = "app")]
pub use logs::Logs;
#[cfg(feature = "app")]
pub use purchase::{Stage, id_of, nothing};
pub use stream::{Change, Item, lambda_event};
pub use tables::{CATALOG, COMMERCE, IDENTITY, LEDGER, TABLES};
pub use wiretap::Wiretap;

#[cfg(test)]
mod tests;
