//! The workers endpoints.
