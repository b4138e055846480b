//! Payments as buyers open them, and as Stripe tells of them.

mod starting;
mod webhook;
