//! Takes Shippo's word that something is new about a parcel: verified, queued, answered. A worker acts on it.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use sutler_domain::{problem::Problem, time::Clock};
use sutler_gateways::{
    secret::{Secret, SecretsError},
    secrets::Secrets,
    shippo_webhook::{is_token, parse_event, verify},
};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_runtime::queue::Sender;
use sutler_services::{
    Error,
    tracking::{Heard, Told},
};

/// How old a signed message may be.
const TOLERANCE_S: i64 = 300;

/// What this endpoint works with. It has no database: what is authentic goes to a queue.
pub struct ShippoWebhook {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where both secrets are kept.
    pub secrets: Secrets,
    /// The name of the one that messages are signed with, where that is agreed with Shippo.
    pub signing_id: String,
    /// The name of the token that is in the address of the webhook.
    pub token_id: String,
    /// What takes the messages.
    pub queue: Sender,
}

impl ShippoWebhook {
    /// Reads configuration.
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn connect() -> Result<Self, lambda_http::Error> {
        let config = sutler_runtime::start_bare();
        Ok(Self {
            clock: Arc::new(sutler_runtime::system::SystemClock),
            secrets: Secrets::new(sutler_runtime::aws::secrets(&config)?, 60),
            signing_id: config.text("SECRET_SHIPPO_WEBHOOK")?.to_owned(),
            token_id: config.text("SECRET_SHIPPO_TOKEN")?.to_owned(),
            queue: Sender::connect(&config, "QUEUE_TRACKING_EVENTS")?,
        })
    }

    async fn secret(&self, id: &str) -> Result<Option<Secret>, Error> {
        match self.secrets.get(id, self.clock.now().seconds()).await {
            Ok(secret) => Ok(Some(secret)),
            Err(SecretsError::Missing) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// How much a message is to be believed.
    async fn proof(&self, request: &Request, raw: &[u8]) -> Result<Proof, Error> {
        // While a secret is being changed, old and new stand side by side.
        if let Some(secret) = self.secret(&self.signing_id).await? {
            let header = request.headers().get("shippo-auth-signature").and_then(|value| value.to_str().ok());
            let secrets: Vec<&str> = secret.expose().split(',').collect();
            let now = self.clock.now().seconds();
            return verify(raw, header.unwrap_or_default(), &secrets, now, TOLERANCE_S)
                .map(|()| Proof::Signed)
                .map_err(|_| Problem::BadSignature.into());
        }
        let token = self.secret(&self.token_id).await?.ok_or(Problem::NotFound)?;
        let tokens: Vec<&str> = token.expose().split(',').collect();
        let given = request::query(request, "token", |text| Ok::<_, ()>(text.to_owned()));
        let given = given.ok().flatten().unwrap_or_default();
        if is_token(&given, &tokens) { Ok(Proof::Token) } else { Err(Problem::BadSignature.into()) }
    }
}

/// What a message proves.
enum Proof {
    /// Shippo wrote it, a moment ago.
    Signed,
    /// Whoever sent it knows the address of the webhook.
    Token,
}

/// What a message that was taken is answered with: Shippo insists on 200.
#[derive(Debug, Serialize)]
struct Noted {}

/// Takes an event of Shippo. Anything that does not prove to be one is refused and leaves no trace; of what does, carrier and
/// number are queued, and what is told of them if it is signed.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/webhooks/shippo",
    operation_id = "shippo_webhook",
    tag = "shipping",
    params(
        ("shippo-auth-signature" = Option<String>, Header, description = "`t=…,v1=…`, where Shippo signs"),
        ("token" = Option<String>, Query, description = "What is in the address of the webhook, where Shippo does not sign"),
    ),
    request_body(content = String, content_type = "application/json"),
    responses(
        (status = 200, description = "Noted"),
        (status = 400, description = "The signature or the token is not valid", body = ProblemView),
        (status = 404, description = "Shippo is not configured", body = ProblemView),
    )
)]
pub async fn handle(state: &ShippoWebhook, request: Request) -> Result<Response<Body>, ApiError> {
    let raw = request::raw_up_to(&request, request::WEBHOOK_BYTES_MAX)?;
    let proof = state.proof(&request, raw).await?;
    if let Some(heard) = heard(raw, &proof) {
        state.queue.send(&heard).await?;
    }
    Ok(response::ok(&Noted {}))
}

/// What is queued of a message; nothing when it is not about a parcel.
fn heard(raw: &[u8], proof: &Proof) -> Option<Heard> {
    let event = parse_event(raw)?;
    let told = match proof {
        Proof::Signed => Some(Told { news: event.track.news, at: event.track.at }),
        Proof::Token => None,
    };
    // Shippo numbers no events. Each delivery of one has the same bytes.
    Some(Heard { parcel: event.parcel, message: hex::encode(digest(&SHA256, raw)), told })
}
