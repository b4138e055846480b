//! Queue `payment-commands`.

use workers::run_payment_commands::{PaymentCommands, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let commands = PaymentCommands::connect().await?;
    sutler_runtime::queue_worker(&commands, handle).await
}
