//! Stripe, through its SDK.

use std::{collections::HashMap, future::Future, str::FromStr};

use async_trait::async_trait;
use stripe::{Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeError, StripeRequest};
use stripe_core::{
    payment_intent::{CancelPaymentIntent, CreatePaymentIntent, RetrievePaymentIntent},
    refund::{CreateRefund, RetrieveRefund},
};
use stripe_shared::{PaymentIntent, PaymentIntentAllowedPaymentMethodTypes, PaymentIntentStatus, Refund};
use stripe_types::Currency;

use crate::{
    calls::{Cause, Failure, Verdict},
    payment::{
        GatewayError, PaymentGateway, PaymentStatus, ProviderPayment, ProviderRefund, RefundPayment,
        RefundStatus, StartPayment, StartedPayment,
    },
    secret::Secret,
};

pub use crate::calls::CallLimits;

/// Stripe's word for a command that comes too late.
const UNEXPECTED_STATE: &str = "payment_intent_unexpected_state";

/// What went wrong with a call. It holds nothing of the buyer and no secret.
#[derive(Debug, thiserror::Error)]
pub enum StripeFailure {
    /// Nothing came back in time.
    #[error("Stripe did not answer in time")]
    Timeout,
    /// The connection failed.
    #[error("the connection to Stripe failed: {0}")]
    Transport(String),
    /// What came back is not what the API promises.
    #[error("the answer of Stripe cannot be read: {0}")]
    Unreadable(String),
    /// Stripe said no.
    #[error("Stripe answered {status}, {code}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error's code, or its type where it has none.
        code: String,
    },
    /// The call cannot be made.
    #[error("the call cannot be made: {0}")]
    Invalid(String),
}

/// Payments through Stripe.
#[derive(Debug, Clone)]
pub struct StripeGateway {
    client: Client,
    limits: CallLimits,
}

impl StripeGateway {
    /// Calls Stripe with `secret_key`, at `base_url` where one is given.
    ///
    /// # Errors
    /// [`StripeFailure::Invalid`] when the key or the URL cannot be used.
    pub fn try_new(
        secret_key: &Secret,
        base_url: Option<&str>,
        limits: CallLimits,
    ) -> Result<Self, StripeFailure> {
        let mut builder = ClientBuilder::new(secret_key.expose()).timeout(limits.try_timeout);
        if let Some(url) = base_url {
            // The SDK appends its path to the text as it stands.
            builder = builder.url(format!("{}/", url.trim_end_matches('/')));
        }
        Ok(Self { client: builder.build().map_err(StripeFailure::from)?, limits })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) async fn call<T, F, R>(&self, key: &str, attempt: F) -> Result<T, Failure<StripeFailure>>
    where
        F: Fn() -> R + Send + Sync,
        R: Future<Output = Result<T, StripeError>> + Send,
        T: Send,
    {
        self.limits
            .call(key, || {
                let tried = attempt();
                async move { tried.await.map_err(StripeFailure::from) }
            })
            .await
    }

    async fn retrieve(&self, payment: &str) -> Result<ProviderPayment, GatewayError> {
        let request = RetrievePaymentIntent::new(checked_id(payment, "pi_")?);
        let found = self.call(payment, || request.customize().send(&self.client)).await;
        payment_of(&found.map_err(Failure::of_a_question)?)
    }
}

#[async_trait]
impl PaymentGateway for StripeGateway {
    fn gateway(&self) -> &'static str {
        "stripe"
    }

    fn takes(&self, _: sutler_domain::money::Currency) -> bool {
        true
    }

    async fn start(&self, attempt: &StartPayment) -> Result<StartedPayment, GatewayError> {
        let key = attempt.key();
        let strategy = idempotent(&key)?;
        // Cards only: they are decided at once, while other methods may take days and the order's stock cannot wait.
        let request = CreatePaymentIntent::new(signed(attempt.amount_minor)?, currency(&attempt.currency)?)
            .allowed_payment_method_types([PaymentIntentAllowedPaymentMethodTypes::Card])
            .description(attempt.description.as_str())
            .metadata(metadata(&attempt.order_id, attempt.attempt));
        let send = || request.customize().request_strategy(strategy.clone()).send(&self.client);
        let intent = self.call(&key, send).await?;
        Ok(StartedPayment {
            provider_id: intent.id.to_string(),
            status: status_of(&intent.status),
            client_secret: intent.client_secret.map(Secret::new),
            redirect_url: intent
                .next_action
                .and_then(|next| next.redirect_to_url)
                .and_then(|redirect| redirect.url),
        })
    }

    async fn look_up(&self, payment: &str) -> Result<ProviderPayment, GatewayError> {
        self.retrieve(payment).await
    }

    async fn cancel(&self, payment: &str, key: &str) -> Result<ProviderPayment, GatewayError> {
        let strategy = idempotent(key)?;
        let request = CancelPaymentIntent::new(checked_id(payment, "pi_")?);
        let send = || request.customize().request_strategy(strategy.clone()).send(&self.client);
        match self.call(key, send).await {
            Ok(intent) => payment_of(&intent),
            // It is already paid or already cancelled; which of them is the answer.
            Err(failure) if failure.cause.has_code(UNEXPECTED_STATE) => self.retrieve(payment).await,
            Err(failure) => Err(failure.into()),
        }
    }

    async fn refund(&self, refund: &RefundPayment) -> Result<ProviderRefund, GatewayError> {
        let key = refund.key();
        let strategy = idempotent(&key)?;
        let request = CreateRefund::new()
            .payment_intent(checked_id(&refund.payment, "pi_")?)
            .amount(signed(refund.amount_minor)?)
            .metadata(metadata(&refund.order_id, refund.attempt));
        let send = || request.customize().request_strategy(strategy.clone()).send(&self.client);
        refund_of(&self.call(&key, send).await?)
    }

    // A repeated call is answered as the first one was, whatever became of the refund since.
    async fn look_up_refund(
        &self,
        _refund: &RefundPayment,
        provider_id: &str,
    ) -> Result<ProviderRefund, GatewayError> {
        let request = RetrieveRefund::new(checked_id(provider_id, "re_")?);
        let found = self.call(provider_id, || request.customize().send(&self.client)).await;
        refund_of(&found.map_err(Failure::of_a_question)?)
    }
}

impl From<StripeError> for StripeFailure {
    fn from(error: StripeError) -> Self {
        match error {
            // The SDK's own text would print the whole error, with the intent and its client secret inside.
            StripeError::Stripe(error, status) => {
                let code =
                    error.decline_code.clone().or_else(|| error.code.as_ref().map(ToString::to_string));
                Self::Refused { status, code: code.unwrap_or_else(|| error.type_.to_string()) }
            }
            StripeError::JSONDeserialize(text) => Self::Unreadable(text),
            StripeError::ClientError(text) => Self::Transport(text),
            StripeError::ConfigError(text) => Self::Invalid(text),
            StripeError::Timeout => Self::Timeout,
        }
    }
}

impl Cause for StripeFailure {
    fn timeout() -> Self {
        Self::Timeout
    }

    fn verdict(&self) -> Verdict {
        match self {
            // An error page of a proxy cannot be read, and says nothing about the effect. A conflict means that another
            // call holds the key, or died with it.
            Self::Timeout
            | Self::Transport(_)
            | Self::Unreadable(_)
            | Self::Refused { status: 409 | 424 | 500..=599, .. } => Verdict::Unknown,
            Self::Refused { status: 429, .. } => Verdict::Busy,
            Self::Refused { .. } | Self::Invalid(_) => Verdict::Final,
        }
    }
}

impl StripeFailure {
    fn has_code(&self, wanted: &str) -> bool {
        match self {
            Self::Refused { code, .. } => code == wanted,
            Self::Timeout | Self::Transport(_) | Self::Unreadable(_) | Self::Invalid(_) => false,
        }
    }

    pub(crate) fn rejected(self) -> GatewayError {
        GatewayError::Rejected(self.into())
    }
}

impl From<Failure<StripeFailure>> for GatewayError {
    fn from(Failure { cause, ambiguous }: Failure<StripeFailure>) -> Self {
        match (cause, ambiguous) {
            (StripeFailure::Refused { status: 402, code }, _) => Self::Declined { code },
            (cause, true) => Self::OutcomeUnknown(cause.into()),
            (cause, false) if cause.verdict() == Verdict::Final => cause.rejected(),
            (cause, false) => Self::Unavailable(cause.into()),
        }
    }
}

pub(crate) fn idempotent(key: &str) -> Result<RequestStrategy, GatewayError> {
    let key = IdempotencyKey::new(key).map_err(|error| GatewayError::Rejected(error.into()))?;
    Ok(RequestStrategy::Idempotent(key))
}

/// An id becomes part of a URL, so it must not bring a path of its own.
pub(crate) fn checked_id(id: &str, prefix: &str) -> Result<String, GatewayError> {
    let plain = id.starts_with(prefix) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain
        .then(|| id.to_owned())
        .ok_or_else(|| StripeFailure::Invalid("not an id of Stripe".to_owned()).rejected())
}

pub(crate) fn signed(minor: u64) -> Result<i64, GatewayError> {
    i64::try_from(minor).map_err(|error| GatewayError::Rejected(error.into()))
}

pub(crate) fn unsigned(minor: i64) -> Result<u64, GatewayError> {
    u64::try_from(minor).map_err(|error| GatewayError::Rejected(error.into()))
}

pub(crate) fn currency(code: &str) -> Result<Currency, GatewayError> {
    match Currency::from_str(&code.to_ascii_lowercase()) {
        Ok(Currency::Unknown(_)) => Err(StripeFailure::Invalid(format!("currency {code:?}")).rejected()),
        Ok(currency) => Ok(currency),
        Err(never) => match never {},
    }
}

pub(crate) fn metadata(order_id: &str, attempt: u32) -> HashMap<String, String> {
    HashMap::from([("order_id".to_owned(), order_id.to_owned()), ("attempt".to_owned(), attempt.to_string())])
}

pub(crate) fn status_of(status: &PaymentIntentStatus) -> PaymentStatus {
    match status {
        PaymentIntentStatus::RequiresPaymentMethod | PaymentIntentStatus::RequiresConfirmation => {
            PaymentStatus::AwaitingBuyer
        }
        PaymentIntentStatus::RequiresAction => PaymentStatus::RequiresAction,
        PaymentIntentStatus::Succeeded => PaymentStatus::Succeeded,
        PaymentIntentStatus::Canceled => PaymentStatus::Cancelled,
        // Neither paid nor over, whatever a status of the future may mean.
        PaymentIntentStatus::Processing
        | PaymentIntentStatus::RequiresCapture
        | PaymentIntentStatus::Unknown(_)
        | _ => PaymentStatus::Processing,
    }
}

pub(crate) fn payment_of(intent: &PaymentIntent) -> Result<ProviderPayment, GatewayError> {
    let error = intent.last_payment_error.as_ref();
    Ok(ProviderPayment {
        provider_id: intent.id.to_string(),
        status: status_of(&intent.status),
        amount_minor: unsigned(intent.amount)?,
        amount_received_minor: unsigned(intent.amount_received)?,
        currency: intent.currency.to_string().to_ascii_uppercase(),
        order_id: intent.metadata.get("order_id").cloned(),
        attempt: intent.metadata.get("attempt").and_then(|attempt| attempt.parse().ok()),
        last_error_code: error.and_then(|error| error.code.as_ref()).map(ToString::to_string),
    })
}

fn refund_of(refund: &Refund) -> Result<ProviderRefund, GatewayError> {
    Ok(ProviderRefund {
        provider_id: refund.id.to_string(),
        status: match refund.status.as_deref() {
            Some("succeeded") => RefundStatus::Succeeded,
            Some("failed") => RefundStatus::Failed,
            Some("canceled") => RefundStatus::Cancelled,
            // `pending`, `requires_action`, and whatever comes.
            Some(_) | None => RefundStatus::Pending,
        },
        amount_minor: unsigned(refund.amount)?,
        currency: refund.currency.to_string().to_ascii_uppercase(),
    })
}
