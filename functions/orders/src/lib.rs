//! The orders endpoints.
