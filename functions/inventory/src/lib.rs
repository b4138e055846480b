//! Stock, as sellers see and correct it.

pub mod adjust_stock;
pub mod get_stock;
pub mod list_inventory;
pub mod list_movements;
pub mod set_flash_sale;
pub mod views;

/// The part of the API description that these endpoints make up.
#[derive(Debug, utoipa::OpenApi)]
#[openapi(paths(
    list_inventory::handle,
    get_stock::handle,
    adjust_stock::handle,
    list_movements::handle,
    set_flash_sale::handle
))]
pub struct ApiDoc;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_hostile;
