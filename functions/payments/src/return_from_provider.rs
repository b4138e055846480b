//! Where a payment provider sends the buyer back to. It moves no money and believes nothing: it asks a worker to see how
//! the attempt stands, and sends the buyer on to the shop.

use sutler_domain::{ids::OrderId, problem::Problem};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_runtime::queue::Sender;
use sutler_services::gateways::Settle;

use crate::webhook::PAYMENT_EVENTS;

/// The gateways that send buyers back.
const REDIRECTING: [&str; 2] = ["chapa", "paypal"];

/// What this endpoint works with. It has no database.
pub struct Returns {
    /// What takes the questions.
    pub queue: Sender,
    /// Where people open the shop.
    pub frontend_url: String,
}

impl Returns {
    /// Reads configuration.
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn connect() -> Result<Self, lambda_http::Error> {
        let config = sutler_runtime::start_bare();
        Ok(Self {
            queue: Sender::connect(&config, PAYMENT_EVENTS)?,
            frontend_url: config.settings()?.frontend_url,
        })
    }
}

/// Sends a buyer who comes back from a provider's pages on to their order. Whether it is paid is for the order to
/// tell, soon after.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    get,
    path = "/v1/payments/{gateway}/return",
    operation_id = "return_from_provider",
    tag = "payments",
    params(
        ("gateway" = String, Path, description = "`chapa` or `paypal`"),
        ("order" = String, Query, description = "Id of the order"),
        ("attempt" = u32, Query, description = "Number of the attempt"),
    ),
    responses(
        (status = 303, description = "To the order's page in the shop"),
        (status = 404, description = "Nothing of ours", body = ProblemView),
        (status = 503, description = "Repeat the call", body = ProblemView),
    )
)]
pub async fn handle(state: &Returns, request: Request) -> Result<Response<Body>, ApiError> {
    let known = |name: &str| REDIRECTING.contains(&name).then(|| name.to_owned()).ok_or(());
    let gateway = request::path(&request, "gateway", known)?;
    // What else the provider added is not read.
    let order = request::query(&request, "order", OrderId::parse).ok().flatten();
    let attempt = request::query(&request, "attempt", str::parse::<u32>).ok().flatten();
    let (order, attempt) = order.zip(attempt).ok_or(Problem::NotFound)?;
    let shop = format!("{}/orders/{order}", state.frontend_url);
    state.queue.send(&Settle { gateway, order, attempt, message: None }).await?;
    Ok(response::see_other(&shop))
}
