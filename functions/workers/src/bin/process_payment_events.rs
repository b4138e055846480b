//! Queue `payment-events`.

use workers::{process_payment_events::handle, run_payment_commands::PaymentCommands};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let state = PaymentCommands::connect_asking().await?;
    sutler_runtime::queue_worker(&state, handle).await
}
