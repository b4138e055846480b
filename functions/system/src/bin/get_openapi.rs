//! `GET /openapi.json`

use system::get_openapi::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    drop(sutler_runtime::start_bare());
    sutler_runtime::serve(&(), handle).await
}
