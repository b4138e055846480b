//! Stream of Commerce, stock items only.

use workers::record_stock_movements::{Bookkeeper, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let bookkeeper = Bookkeeper::connect()?;
    sutler_runtime::stream_worker(&bookkeeper, handle).await
}
