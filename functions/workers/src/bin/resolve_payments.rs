//! Every five minutes.

use workers::{resolve_payments::handle, run_payment_commands::PaymentCommands};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let commands = PaymentCommands::connect().await?;
    sutler_runtime::task_worker(&commands, handle).await
}
