//! `GET /v1/payments/{gateway}/return`

use payments::return_from_provider::{Returns, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let returns = Returns::connect()?;
    sutler_runtime::serve(&returns, handle).await
}
