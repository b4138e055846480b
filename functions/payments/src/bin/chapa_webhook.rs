//! `POST /v1/webhooks/chapa`

use payments::{chapa_webhook::handle, webhook::Webhook};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let webhook = Webhook::connect("SECRET_CHAPA_WEBHOOK")?;
    sutler_runtime::serve(&webhook, handle).await
}
