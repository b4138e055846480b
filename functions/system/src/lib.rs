//! Health, description and self-check of the API.

pub mod check_invariants;
pub mod get_docs;
pub mod get_health;
pub mod get_openapi;
pub mod verify_movements;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_hostile;

/// The description of these endpoints.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    get_health::handle,
    get_openapi::handle,
    get_docs::handle,
    check_invariants::handle,
    verify_movements::handle
))]
#[derive(Debug)]
pub struct ApiDoc;
