//! `POST /v1/orders/{order}/refunds`

use orders::refund_order::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, handle).await
}
