//! Streams of the tables, events only.

use sutler_gateways::bus::Bus;
use workers::publish_events::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = sutler_runtime::start_bare();
    let bus = Bus::new(sutler_runtime::aws::eventbridge(&config)?, config.text("BUS_NAME")?.to_owned());
    sutler_runtime::stream_worker(&bus, handle).await
}
