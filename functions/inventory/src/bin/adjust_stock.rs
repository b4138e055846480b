//! `POST /v1/inventory/{variant}/adjust`

use inventory::adjust_stock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, adjust_stock::handle).await
}
