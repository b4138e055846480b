//! `GET /v1/categories`

use catalog::list_categories;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, list_categories::handle).await
}
