//! Payments as buyers open them, and as providers tell of them.

mod asked_webhooks;
mod gateways;
mod returning;
mod starting;
mod webhook;
