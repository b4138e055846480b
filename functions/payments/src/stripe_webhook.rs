//! Takes Stripe's word down: verified, queued, answered. A worker acts on it.

use sutler_domain::problem::Problem;
use sutler_gateways::stripe_webhook::verify;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};

use crate::webhook::Webhook;

/// How old a signed message may be.
const TOLERANCE_S: i64 = 300;

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
    let now = state.now();
    let secret = state.secrets.get(&state.secret_id, now).await?;
    // While a secret is being changed, old and new stand side by side.
    let secrets: Vec<&str> = secret.expose().split(',').collect();
    verify(raw, header.unwrap_or_default(), &secrets, now, TOLERANCE_S).map_err(|_| Problem::BadSignature)?;
    let body = std::str::from_utf8(raw).map_err(|_| Problem::BadSignature)?;
    state.note(body).await?;
    Ok(response::no_content())
}
