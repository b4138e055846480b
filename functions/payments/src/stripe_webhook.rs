//! Takes Stripe's word down: verified, queued, answered. A worker acts on it.

use std::sync::Arc;

use sutler_domain::{problem::Problem, time::Clock};
use sutler_gateways::{
    queue::{Queue, QueueError},
    secrets::Secrets,
    stripe_webhook::verify,
};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::Error;

/// How old a signed message may be.
const TOLERANCE_S: i64 = 300;

/// What this endpoint works with. It has no database.
pub struct Webhook {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where the signing secret is kept.
    pub secrets: Secrets,
    /// Its name there.
    pub secret_id: String,
    /// What takes the messages.
    pub queue: Queue,
    /// Which queue.
    pub queue_url: String,
}

impl Webhook {
    /// Reads configuration.
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn connect() -> Result<Self, lambda_http::Error> {
        let config = sutler_runtime::start_bare();
        Ok(Self {
            clock: Arc::new(sutler_runtime::system::SystemClock),
            secrets: Secrets::new(sutler_runtime::aws::secrets(&config)?, 60),
            secret_id: config.text("SECRET_STRIPE_WEBHOOK")?.to_owned(),
            queue: Queue::new(sutler_runtime::aws::sqs(&config)?),
            queue_url: config.text("QUEUE_PAYMENT_EVENTS")?.to_owned(),
        })
    }
}

fn not_queued(error: QueueError) -> Error {
    match error {
        QueueError::Unavailable(_) => Error::Unavailable(error.into()),
        QueueError::Rejected(_) => Error::Internal(error.into()),
    }
}

/// Takes an event of Stripe. Anything whose signature does not verify is refused and leaves no trace.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/webhooks/stripe",
    operation_id = "stripe_webhook",
    tag = "payments",
    params(("stripe-signature" = String, Header, description = "`t=…,v1=…`")),
    request_body(content = String, content_type = "application/json"),
    responses(
        (status = 204, description = "Noted"),
        (status = 400, description = "The signature is not valid", body = ProblemView),
    )
)]
pub async fn handle(state: &Webhook, request: Request) -> Result<Response<Body>, ApiError> {
    let raw = request::raw_up_to(&request, request::WEBHOOK_BYTES_MAX)?;
    let header = request.headers().get("stripe-signature").and_then(|value| value.to_str().ok());
    let now = state.clock.now().seconds();
    let secret = state.secrets.get(&state.secret_id, now).await?;
    // While a secret is being changed, old and new stand side by side.
    let secrets: Vec<&str> = secret.expose().split(',').collect();
    verify(raw, header.unwrap_or_default(), &secrets, now, TOLERANCE_S).map_err(|_| Problem::BadSignature)?;
    let body = std::str::from_utf8(raw).map_err(|_| Problem::BadSignature)?;
    state.queue.send(&state.queue_url, body, &[]).await.map_err(not_queued)?;
    Ok(response::no_content())
}
