//! The catalog endpoints.
