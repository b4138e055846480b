//! `POST /v1/inventory/imports`

use inventory::{create_stock_import, table_views::Tables};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let tables = Tables::connect()?;
    sutler_runtime::serve(&tables, create_stock_import::handle).await
}
