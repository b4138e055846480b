//! Queue `payment-events`.

use workers::process_payment_events::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::queue_worker(&app, handle).await
}
