//! Use cases: each joins rules, database and providers into one business step.

pub mod app;
pub mod auth;
pub mod catalog;
pub mod error;
pub mod inventory;

pub use app::{App, Settings};
pub use error::Error;
