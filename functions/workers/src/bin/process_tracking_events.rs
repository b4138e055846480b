//! Queue `tracking-events`.

use workers::process_tracking_events::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let (config, app) = sutler_runtime::start()?;
    let app = sutler_runtime::forwarding(&config, app).await?;
    sutler_runtime::queue_worker(&app, handle).await
}
