//! The inventory endpoints.
