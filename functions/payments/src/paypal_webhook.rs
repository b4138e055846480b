//! Takes PayPal's word that something happened: verified, queued, answered. A worker asks PayPal what it was.

use sutler_domain::{ids::OrderId, problem::Problem};
use sutler_gateways::{
    calls::CallLimits,
    payment::GatewayError,
    paypal::PayPalGateway,
    paypal_webhook::{PayPalEvent, SignatureError, Transmission, Verifier, parse_event},
};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{Error, gateways::Settle};

use crate::webhook::Webhook;

/// How old a signed message may be.
const TOLERANCE_S: i64 = 300;

/// What this endpoint works with.
pub struct PayPalWebhook {
    /// The queue, and the credentials to ask PayPal with.
    pub webhook: Webhook,
    /// What verifies messages.
    pub verifier: Verifier,
    /// Where PayPal is.
    pub base_url: String,
    /// What PayPal calls this webhook; empty while PayPal is not configured.
    pub webhook_id: String,
}

impl PayPalWebhook {
    /// Reads configuration.
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn connect() -> Result<Self, lambda_http::Error> {
        let config = sutler_runtime::start_bare();
        let base_url = config.text("PAYPAL_API_BASE")?.to_owned();
        let roots = config.optional("PAYPAL_TEST_ROOT").map(sutler_runtime::gateways::pem).transpose()?;
        Ok(Self {
            webhook: Webhook::of(&config, "SECRET_PAYPAL_CREDENTIALS")?,
            verifier: Verifier::try_new(&base_url, roots.as_deref())?,
            base_url,
            webhook_id: config.optional("PAYPAL_WEBHOOK_ID").unwrap_or_default().to_owned(),
        })
    }
}

/// Takes an event of PayPal. Anything that does not verify is refused and leaves no trace; only ids of what does are
/// queued.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/webhooks/paypal",
    operation_id = "paypal_webhook",
    tag = "payments",
    params(
        ("paypal-transmission-id" = String, Header, description = "Id of the delivery"),
        ("paypal-transmission-time" = String, Header, description = "When it was signed"),
        ("paypal-transmission-sig" = String, Header, description = "The signature"),
        ("paypal-cert-url" = String, Header, description = "Where the certificate is, at PayPal"),
        ("paypal-auth-algo" = String, Header, description = "`SHA256withRSA`"),
    ),
    request_body(content = String, content_type = "application/json"),
    responses(
        (status = 204, description = "Noted"),
        (status = 400, description = "The signature is not valid", body = ProblemView),
        (status = 404, description = "PayPal is not configured", body = ProblemView),
    )
)]
pub async fn handle(state: &PayPalWebhook, request: Request) -> Result<Response<Body>, ApiError> {
    let raw = request::raw_up_to(&request, request::WEBHOOK_BYTES_MAX)?;
    if state.webhook_id.is_empty() {
        return Err(Problem::NotFound.into());
    }
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let transmission = Transmission {
        id: header("paypal-transmission-id").unwrap_or_default(),
        time: header("paypal-transmission-time").unwrap_or_default(),
        signature: header("paypal-transmission-sig").unwrap_or_default(),
        cert_url: header("paypal-cert-url").unwrap_or_default(),
        algorithm: header("paypal-auth-algo").unwrap_or_default(),
    };
    if !is_authentic(state, raw, &transmission).await? {
        return Err(Problem::BadSignature.into());
    }
    if let Some(asked) = parse_event(raw).and_then(|event| about(&event)) {
        state.webhook.ask(&asked).await?;
    }
    Ok(response::no_content())
}

/// Whether PayPal sent it. Where its certificate cannot be judged here, PayPal itself is asked.
async fn is_authentic(
    state: &PayPalWebhook,
    raw: &[u8],
    transmission: &Transmission<'_>,
) -> Result<bool, Error> {
    let now = state.webhook.now();
    match state.verifier.verify(raw, transmission, &state.webhook_id, now, TOLERANCE_S).await {
        Ok(()) => Ok(true),
        Err(SignatureError::Forged | SignatureError::Stale) => Ok(false),
        Err(SignatureError::Undecided(source)) => {
            tracing::warn!(error.source = %source, "PayPal is asked about a signature");
            let Some(credentials) = state.webhook.secret().await? else { return Ok(false) };
            let Ok(text) = std::str::from_utf8(raw) else { return Ok(false) };
            let clock = state.webhook.clock.clone();
            let paypal =
                PayPalGateway::new(&credentials, Some(&state.base_url), CallLimits::default(), clock);
            match paypal.confirms(&transmission.question(&state.webhook_id), text).await {
                Ok(confirmed) => Ok(confirmed),
                // PayPal does not understand the question: the message is none of its own.
                Err(GatewayError::Rejected(_)) => Ok(false),
                Err(error) => Err(Error::Unavailable(error.into())),
            }
        }
    }
}

/// The attempt that an event is about; nothing when it is about other things, or not ours.
fn about(event: &PayPalEvent) -> Option<Settle> {
    let (order, attempt) = event.is_of_a_payment().then(|| event.attempt()).flatten()?;
    let order = OrderId::parse(order).ok()?;
    Some(Settle { gateway: "paypal".to_owned(), order, attempt, message: Some(event.id.clone()) })
}
