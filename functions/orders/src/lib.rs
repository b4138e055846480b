//! Placing, reading and giving up orders.

pub mod cancel_order;
pub mod claim_orders;
pub mod get_order;
pub mod list_order_events;
pub mod list_orders;
pub mod place_order;
pub mod views;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_hostile;

use sutler_services::auth::{Claims, Role};

/// Whether the caller may read everybody's orders.
fn reads_all(caller: &Claims) -> bool {
    caller.has(Role::Support) || caller.has(Role::Finance)
}

/// The description of these endpoints.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    place_order::handle,
    list_orders::handle,
    get_order::handle,
    list_order_events::handle,
    cancel_order::handle,
    claim_orders::handle,
))]
#[derive(Debug)]
pub struct ApiDoc;
