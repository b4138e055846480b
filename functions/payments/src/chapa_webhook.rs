//! Takes Chapa's word that something happened: verified, queued, answered. A worker asks Chapa what it was.

use sutler_domain::{ids::OrderId, problem::Problem};
use sutler_gateways::{
    chapa_reference::parse_tx_ref,
    chapa_webhook::{ChapaEvent, parse_event, verify},
};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::gateways::Settle;

use crate::webhook::{Noted, Webhook};

/// Takes an event of Chapa. Anything whose signature does not verify is refused and leaves no trace; only ids of what
/// does are queued.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/webhooks/chapa",
    operation_id = "chapa_webhook",
    tag = "payments",
    params(("x-chapa-signature" = String, Header, description = "HMAC-SHA256 of the body, in hexadecimal")),
    request_body(content = String, content_type = "application/json"),
    responses(
        (status = 200, description = "Noted"),
        (status = 400, description = "The signature is not valid", body = ProblemView),
        (status = 404, description = "Chapa is not configured", body = ProblemView),
    )
)]
pub async fn handle(state: &Webhook, request: Request) -> Result<Response<Body>, ApiError> {
    let raw = request::raw_up_to(&request, request::WEBHOOK_BYTES_MAX)?;
    let header = request.headers().get("x-chapa-signature").and_then(|value| value.to_str().ok());
    let secret = state.secret().await?.ok_or(Problem::NotFound)?;
    // While a secret is being changed, old and new stand side by side.
    let secrets: Vec<&str> = secret.expose().split(',').collect();
    if !verify(raw, header.unwrap_or_default(), &secrets) {
        return Err(Problem::BadSignature.into());
    }
    if let Some(asked) = parse_event(raw).and_then(|event| about(&event)) {
        state.ask(&asked).await?;
    }
    Ok(response::ok(&Noted {}))
}

/// The attempt that an event is about; nothing when it is about other things, or not ours.
fn about(event: &ChapaEvent) -> Option<Settle> {
    let (order, attempt) =
        event.is_of_a_charge().then_some(()).and(event.tx_ref.as_deref()).and_then(parse_tx_ref)?;
    let order = OrderId::parse(order).ok()?;
    Some(Settle { gateway: "chapa".to_owned(), order, attempt, message: Some(event.id()) })
}
