//! Paying orders, and hearing from the provider.

pub mod start_payment;
pub mod stripe_webhook;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_hostile;

/// The description of these endpoints.
#[derive(utoipa::OpenApi)]
#[openapi(paths(start_payment::handle, stripe_webhook::handle))]
#[derive(Debug)]
pub struct ApiDoc;
