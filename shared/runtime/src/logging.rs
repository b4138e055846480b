//! Structured logs: one JSON object per line, with the fields of every open span.

use tracing_subscriber::EnvFilter;

/// Sends logs to standard output as JSON. Lambda adds the time itself, and so does every reader of logs.
pub fn start() {
    let filter = EnvFilter::try_from_env("LOG_LEVEL").unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(true)
        .with_target(false)
        .with_env_filter(filter);
    // A second start in one process (a test) keeps the first subscriber.
    drop(subscriber.try_init());
}
