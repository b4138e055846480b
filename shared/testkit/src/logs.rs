//! What the code under test logs.

use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex},
};

use tracing_subscriber::util::SubscriberInitExt;

use crate::connector::lock;

/// Everything that this thread logs while this lives, from the level that is logged in production.
pub struct Logs {
    text: Buffer,
    _guard: tracing::subscriber::DefaultGuard,
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl Logs {
    /// Begins to listen.
    #[must_use]
    pub fn capture() -> Self {
        let text = Buffer::default();
        let writer = text.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_max_level(tracing::Level::INFO)
            .with_writer(move || writer.clone())
            .finish();
        Self { text, _guard: subscriber.set_default() }
    }

    /// What was logged so far, a JSON object per line.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.text.0)).into_owned()
    }
}
