//! `GET /v1/health`

use system::get_health::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, handle).await
}
