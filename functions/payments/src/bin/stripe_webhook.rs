//! `POST /v1/webhooks/stripe`

use payments::stripe_webhook::{Webhook, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let webhook = Webhook::connect()?;
    sutler_runtime::serve(&webhook, handle).await
}
