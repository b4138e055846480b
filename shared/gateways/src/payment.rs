//! The port to a payment provider.

use async_trait::async_trait;
use sutler_domain::money::{Currency, Money, MoneyError};

use crate::{BoxError, secret::Secret};

/// A provider that takes money from buyers and gives it back.
///
/// Every call has a deadline and bounded retries of its own. A call may be repeated with the same arguments at any
/// time: its idempotency key is made of our own ids.
#[async_trait]
pub trait PaymentGateway: Send + Sync {
    /// The provider's name as stored on a payment, such as `stripe`.
    fn gateway(&self) -> &'static str;

    /// Whether it takes this currency.
    fn takes(&self, currency: Currency) -> bool;

    /// Whether it is asked how a payment stands when the buyer comes back from its pages. Where its events are believed
    /// there is no need, and the buyer goes straight to the shop.
    fn is_asked_on_return(&self) -> bool {
        true
    }

    /// Opens a payment the buyer can then pay.
    ///
    /// # Errors
    /// See [`GatewayError`]; [`GatewayError::Unrepeatable`] where only the first call is told how the buyer pays.
    async fn start(&self, attempt: &StartPayment) -> Result<StartedPayment, GatewayError>;

    /// Asks how a payment stands.
    ///
    /// # Errors
    /// See [`GatewayError`]; never [`GatewayError::OutcomeUnknown`].
    async fn look_up(&self, payment: &str) -> Result<ProviderPayment, GatewayError>;

    /// Brings a payment as far as it goes without the buyer, and answers how it then stands: money that the buyer has
    /// agreed to is taken. Most providers take it by themselves, so that asking is all there is to do.
    ///
    /// # Errors
    /// See [`GatewayError`].
    async fn settle(&self, payment: &str, _key: &str) -> Result<ProviderPayment, GatewayError> {
        self.look_up(payment).await
    }

    /// Makes a payment unpayable, and answers how it then stands. One that succeeded first is an answer too.
    ///
    /// # Errors
    /// See [`GatewayError`].
    async fn cancel(&self, payment: &str, key: &str) -> Result<ProviderPayment, GatewayError>;

    /// Gives money back.
    ///
    /// # Errors
    /// See [`GatewayError`]; more than is left of the payment is [`GatewayError::Rejected`].
    async fn refund(&self, refund: &RefundPayment) -> Result<ProviderRefund, GatewayError>;

    /// Asks how a refund stands that was under way, by the provider's id of it. Where repeating the call tells that,
    /// there is nothing else to do.
    ///
    /// # Errors
    /// See [`GatewayError`].
    async fn look_up_refund(
        &self,
        refund: &RefundPayment,
        _provider_id: &str,
    ) -> Result<ProviderRefund, GatewayError> {
        self.refund(refund).await
    }
}

/// One attempt to pay one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartPayment {
    /// The order.
    pub order_id: String,
    /// Which attempt of the order, from 1.
    pub attempt: u32,
    /// What to take, in minor units.
    pub amount_minor: u64,
    /// Upper-case ISO code.
    pub currency: String,
    /// What the buyer reads on a statement or in a wallet.
    pub description: String,
    /// Where the provider sends the buyer afterwards, if it has pages of its own.
    pub return_url: String,
    /// Where the provider may write to the buyer.
    pub email: Secret,
}

impl StartPayment {
    /// The idempotency key: `<order>/<attempt>`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.order_id, self.attempt)
    }

    /// The amount as a decimal number, for providers that want one.
    ///
    /// # Errors
    /// [`GatewayError::Rejected`] when the amount is not one of a currency we trade in.
    pub fn decimal(&self) -> Result<String, GatewayError> {
        decimal(self.amount_minor, &self.currency)
    }
}

fn decimal(minor: u64, currency: &str) -> Result<String, GatewayError> {
    let money = Currency::parse(currency).map(|currency| Money::try_new(minor, currency));
    let money = money.unwrap_or(Err(MoneyError::OutOfRange));
    Ok(money.map_err(|error| GatewayError::Rejected(error.into()))?.decimal())
}

/// One refund of one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundPayment {
    /// The provider's id of the payment.
    pub payment: String,
    /// The order.
    pub order_id: String,
    /// The attempt that was paid.
    pub attempt: u32,
    /// Which refund of that attempt, from 1.
    pub number: u32,
    /// What to give back, in minor units.
    pub amount_minor: u64,
    /// Upper-case ISO code.
    pub currency: String,
}

impl RefundPayment {
    /// The idempotency key: `<order>/<attempt>/refund/<n>`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}/refund/{}", self.order_id, self.attempt, self.number)
    }

    /// The amount as a decimal number, for providers that want one.
    ///
    /// # Errors
    /// [`GatewayError::Rejected`] when the amount is not one of a currency we trade in.
    pub fn decimal(&self) -> Result<String, GatewayError> {
        decimal(self.amount_minor, &self.currency)
    }
}

/// A payment that is open at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedPayment {
    /// The provider's id.
    pub provider_id: String,
    /// How it stands.
    pub status: PaymentStatus,
    /// What the buyer's browser, and nobody else, pays with.
    pub client_secret: Option<Secret>,
    /// Where to send the buyer instead.
    pub redirect_url: Option<String>,
}

/// How a payment stands at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentStatus {
    /// The buyer has not paid; a declined card leads back here, and another one may be tried.
    AwaitingBuyer,
    /// The buyer must prove who they are.
    RequiresAction,
    /// The buyer has agreed, and [`PaymentGateway::settle`] takes the money.
    Approved,
    /// The provider is at it. Ask again.
    Processing,
    /// The money is taken. Final.
    Succeeded,
    /// It cannot be paid any more. Final.
    Cancelled,
}

/// A payment as the provider knows it. Compare amount, currency and order before believing it. Until the buyer has
/// acted, a provider may know neither amount nor currency; they are zero and empty then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderPayment {
    /// The provider's id.
    pub provider_id: String,
    /// How it stands.
    pub status: PaymentStatus,
    /// What was asked, in minor units.
    pub amount_minor: u64,
    /// What was taken, in minor units.
    pub amount_received_minor: u64,
    /// Upper-case ISO code.
    pub currency: String,
    /// The order it was opened for.
    pub order_id: Option<String>,
    /// The attempt it was opened for.
    pub attempt: Option<u32>,
    /// Why the last try to pay failed.
    pub last_error_code: Option<String>,
}

/// A refund as the provider knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderRefund {
    /// The provider's id.
    pub provider_id: String,
    /// How it stands.
    pub status: RefundStatus,
    /// What goes back, in minor units.
    pub amount_minor: u64,
    /// Upper-case ISO code.
    pub currency: String,
}

/// How a refund stands at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundStatus {
    /// On its way; an event will tell.
    Pending,
    /// The buyer has it, or soon will without anyone doing more.
    Succeeded,
    /// It came back: the buyer has nothing.
    Failed,
    /// It was called off: the buyer has nothing.
    Cancelled,
}

/// What a caller may do about a failed call.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The buyer's bank said no. Tell the buyer.
    #[error("the payment was declined: {code}")]
    Declined {
        /// The provider's word for why.
        code: String,
    },
    /// The call may or may not have taken effect. Record that, and repeat it with the same key later.
    #[error("the outcome at the payment provider is unknown")]
    OutcomeUnknown(#[source] BoxError),
    /// The call took no effect. Repeat it later.
    #[error("the payment provider is unavailable")]
    Unavailable(#[source] BoxError),
    /// The payment was opened before, and the provider does not tell again how the buyer pays it. End it, and start
    /// another attempt.
    #[error("the payment exists, and how it is paid is not told twice")]
    Unrepeatable {
        /// The provider's id of it.
        provider_id: String,
    },
    /// A bug, a misconfiguration or a forbidden step. Repeating it does not help.
    #[error("the payment provider refused the call")]
    Rejected(#[source] BoxError),
}
