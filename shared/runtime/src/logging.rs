//! Structured logs: one JSON object per line, with the fields of every open span.

use tracing_subscriber::{filter::LevelFilter, util::SubscriberInitExt};

/// Sends logs of `LOG_LEVEL` (`info` unless it is set) and above to standard output as JSON. Lambda adds the time
/// itself, and so does every reader of logs.
pub fn start() {
    #[expect(
        clippy::disallowed_methods,
        reason = "logging starts before the configuration, whose failures it logs"
    )]
    let level = std::env::var("LOG_LEVEL").ok().and_then(|level| level.parse().ok());
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(true)
        .with_target(false)
        .with_max_level(level.unwrap_or(LevelFilter::INFO))
        .finish();
    // A second start in one process (a test) keeps the first subscriber.
    drop(subscriber.try_init());
}
