//! The port to a provider that knows what carriers ask for, sells their labels and follows their parcels.

use async_trait::async_trait;
use sutler_domain::{
    address::Address,
    ids::LabelId,
    label::{Offer, Parcel, Postage},
    money::Currency,
    shipment::{CarrierNews, TrackingToken},
    time::Timestamp,
};

use crate::BoxError;

/// A parcel, and from where to where it is to go.
#[derive(Debug, Clone)]
pub struct Consignment {
    /// Where it is picked up.
    pub from: Address,
    /// Where it goes.
    pub to: Address,
    /// What it is.
    pub parcel: Parcel,
    /// What it is for, in ids of ours; an offer for it says the same.
    pub reference: String,
    /// The only currency that is of use.
    pub currency: Currency,
}

/// A label to be bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelOrder {
    /// The rate, as an offer named it.
    pub rate: String,
    /// Our name of it, which the provider keeps with it.
    pub label: LabelId,
    /// Who carries it, as the offer said.
    pub carrier: String,
}

/// What became of a label that was ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sale {
    /// The provider is at it. Ask again.
    Processing,
    /// It was sold.
    Sold(Postage),
    /// It was not sold, and nothing is to be paid.
    Refused {
        /// The provider's word for why.
        code: String,
    },
}

/// What became of a label that was to be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voided {
    /// The carrier is asked. Ask again; it can take weeks.
    Pending,
    /// It was taken back, and its price with it.
    Done,
    /// It is not taken back.
    Refused,
}

/// What a carrier has told last of a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Track {
    /// What; nothing while it says no more than that it has the parcel.
    pub news: Option<CarrierNews>,
    /// When, by the carrier's clock.
    pub at: Option<Timestamp>,
}

/// What a caller may do about a failed call.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// The provider understood, and said no. Tell whoever asked.
    #[error("the carriers refused: {code}")]
    Refused {
        /// Its word for why.
        code: String,
    },
    /// The call may or may not have taken effect. Record that, and look for its effect before it is made again.
    #[error("the outcome at the provider of labels is unknown")]
    OutcomeUnknown(#[source] BoxError),
    /// The call took no effect. Repeat it later.
    #[error("the provider of labels is unavailable")]
    Unavailable(#[source] BoxError),
    /// A bug or a misconfiguration. Repeating it does not help.
    #[error("the provider of labels refused the call")]
    Rejected(#[source] BoxError),
}

/// A provider of labels and tracking. None of its errors holds an address.
#[async_trait]
pub trait Carriers: Send + Sync {
    /// The provider's name as postings have it, such as `shippo`.
    fn provider(&self) -> &'static str;

    /// For how much carriers take a consignment, in its currency.
    ///
    /// # Errors
    /// See [`CarrierError`]; never [`CarrierError::OutcomeUnknown`].
    async fn offers(&self, consignment: &Consignment) -> Result<Vec<Offer>, CarrierError>;

    /// An offer that was made before, by its rate, and the reference of its consignment; nothing when there is no such
    /// rate.
    ///
    /// # Errors
    /// See [`CarrierError`]; never [`CarrierError::OutcomeUnknown`].
    async fn offer(&self, rate: &str) -> Result<Option<(Offer, String)>, CarrierError>;

    /// Buys a label, once: there are no idempotency keys, so a call that fails is never repeated here. Whoever gets
    /// [`CarrierError::OutcomeUnknown`] asks [`Carriers::find`] first.
    ///
    /// # Errors
    /// See [`CarrierError`].
    async fn buy(&self, order: &LabelOrder) -> Result<Sale, CarrierError>;

    /// What became of every call that was made to buy this label. Nothing when the provider knows of none.
    ///
    /// # Errors
    /// See [`CarrierError`]; never [`CarrierError::OutcomeUnknown`].
    async fn find(&self, order: &LabelOrder) -> Result<Vec<Sale>, CarrierError>;

    /// Asks for a label to be taken back, unless that was done before, and how that stands. It may be repeated.
    ///
    /// # Errors
    /// See [`CarrierError`]; never [`CarrierError::OutcomeUnknown`].
    async fn void(&self, provider_id: &str) -> Result<Voided, CarrierError>;

    /// Asks to be told of a parcel whose label was bought elsewhere, and how it stands; nothing when the provider does
    /// not know the carrier. It may be repeated.
    ///
    /// # Errors
    /// See [`CarrierError`]; never [`CarrierError::OutcomeUnknown`].
    async fn register(&self, parcel: &TrackingToken) -> Result<Option<Track>, CarrierError>;

    /// How a parcel stands; nothing when the provider does not know it.
    ///
    /// # Errors
    /// See [`CarrierError`]; never [`CarrierError::OutcomeUnknown`].
    async fn track(&self, parcel: &TrackingToken) -> Result<Option<Track>, CarrierError>;
}
