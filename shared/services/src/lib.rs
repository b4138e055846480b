//! Use cases: each joins rules, database and providers into one business step.

pub mod app;
pub mod auth;
pub mod carts;
pub mod catalog;
pub mod error;
pub mod health;
pub mod identity;
pub mod invariants;
pub mod inventory;
pub mod mails;
pub mod orders;
pub mod payments;
pub mod refund_calls;
pub mod refunds;
pub mod returns;
pub mod shipping;
mod units;

pub use app::{App, Settings};
pub use error::Error;
