//! `POST /v1/webhooks/paypal`

use payments::paypal_webhook::{PayPalWebhook, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let webhook = PayPalWebhook::connect()?;
    sutler_runtime::serve(&webhook, handle).await
}
