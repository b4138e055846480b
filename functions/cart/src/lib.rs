//! Carts of users and guests.

pub mod access;
pub mod create_cart;
pub mod delete_cart;
pub mod delete_cart_coupon;
pub mod delete_cart_line;
pub mod get_cart;
pub mod merge_cart;
pub mod put_cart_coupon;
pub mod put_cart_line;
pub mod quote_cart;
pub mod views;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_coupon;
#[cfg(test)]
mod tests_hostile;
#[cfg(test)]
mod tests_idempotency;

/// The description of these endpoints.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    create_cart::handle,
    get_cart::handle,
    delete_cart::handle,
    put_cart_line::handle,
    delete_cart_line::handle,
    put_cart_coupon::handle,
    delete_cart_coupon::handle,
    merge_cart::handle,
    quote_cart::handle,
))]
#[derive(Debug)]
pub struct ApiDoc;
