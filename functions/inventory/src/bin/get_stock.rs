//! `GET /v1/inventory/{variant}`

use inventory::get_stock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, get_stock::handle).await
}
