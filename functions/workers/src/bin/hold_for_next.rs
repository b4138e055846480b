//! Queue `back-in-stock`.

use workers::hold_for_next::{Holds, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let holds = Holds::connect()?;
    sutler_runtime::queue_worker(&holds, handle).await
}
