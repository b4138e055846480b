//! Every refusal a caller can get. `shared/http` turns each into status, code and title in one place.

use serde::Serialize;

use crate::{
    address::Country,
    coupon::CouponRefusal,
    ids::{SellerId, VariantId},
    money::{Money, MoneyError},
};

/// One invalid field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// JSON pointer into the body, or the name of a parameter.
    pub pointer: String,
    /// Stable code, such as `too-long`.
    pub code: &'static str,
}

impl FieldError {
    /// Names a field and what is wrong with it.
    #[must_use]
    pub fn new(pointer: impl Into<String>, code: &'static str) -> Self {
        Self { pointer: pointer.into(), code }
    }
}

/// A line that asks for more than there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shortage {
    /// The variant that is short.
    pub variant: VariantId,
    /// How many were asked for.
    pub requested: u32,
    /// How many are free.
    pub available: u32,
}

/// Why a call was refused. Nothing was written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// No valid access token.
    #[error("not signed in")]
    Unauthenticated,
    /// Signed in, but without the role the call needs.
    #[error("the role does not allow this")]
    Forbidden,
    /// The account's e-mail address is not verified yet.
    #[error("the e-mail address is not verified")]
    EmailNotVerified,
    /// The caller has no shop.
    #[error("the account has no shop")]
    SellerRequired,
    /// There is no such thing, or it is not the caller's.
    #[error("not found")]
    NotFound,
    /// The request cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// The body or a parameter is well-formed but not acceptable.
    #[error("{} fields are invalid", .0.len())]
    Invalid(Vec<FieldError>),
    /// The body is larger than any valid one.
    #[error("the body is too large")]
    TooLarge,
    /// The same idempotency key came with another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Another request changed the same thing first.
    #[error("someone else changed this first")]
    Conflict,
    /// A unique name is taken; `what` names the field.
    #[error("{what} is taken")]
    Taken {
        /// The field whose value is taken.
        what: &'static str,
    },
    /// As many as there may be; `what` names them.
    #[error("no more {what}")]
    LimitReached {
        /// What there are too many of.
        what: &'static str,
        /// How many there may be.
        max: u32,
    },
    /// The caller has a shop already.
    #[error("the account has a shop already")]
    AlreadySeller,
    /// Too many tries.
    #[error("too many requests")]
    TooManyRequests {
        /// When it is worth trying again.
        retry_after_s: u32,
    },
    /// E-mail, user name or password are wrong.
    #[error("wrong credentials")]
    WrongCredentials,
    /// A link or token is unknown, used or expired.
    #[error("the token is not valid any more")]
    TokenInvalid,
    /// Something still depends on it; `what` says what.
    #[error("still in use: {what}")]
    InUse {
        /// What depends on it.
        what: &'static str,
    },
    /// The cart has no lines.
    #[error("the cart is empty")]
    CartEmpty,
    /// A buyer cannot buy their own goods.
    #[error("a seller cannot buy their own goods")]
    OwnGoods,
    /// A product in the cart is not for sale any more.
    #[error("{variant} is not for sale")]
    NotForSale {
        /// The variant in question.
        variant: VariantId,
    },
    /// Some lines ask for more than is free.
    #[error("not enough stock")]
    InsufficientStock(Vec<Shortage>),
    /// Nobody has to wait for it: it can be ordered.
    #[error("{variant} is in stock")]
    InStock {
        /// The variant in question.
        variant: VariantId,
    },
    /// The buyer has, or would have, more of a variant than one buyer may.
    #[error("no more of {variant} for this buyer")]
    BuyerLimit {
        /// The variant in question.
        variant: VariantId,
        /// How many one buyer may have.
        limit: u32,
        /// How many this one has already.
        bought: u32,
    },
    /// A seller does not send what is in the cart to where it is to go.
    #[error("{seller} does not send this to {country:?}")]
    NotShippable {
        /// Who.
        seller: SellerId,
        /// The shop's name.
        seller_name: String,
        /// Where to, if that was said.
        country: Option<Country>,
    },
    /// The coupon cannot be used.
    #[error(transparent)]
    Coupon(CouponRefusal),
    /// A discount leaves nothing to pay, and only what is paid for is an order.
    #[error("there is nothing to pay")]
    NothingToPay,
    /// Prices or costs changed since the quote; the new quote is in the answer, as JSON text.
    #[error("the quote changed")]
    QuoteChanged {
        /// The new quote, rendered.
        quote: Box<str>,
    },
    /// The order's state does not allow this; `state` is where it is.
    #[error("the order is {state}")]
    OrderState {
        /// The current state.
        state: &'static str,
    },
    /// More units of a line than this can be done with now.
    #[error("only {possible} of {variant} are left for this")]
    TooManyUnits {
        /// The line.
        variant: VariantId,
        /// How many were asked for.
        requested: u32,
        /// For how many it is possible.
        possible: u32,
    },
    /// More money than there is left to give back.
    #[error("there is not that much left to give back")]
    RefundTooLarge {
        /// What is left.
        refundable: Money,
    },
    /// A label costs more than its seller has left in the part.
    #[error("the label costs more than is left")]
    LabelTooExpensive {
        /// What is left, less other labels.
        left: Money,
    },
    /// This marketplace buys no labels, and asks no carriers.
    #[error("carriers are not offered")]
    CarriersNotOffered,
    /// The carriers do not take this.
    #[error("the carriers refused: {code}")]
    CarrierRefused {
        /// Their reason, as far as it is known.
        code: String,
    },
    /// Another payment of the order is under way.
    #[error("another payment is under way")]
    PaymentInProgress,
    /// This marketplace does not take payments this way.
    #[error("this way of paying is not offered")]
    GatewayNotOffered,
    /// The payment provider said no.
    #[error("the payment was declined")]
    PaymentDeclined {
        /// The provider's reason, from its documented list.
        code: String,
    },
    /// The payment provider cannot be reached; the same call can be repeated.
    #[error("the payment provider does not answer")]
    ProviderUnavailable,
    /// The signature of a webhook does not verify.
    #[error("the signature is not valid")]
    BadSignature,
}

impl Problem {
    /// One invalid field.
    #[must_use]
    pub fn field(pointer: impl Into<String>, code: &'static str) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, code)])
    }
}

impl From<MoneyError> for Problem {
    fn from(error: MoneyError) -> Self {
        match error {
            MoneyError::CurrencyMismatch { .. } => Self::field("/currency", "currency-mismatch"),
            MoneyError::OutOfRange => Self::field("", "amount-out-of-range"),
        }
    }
}
