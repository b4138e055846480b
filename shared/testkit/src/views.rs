//! What DynamoDB's outside shows differently from the engine's: late indexes, and tokens that age.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{DefaultHasher, Hash, Hasher},
};

use serde_json::{Value, json};
use sutler_domain::time::Timestamp;

/// How long DynamoDB remembers a request token.
const TOKEN_SECONDS: i64 = 600;

/// Remembers what was shown.
#[derive(Debug, Default)]
pub(crate) struct Views {
    /// Eventually consistent queries and their last answers.
    queries: HashMap<String, Value>,
    /// Request tokens, when their window began and which one it is.
    tokens: HashMap<String, (Timestamp, u64)>,
}

impl Views {
    /// The answer to show for a query: the current one, or if `stale` the one before it.
    pub(crate) fn query(&mut self, body: &Value, answer: Value, stale: bool) -> Value {
        if !stale {
            self.queries.insert(body.to_string(), answer.clone());
            return answer;
        }
        let nothing = json!({ "Count": 0, "ScannedCount": 0, "Items": [] });
        self.queries.get(&body.to_string()).cloned().unwrap_or(nothing)
    }

    /// The token the engine gets: it measures the window by the machine's clock, tests measure it by theirs.
    pub(crate) fn token(&mut self, token: &str, now: Timestamp) -> String {
        let window = match self.tokens.entry(token.to_owned()) {
            Entry::Vacant(vacant) => vacant.insert((now, 0)).1,
            Entry::Occupied(mut known) => {
                let (since, window) = *known.get();
                if now > since.plus_seconds(TOKEN_SECONDS) {
                    known.insert((now, window.saturating_add(1)));
                }
                known.get().1
            }
        };
        if window == 0 {
            return token.to_owned();
        }
        let mut hasher = DefaultHasher::new();
        token.hash(&mut hasher);
        format!("{:016x}-{window}", hasher.finish())
    }
}
