//! `POST /v1/orders/{order}/payments`

use payments::start_payment::{Payments, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let payments = Payments::connect().await?;
    sutler_runtime::serve(&payments, handle).await
}
