//! Once a day and after each deployment.

use workers::rotate_signing_keys::{Keys, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let (config, app) = sutler_runtime::start()?;
    let slot = sutler_runtime::signing_keys(&config, 0)?;
    sutler_runtime::task_worker(&Keys { app, slot }, handle).await
}
