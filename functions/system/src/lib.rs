//! The system endpoints.
