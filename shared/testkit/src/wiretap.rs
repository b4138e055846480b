//! Somebody on the line between the clients and the database.

use serde_json::Value;

use crate::{Fault, Moment, Operation};

/// Decides about every request, in place of script and dice.
pub trait Wiretap: Send + Sync {
    /// Sees a request before anything is done about it, may change it, and says what goes wrong with it.
    fn request(&self, operation: Operation, body: &mut Value) -> Option<(Moment, Fault)>;

    /// Sees how the request ended: the exception's name or what happened to the connection, if it failed.
    fn answer(&self, operation: Operation, error: Option<&str>);
}
