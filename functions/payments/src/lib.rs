//! Paying orders, and hearing from the provider.

pub mod chapa_webhook;
pub mod paypal_webhook;
pub mod return_from_provider;
pub mod start_payment;
pub mod stripe_webhook;
pub mod webhook;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_hostile;

/// The description of these endpoints.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    start_payment::handle,
    return_from_provider::handle,
    stripe_webhook::handle,
    chapa_webhook::handle,
    paypal_webhook::handle,
))]
#[derive(Debug)]
pub struct ApiDoc;
