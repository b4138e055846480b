//! `DELETE /v1/categories/{category}`

use catalog::delete_category;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, delete_category::handle).await
}
