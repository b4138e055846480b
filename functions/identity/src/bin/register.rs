//! `POST /v1/auth/register`

use identity::register::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (config, app) = sutler_runtime::start()?;
    let app = sutler_runtime::guarded(&config, app)?;
    sutler_runtime::serve(&app, handle).await
}
