//! `PATCH /v1/products/{product}`

use catalog::update_product;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, update_product::handle).await
}
