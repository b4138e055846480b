//! `GET /v1/inventory/imports/{import}`

use inventory::get_stock_import;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, get_stock_import::handle).await
}
