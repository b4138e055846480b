//! `POST /v1/webhooks/stripe`

use payments::{stripe_webhook::handle, webhook::Webhook};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let webhook = Webhook::connect("SECRET_STRIPE_WEBHOOK")?;
    sutler_runtime::serve(&webhook, handle).await
}
