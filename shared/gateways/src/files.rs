//! Files that people send and fetch by links: what a store of them owes, whoever is behind it.

use async_trait::async_trait;
use sutler_domain::time::Timestamp;

use crate::BoxError;

/// What a caller may do about a file that was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It has more bytes than were to be read.
    #[error("the file is too large")]
    TooLarge,
    /// Try again later. It may have been written all the same.
    #[error("the files are unavailable")]
    Unavailable(#[source] BoxError),
    /// A bug or a misconfiguration.
    #[error("the call was refused")]
    Rejected(#[source] BoxError),
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// What the store calls these very bytes: others under the same key have another.
    pub etag: String,
    /// The content.
    pub bytes: Vec<u8>,
}

/// A file to be written.
#[derive(Debug, Clone, Copy)]
pub struct NewFile<'a> {
    /// Under which key; nothing is ever written over a file that exists.
    pub key: &'a str,
    /// Its media type.
    pub content_type: &'a str,
    /// What browsers call it.
    pub file_name: &'a str,
    /// The content.
    pub bytes: &'a [u8],
}

/// Keeps files. Links work without a token, for a while, and are as secret as one.
#[async_trait]
pub trait FileStore: Send + Sync {
    /// A link to upload exactly `bytes` bytes as `key`, by PUT.
    ///
    /// # Errors
    /// [`FileError::Rejected`] when nothing can be signed.
    fn upload_link(&self, key: &str, bytes: u64, seconds: i64, now: Timestamp) -> Result<String, FileError>;

    /// A link to fetch `key`.
    ///
    /// # Errors
    /// [`FileError::Rejected`] when nothing can be signed.
    fn download_link(&self, key: &str, seconds: i64, now: Timestamp) -> Result<String, FileError>;

    /// The file `key`, if there is one.
    ///
    /// # Errors
    /// [`FileError::TooLarge`] when it has more than `bytes_max`, the others as they say.
    async fn read(&self, key: &str, bytes_max: u64, now: Timestamp) -> Result<Option<StoredFile>, FileError>;

    /// Writes a file whose key is new.
    ///
    /// # Errors
    /// See [`FileError`].
    async fn write(&self, file: NewFile<'_>, now: Timestamp) -> Result<(), FileError>;
}
