//! DynamoDB: one file per aggregate over a small core. Every write has a condition.

pub mod alerts;
pub mod carriage;
pub mod carts;
pub mod catalog;
pub mod categories;
pub mod codec;
pub mod coupons;
pub mod db;
pub mod error;
pub mod events;
pub mod flash_sales;
pub mod idempotency;
pub mod inbox;
pub mod keys;
pub mod ledger;
pub mod mail_claims;
pub mod movements;
pub mod orders;
pub mod profiles;
pub mod refunds;
pub mod rules;
pub mod sessions;
pub mod signing_keys;
pub mod stock;
pub mod stock_imports;
pub mod stream;
pub mod users;
pub mod write;

pub use codec::{Version, Versioned};
pub use db::{Query, Range, Store};
pub use error::{Guard, Item, Refusal, StoreError};
pub use keys::{Key, Table, TableNames};
pub use write::{Expression, Transaction};
