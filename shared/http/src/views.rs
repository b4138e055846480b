//! Views that several endpoints share, and their shapes in the API description.

use serde::Serialize;
use sutler_domain::money::Money;
use utoipa::ToSchema;

/// An amount of money.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct MoneyView {
    /// Whole minor units, such as cents.
    #[schema(example = 1999)]
    pub amount: u64,
    /// ISO 4217 code.
    #[schema(example = "USD")]
    pub currency: &'static str,
}

impl From<Money> for MoneyView {
    fn from(money: Money) -> Self {
        Self { amount: money.minor(), currency: money.currency().code() }
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListView<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Where the next page starts; absent on the last page.
    pub next_cursor: Option<String>,
}

/// A refused call (RFC 9457). Some types carry further members; see the error reference.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemView {
    /// Stable URI of the kind of problem.
    #[schema(example = "urn:sutler:problem:not-found")]
    pub r#type: String,
    /// Fixed text of the kind of problem.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// The fields that are not valid.
    pub errors: Option<Vec<FieldErrorView>>,
}

/// One invalid field.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldErrorView {
    /// JSON pointer into the body, or the name of a parameter.
    pub pointer: String,
    /// What is wrong.
    pub code: String,
}
