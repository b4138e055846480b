//! `PATCH /v1/categories/{category}`

use catalog::update_category;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, update_category::handle).await
}
