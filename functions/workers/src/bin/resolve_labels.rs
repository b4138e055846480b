//! Every five minutes.

use workers::resolve_labels::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let (config, app) = sutler_runtime::start()?;
    let app = sutler_runtime::forwarding(&config, app).await?;
    sutler_runtime::task_worker(&app, handle).await
}
