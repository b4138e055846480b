//! The shipping endpoints.
