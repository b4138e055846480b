//! The gateways crate.
