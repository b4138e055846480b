//! The rules of the marketplace: money, ids, state machines, events. No I/O, no clock, no provider here.

pub mod account;
pub mod address;
pub mod cart;
pub mod category;
pub mod event;
pub mod idempotency;
pub mod ids;
pub mod ledger;
pub mod money;
pub mod movement;
pub mod order;
pub mod password;
pub mod patch;
pub mod payment;
pub mod problem;
pub mod product;
pub mod quote;
pub mod refund;
pub mod returns;
pub mod shares;
pub mod shipment;
pub mod stock;
pub mod text;
pub mod time;
