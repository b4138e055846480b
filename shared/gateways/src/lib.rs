//! The outside services, one feature and one file each.
//!
//! The ports are plain traits and structs; an adapter turns its SDK's failures into what a caller may do about them.

pub mod address_check;
pub mod bot_check;
pub mod carriers;
pub mod files;
pub mod payment;
pub mod secret;

#[cfg(feature = "amazon-address")]
pub mod amazon_address;
#[cfg(any(
    feature = "amazon-address",
    feature = "bus",
    feature = "mail",
    feature = "queue",
    feature = "secrets"
))]
mod aws;
#[cfg(feature = "bus")]
pub mod bus;
#[cfg(any(feature = "json-http", feature = "stripe"))]
pub mod calls;
#[cfg(feature = "chapa")]
pub mod chapa;
#[cfg(any(feature = "chapa", feature = "chapa-webhook"))]
pub mod chapa_reference;
#[cfg(feature = "chapa-webhook")]
pub mod chapa_webhook;
#[cfg(feature = "google-address")]
pub mod google_address;
#[cfg(feature = "json-http")]
pub mod json_http;
#[cfg(feature = "mail")]
pub mod mail;
#[cfg(feature = "paypal")]
pub mod paypal;
#[cfg(feature = "paypal-webhook")]
pub mod paypal_webhook;
#[cfg(feature = "queue")]
pub mod queue;
#[cfg(feature = "s3")]
pub mod s3;
#[cfg(feature = "secrets")]
pub mod secrets;
#[cfg(feature = "shippo")]
pub mod shippo;
#[cfg(feature = "shippo-webhook")]
pub mod shippo_webhook;
#[cfg(any(feature = "shippo-webhook", feature = "stripe-webhook"))]
pub mod signature;
#[cfg(feature = "stripe")]
pub mod stripe;
#[cfg(feature = "stripe")]
pub mod stripe_checkout;
#[cfg(feature = "stripe-webhook")]
pub mod stripe_webhook;
#[cfg(feature = "turnstile")]
pub mod turnstile;

/// The cause of a failure, for the log.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
