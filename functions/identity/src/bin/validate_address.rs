//! `POST /v1/addresses/validate`

use identity::validate_address::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (config, app) = sutler_runtime::start()?;
    let app = sutler_runtime::surveyed(&config, app)?;
    sutler_runtime::serve(&app, handle).await
}
