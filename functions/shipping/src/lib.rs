//! Shipping and delivery of the parts of orders.

pub mod buy_label;
pub mod confirm_delivery;
pub mod get_tracking;
pub mod list_rates;
pub mod ship_part;
pub mod shippo_webhook;
pub mod views;
pub mod void_label;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_hostile;

/// The description of these endpoints.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    list_rates::handle,
    buy_label::handle,
    void_label::handle,
    ship_part::handle,
    get_tracking::handle,
    confirm_delivery::handle,
    shippo_webhook::handle,
))]
#[derive(Debug)]
pub struct ApiDoc;
