//! `GET /v1/inventory/export`

use inventory::{export_inventory, table_views::Tables};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let tables = Tables::connect()?;
    sutler_runtime::serve(&tables, export_inventory::handle).await
}
