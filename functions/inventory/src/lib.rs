//! Stock, as sellers see and correct it.

pub mod adjust_stock;
pub mod alert_views;
pub mod create_alert;
pub mod create_stock_import;
pub mod delete_alert;
pub mod export_inventory;
pub mod get_stock;
pub mod get_stock_import;
pub mod list_alerts;
pub mod list_inventory;
pub mod list_movements;
pub mod set_flash_sale;
pub mod table_views;
pub mod views;

/// The part of the API description that these endpoints make up.
#[derive(Debug, utoipa::OpenApi)]
#[openapi(paths(
    list_inventory::handle,
    get_stock::handle,
    adjust_stock::handle,
    list_movements::handle,
    set_flash_sale::handle,
    create_stock_import::handle,
    get_stock_import::handle,
    export_inventory::handle,
    create_alert::handle,
    delete_alert::handle,
    list_alerts::handle
))]
pub struct ApiDoc;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_alerts;
#[cfg(test)]
mod tests_hostile;
#[cfg(test)]
mod tests_tables;
