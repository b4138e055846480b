//! Every minute.

use workers::rebalance_stock::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::task_worker(&app, handle).await
}
