//! Queue `mail`.

use workers::send_mail::{Post, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let post = Post::connect()?;
    sutler_runtime::queue_worker(&post, handle).await
}
