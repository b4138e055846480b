//! `GET /v1/inventory`

use inventory::list_inventory;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, list_inventory::handle).await
}
