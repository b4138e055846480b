//! Queue `guest-claims`.

use workers::claim_guest_orders::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::queue_worker(&app, handle).await
}
