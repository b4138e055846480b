//! Queue `stock-imports`.

use workers::import_stock::{Imports, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let imports = Imports::connect()?;
    sutler_runtime::queue_worker(&imports, handle).await
}
