//! The identity endpoints.
