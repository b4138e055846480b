//! `POST /v1/auth/refresh`

use identity::refresh::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (config, app) = sutler_runtime::start()?;
    let issuer = sutler_runtime::issuer(&config, app)?;
    sutler_runtime::serve(&issuer, handle).await
}
