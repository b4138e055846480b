//! `GET /v1/orders/{order}/events`

use orders::list_order_events::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, handle).await
}
