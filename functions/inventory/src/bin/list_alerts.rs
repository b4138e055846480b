//! `GET /v1/alerts`

use inventory::list_alerts;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, list_alerts::handle).await
}
