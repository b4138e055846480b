//! `POST /v1/auth/login`

use identity::login::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let issuer = sutler_runtime::start_issuer()?;
    sutler_runtime::serve(&issuer, handle).await
}
