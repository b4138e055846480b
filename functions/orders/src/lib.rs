//! Placing, reading and giving up orders; money and goods that go back.

pub mod address_view;
pub mod approve_return;
pub mod cancel_order;
pub mod claim_orders;
pub mod get_order;
pub mod list_order_events;
pub mod list_orders;
pub mod place_order;
pub mod receive_return;
pub mod refund_order;
pub mod refund_views;
pub mod reject_return;
pub mod request_return;
pub mod views;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_hostile;

use sutler_services::auth::{Claims, Role};

/// Whether the caller may read everybody's orders, and act in a seller's place.
fn is_staff(caller: &Claims) -> bool {
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
    refund_order::handle,
    request_return::handle,
    approve_return::handle,
    reject_return::handle,
    receive_return::handle,
))]
#[derive(Debug)]
pub struct ApiDoc;
