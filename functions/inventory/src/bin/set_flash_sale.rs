//! `PUT /v1/inventory/{variant}/flash-sale`

use inventory::set_flash_sale;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, set_flash_sale::handle).await
}
