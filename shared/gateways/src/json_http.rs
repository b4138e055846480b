//! JSON over HTTPS, for providers without an SDK: the HTTP client of the AWS SDK, with our limits around it.
//!
//! It follows no redirects, reads no more than [`BODY_BYTES_MAX`], and tells no one what was in a body.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, SharedHttpConnector},
    orchestrator::HttpRequest,
};
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;
use sutler_domain::money::{Currency, Money};

use crate::{
    calls::{CallLimits, Cause, Failure, Verdict},
    payment::GatewayError,
};

/// The largest answer that is read.
pub const BODY_BYTES_MAX: usize = 256 * 1_024;

/// What went wrong with a call. It holds nothing of the buyer and no secret.
#[derive(Debug, thiserror::Error)]
pub enum HttpFailure {
    /// Nothing came back in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection failed, or broke.
    #[error("the connection failed: {0}")]
    Transport(String),
    /// What came back is not what the API promises.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
    /// The provider said no.
    #[error("the answer was {status}, {code}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The provider's word for why.
        code: String,
    },
    /// The call cannot be made.
    #[error("the call cannot be made: {0}")]
    Invalid(String),
}

impl HttpFailure {
    /// Whether the provider said no with this word.
    #[must_use]
    pub fn has_code(&self, wanted: &str) -> bool {
        match self {
            Self::Refused { code, .. } => code == wanted,
            Self::Timeout | Self::Transport(_) | Self::Unreadable(_) | Self::Invalid(_) => false,
        }
    }

    /// The HTTP status of a refusal.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Timeout | Self::Transport(_) | Self::Unreadable(_) | Self::Invalid(_) => None,
        }
    }

    pub(crate) fn rejected(self) -> GatewayError {
        GatewayError::Rejected(self.into())
    }
}

impl Cause for HttpFailure {
    fn timeout() -> Self {
        Self::Timeout
    }

    fn verdict(&self) -> Verdict {
        match self {
            // An error page of a proxy cannot be read, and says nothing about the effect. A conflict means that another
            // call with the same key is under way.
            Self::Timeout
            | Self::Transport(_)
            | Self::Unreadable(_)
            | Self::Refused { status: 408 | 409 | 424 | 500..=599, .. } => Verdict::Unknown,
            Self::Refused { status: 429, .. } => Verdict::Busy,
            Self::Refused { .. } | Self::Invalid(_) => Verdict::Final,
        }
    }
}

impl From<Failure<HttpFailure>> for GatewayError {
    fn from(Failure { cause, ambiguous }: Failure<HttpFailure>) -> Self {
        match (cause, ambiguous) {
            (cause, true) => Self::OutcomeUnknown(cause.into()),
            (cause, false) if cause.verdict() == Verdict::Final => cause.rejected(),
            (cause, false) => Self::Unavailable(cause.into()),
        }
    }
}

/// One call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub method: &'static str,
    /// From the base on.
    pub path: &'a str,
    pub headers: &'a [(&'static str, &'a str)],
    pub body: Option<Payload<'a>>,
    /// What the tries of it have in common.
    pub key: &'a str,
}

/// What a call carries.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Payload<'a> {
    Json(&'a str),
    Form(&'a str),
}

/// Calls one provider.
#[derive(Debug, Clone)]
pub struct JsonClient {
    https: Https,
    base_url: String,
    limits: CallLimits,
    /// Finds the provider's word for a refusal in its body.
    code_of: fn(&[u8]) -> Option<String>,
}

/// A connector that speaks HTTPS, and HTTP to stand-ins. It is made when it is first needed: a function that starts
/// knows many providers, and most of its calls need none of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Https(Arc<OnceLock<SharedHttpConnector>>);

impl Https {
    /// Makes calls through `connector`.
    #[cfg(feature = "s3")]
    pub(crate) fn of(connector: SharedHttpConnector) -> Self {
        Self(Arc::new(OnceLock::from(connector)))
    }

    pub(crate) fn connector(&self) -> &SharedHttpConnector {
        self.0.get_or_init(|| {
            let tls = Provider::Rustls(CryptoMode::AwsLc);
            SharedHttpConnector::new(Connector::builder().tls_provider(tls).build())
        })
    }
}

impl JsonClient {
    /// Calls what is below `base_url`.
    pub(crate) fn new(base_url: &str, limits: CallLimits, code_of: fn(&[u8]) -> Option<String>) -> Self {
        let base_url = base_url.trim_end_matches('/').to_owned();
        Self { https: Https::default(), base_url, limits, code_of }
    }

    /// Makes a call and reads its answer, within the limits, with the same key each time.
    pub(crate) async fn call<T: DeserializeOwned + Send>(
        &self,
        call: Call<'_>,
    ) -> Result<T, Failure<HttpFailure>> {
        self.limits.call(call.key, || self.attempt(call)).await
    }

    async fn attempt<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, HttpFailure> {
        let url = format!("{}{}", self.base_url, call.path);
        let (status, body) = send(self.https.connector(), &url, call, self.limits.try_timeout).await?;
        if !(200..300).contains(&status) {
            let code = (self.code_of)(&body).unwrap_or_else(|| "unknown".to_owned());
            return Err(HttpFailure::Refused { status, code });
        }
        // The reader's own words would quote the body.
        serde_json::from_slice(&body).map_err(|error| {
            HttpFailure::Unreadable(format!("line {}, column {}", error.line(), error.column()))
        })
    }
}

/// Sends one request and reads the whole answer, bounded in size and time.
pub(crate) async fn send(
    connector: &SharedHttpConnector,
    url: &str,
    call: Call<'_>,
    timeout: Duration,
) -> Result<(u16, Vec<u8>), HttpFailure> {
    let request = request(url, call)?;
    let exchange = async {
        let response =
            connector.call(request).await.map_err(|error| HttpFailure::Transport(chain(&error)))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
        let body = body.map_err(|error| HttpFailure::Transport(chain(error.as_ref())))?;
        Ok((status, body.to_bytes().to_vec()))
    };
    tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(HttpFailure::Timeout))
}

fn request(url: &str, call: Call<'_>) -> Result<HttpRequest, HttpFailure> {
    let (body, content_type) = match call.body {
        None => (SdkBody::empty(), None),
        Some(Payload::Json(text)) => (SdkBody::from(text), Some("application/json")),
        Some(Payload::Form(text)) => (SdkBody::from(text), Some("application/x-www-form-urlencoded")),
    };
    let invalid = |what: &'static str| move |_| HttpFailure::Invalid(what.to_owned());
    let mut request = HttpRequest::new(body);
    request.set_method(call.method).map_err(|_| HttpFailure::Invalid("method".to_owned()))?;
    request.set_uri(url).map_err(|_| HttpFailure::Invalid("address".to_owned()))?;
    let fixed = [Some(("accept", "application/json")), content_type.map(|kind| ("content-type", kind))];
    for (name, value) in fixed.into_iter().flatten().chain(call.headers.iter().copied()) {
        // What a header may not hold is not repeated: it may be a secret.
        request.headers_mut().try_insert(name, value.to_owned()).map_err(invalid("header"))?;
    }
    Ok(request)
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Reads an amount that a provider wrote as a decimal number, in a string or bare, to the minor unit.
pub(crate) fn amount(raw: &serde_json::value::RawValue, currency: &str) -> Result<Money, GatewayError> {
    let unreadable = |what: &str| HttpFailure::Unreadable(what.to_owned()).rejected();
    let currency = Currency::parse(currency).ok_or_else(|| unreadable("currency"))?;
    let text = raw.get();
    let quoted = text.starts_with('"').then(|| serde_json::from_str::<String>(text)).transpose();
    let quoted = quoted.map_err(|_| unreadable("amount"))?;
    Money::parse_decimal(quoted.as_deref().unwrap_or(text), currency).map_err(|_| unreadable("amount"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_from_a_string_or_a_number_exactly_or_not_at_all() {
        let read = |text: &str, currency| {
            let raw: Box<serde_json::value::RawValue> = serde_json::from_str(text).unwrap();
            amount(&raw, currency).ok().map(Money::minor)
        };
        for (text, minor) in [("100", 10_000), ("100.10", 10_010), ("\"100.10\"", 10_010), ("\"7\"", 700)] {
            assert_eq!(read(text, "etb"), Some(minor), "{text}");
        }
        for bad in
            ["19.999", "1e2", "-1", "null", "true", "\"\"", "\"1,000.00\"", "[1]", "0.1000000000000000055"]
        {
            assert_eq!(read(bad, "ETB"), None, "{bad}");
        }
        assert_eq!(read("90071992547409.91", "USD"), Some(Money::MINOR_MAX), "more digits than a float has");
        assert_eq!(read("1", "XXX"), None);
    }

    #[test]
    fn a_header_that_cannot_be_sent_is_refused_without_being_shown() {
        let call = Call {
            method: "GET",
            path: "",
            headers: &[("authorization", "Bearer s3cret\n")],
            body: None,
            key: "k",
        };
        let error = request("https://example.com/", call).err().unwrap();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
