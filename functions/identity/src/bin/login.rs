//! `POST /v1/auth/login`

use identity::login::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (config, app) = sutler_runtime::start()?;
    let app = sutler_runtime::guarded(&config, app)?;
    let issuer = sutler_runtime::issuer(&config, app)?;
    sutler_runtime::serve(&issuer, handle).await
}
