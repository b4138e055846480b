//! `POST /v1/webhooks/shippo`

use shipping::shippo_webhook::{ShippoWebhook, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let webhook = ShippoWebhook::connect()?;
    sutler_runtime::serve(&webhook, handle).await
}
