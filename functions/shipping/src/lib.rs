//! Shipping and delivery of the parts of orders.

pub mod confirm_delivery;
pub mod ship_part;
pub mod views;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_hostile;

/// The description of these endpoints.
#[derive(utoipa::OpenApi)]
#[openapi(paths(ship_part::handle, confirm_delivery::handle))]
#[derive(Debug)]
pub struct ApiDoc;
