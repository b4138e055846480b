//! Use cases: each joins rules, database and providers into one business step.

pub mod addresses;
pub mod alerts;
pub mod app;
pub mod auth;
pub mod carts;
pub mod catalog;
pub mod chains;
pub mod coupons;
pub mod error;
pub mod flash_sales;
pub mod gateways;
pub mod guests;
pub mod health;
pub mod identity;
pub mod invariants;
pub mod inventory;
pub mod labels;
pub mod mails;
pub mod orders;
pub mod payments;
pub mod profiles;
pub mod quotes;
pub mod refund_calls;
pub mod refunds;
pub(crate) mod reservations;
pub mod returns;
pub mod rules;
pub mod shipping;
pub mod stock_exports;
pub mod stock_imports;
pub mod tracking;
mod units;

pub use app::{App, Settings};
pub use error::Error;
