//! The cart endpoints.
