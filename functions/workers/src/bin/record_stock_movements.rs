//! Stream of Commerce, stock items only.

use workers::record_stock_movements;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let (_, app) = sutler_runtime::start()?;
    sutler_runtime::stream_worker(&app, record_stock_movements::handle).await
}
