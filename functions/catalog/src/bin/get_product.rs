//! `GET /v1/products/{product}`

use catalog::get_product;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, get_product::handle).await
}
