//! `POST /v1/variants/{variant}/alerts`

use inventory::create_alert;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, create_alert::handle).await
}
