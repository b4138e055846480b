//! `POST /v1/products/{product}/variants`

use catalog::create_variant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, create_variant::handle).await
}
