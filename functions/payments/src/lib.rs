//! The payments endpoints.
