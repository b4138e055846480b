//! The port to a service that knows where post arrives.

use async_trait::async_trait;
use sutler_domain::{
    address::Address,
    address_check::{CheckedBy, Opinion},
};

use crate::BoxError;

/// An address that our own rules accept, and what is asked about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The address. Who lives there is not told to anybody.
    pub address: Address,
    /// Whether the answer will be kept with the address, which some providers charge for.
    pub is_kept: bool,
    /// What the tries of the question have in common: random, for it is logged.
    pub key: String,
}

/// The service has no opinion. Nobody is kept from buying on that account.
#[derive(Debug, thiserror::Error)]
pub enum AddressCheckError {
    /// It does not answer, or not in time.
    #[error("the address check does not answer: {0}")]
    Unavailable(BoxError),
    /// It does not know this country, or this kind of address.
    #[error("the address check does not know such addresses: {0}")]
    NotCovered(BoxError),
    /// It does not accept our own key, or answers what nobody expects.
    #[error("the address check refused the call: {0}")]
    Rejected(BoxError),
}

/// A service that knows where post arrives.
#[async_trait]
pub trait AddressCheck: Send + Sync {
    /// Whose opinion it is.
    fn checked_by(&self) -> CheckedBy;

    /// What it has to say about an address. A person waits for it, so it takes a few seconds at most.
    ///
    /// # Errors
    /// See [`AddressCheckError`]. None of them holds anything of the address.
    async fn check(&self, question: &Question) -> Result<Opinion, AddressCheckError>;
}
