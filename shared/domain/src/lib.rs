//! The rules of the marketplace: money, ids, state machines, events. No I/O, no clock, no provider here.

pub mod account;
pub mod address;
pub mod category;
pub mod idempotency;
pub mod ids;
pub mod money;
pub mod movement;
pub mod patch;
pub mod problem;
pub mod product;
pub mod stock;
pub mod text;
pub mod time;
