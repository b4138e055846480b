//! `GET /v1/orders/{order}/parts/{part}/rates`

use shipping::list_rates::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (config, app) = sutler_runtime::start()?;
    let app = sutler_runtime::forwarding(&config, app).await?;
    sutler_runtime::serve(&app, handle).await
}
