//! `DELETE /v1/products/{product}/variants/{variant}`

use catalog::delete_variant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, delete_variant::handle).await
}
