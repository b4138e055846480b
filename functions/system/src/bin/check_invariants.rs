//! `GET /v1/admin/invariants`

use system::check_invariants::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, handle).await
}
