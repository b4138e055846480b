//! `POST /v1/orders/{order}/parts/{part}/confirm-delivery`

use shipping::confirm_delivery::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::serve(&app, handle).await
}
