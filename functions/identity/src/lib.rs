//! Signing up and in, address books, shops.

pub mod add_address;
pub mod create_guest;
pub mod create_seller;
pub mod get_jwks;
pub mod get_me;
pub mod get_seller;
pub mod list_addresses;
pub mod login;
pub mod logout;
pub mod refresh;
pub mod register;
pub mod resend_verification;
pub mod validate_address;
pub mod verify_email;
pub mod views;

/// The description of these endpoints.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    register::handle,
    verify_email::handle,
    resend_verification::handle,
    login::handle,
    create_guest::handle,
    refresh::handle,
    logout::handle,
    get_jwks::handle,
    get_me::handle,
    add_address::handle,
    list_addresses::handle,
    validate_address::handle,
    create_seller::handle,
    get_seller::handle,
))]
#[derive(Debug)]
pub struct ApiDoc;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_hostile;
