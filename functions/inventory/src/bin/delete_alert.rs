//! `DELETE /v1/variants/{variant}/alerts`

use inventory::delete_alert;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, delete_alert::handle).await
}
