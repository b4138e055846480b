//! `DELETE /v1/products/{product}`

use catalog::archive_product;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, archive_product::handle).await
}
