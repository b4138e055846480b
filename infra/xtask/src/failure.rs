//! Why a command could not do its work.

use std::{io, path::PathBuf};

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line is not understood.
    #[error("not a command; there are:\n\n{0}")]
    Usage(&'static str),
    /// The working directory is outside the repository.
    #[error("run this inside the repository: no template.yaml here or above")]
    Outside,
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Text cannot be printed.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
    /// A call that is measured did not work.
    #[error("cannot measure: {0}")]
    Bench(String),
    /// The history of stock cannot be read.
    #[error("cannot verify the movements: {0}")]
    Movements(String),
    /// `cargo metadata` did not answer.
    #[error("cargo metadata: {0}")]
    Cargo(String),
    /// A state machine has no example to be tried on.
    #[error("no example of {0} can be made")]
    Sample(&'static str),
    /// A file is not YAML.
    #[error("{file} is not YAML: {reason}")]
    Yaml {
        /// Which.
        file: &'static str,
        /// Why.
        reason: String,
    },
    /// Something is not JSON.
    #[error("{what} is not JSON: {source}")]
    Json {
        /// What.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}
