//! What makes a repeated call answer the same instead of acting twice.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A finished answer: what the first call said, and what every repetition says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON text; empty when the answer has no body.
    pub body: String,
}

/// The caller's `Idempotency-Key`, bound to who called which operation with which body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnceKey {
    /// User id, cart id or other proven identity of the caller.
    pub caller: String,
    /// Name of the operation, such as `place_order`.
    pub operation: &'static str,
    /// The header's value, 1 to 64 visible characters.
    pub key: String,
    /// Hex SHA-256 of path and body.
    pub body_hash: String,
}

/// One mutating call: how its outcome `T` is rendered, and the key it may be repeated under.
///
/// The rendered answer is stored in the transaction that carries the effect, so there is no moment in which
/// the effect exists and the answer does not.
#[derive(Debug, Clone)]
pub struct Once<T> {
    /// Absent when the caller sent no key: the call is then guarded by its own conditions only.
    pub key: Option<OnceKey>,
    /// Renders the outcome.
    pub render: fn(&T) -> Answer,
    /// When the call came in.
    pub at: Timestamp,
}

impl<T> Once<T> {
    /// How long a key is remembered.
    pub const KEPT_SECONDS: i64 = 24 * 3_600;
}
