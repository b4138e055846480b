//! What prices are made of besides prices: tax, shipping, coupons.

pub mod create_coupon;
pub mod get_settings;
pub mod get_shipping_profile;
pub mod list_coupons;
pub mod put_settings;
pub mod put_shipping_profile;
pub mod scope;
pub mod shapes;
pub mod update_coupon;
pub mod views;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_hostile;

/// The description of these endpoints.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    get_settings::handle,
    put_settings::handle,
    get_shipping_profile::handle,
    put_shipping_profile::handle,
    create_coupon::handle,
    list_coupons::handle,
    update_coupon::handle,
))]
#[derive(Debug)]
pub struct ApiDoc;
