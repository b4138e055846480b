//! Workers behind queues, streams and schedules.

pub mod claim_guest_orders;
pub mod expire_orders;
pub mod hold_for_next;
pub mod import_stock;
pub mod process_payment_events;
pub mod process_tracking_events;
pub mod publish_events;
pub mod rebalance_stock;
pub mod record_stock_movements;
pub mod resolve_labels;
pub mod resolve_payments;
pub mod rotate_signing_keys;
pub mod run_payment_commands;
pub mod send_mail;

#[cfg(test)]
mod tests;
