//! `POST /v1/auth/refresh`

use identity::refresh::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let issuer = sutler_runtime::start_issuer()?;
    sutler_runtime::serve(&issuer, handle).await
}
