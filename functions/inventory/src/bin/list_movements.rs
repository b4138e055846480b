//! `GET /v1/inventory/{variant}/movements`

use inventory::list_movements;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, list_movements::handle).await
}
