//! Whether goods arrive at an address: our own rules first, then a provider's opinion, if there is one in time.

use std::{fmt, sync::Arc};

use sutler_domain::{
    address::{Address, AddressDraft},
    address_check::{CheckedBy, Checkup, Coordinates, Opinion, Suggestion, Verdict},
    problem::{FieldError, Problem},
    time::Timestamp,
};
use sutler_gateways::address_check::{AddressCheck, AddressCheckError, Question};
use sutler_store::users::AddressEntry;

use crate::App;

/// Where a request says that an address is right whatever a check says.
const CONFIRMED_FIELD: &str = "/confirmed";

/// Asks a provider about addresses, or nobody where none is configured.
#[derive(Clone)]
pub struct Surveyor(Option<Arc<dyn AddressCheck>>);

impl fmt::Debug for Surveyor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Surveyor({})",
            self.0.as_ref().map_or(CheckedBy::BuiltIn, |check| check.checked_by()).name()
        )
    }
}

impl Surveyor {
    /// Asks `check`; `None` leaves it at our own rules.
    #[must_use]
    pub fn new(check: Option<Arc<dyn AddressCheck>>) -> Self {
        Self(check)
    }

    /// Whether anybody is asked.
    pub(crate) fn asks(&self) -> bool {
        self.0.is_some()
    }

    /// What the provider says; nothing when there is none, or when it does not do its part.
    async fn opinion(&self, question: &Question) -> Option<(CheckedBy, Opinion)> {
        let check = self.0.as_ref()?;
        let by = check.checked_by();
        match check.check(question).await {
            Ok(opinion) => return Some((by, opinion)),
            Err(error @ AddressCheckError::NotCovered(_)) => {
                tracing::info!(address_check.by = by.name(), "An address goes without a check: {error}");
            }
            Err(error @ AddressCheckError::Unavailable(_)) => {
                tracing::warn!(address_check.by = by.name(), "An address goes without a check: {error}");
            }
            // Every address does, until somebody mends it.
            Err(error @ AddressCheckError::Rejected(_)) => {
                tracing::error!(address_check.by = by.name(), "An address goes without a check: {error}");
            }
        }
        None
    }
}

/// What was found out about an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What to do about it.
    pub verdict: Verdict,
    /// Whose verdict it is.
    pub checked_by: CheckedBy,
    /// The address as it should be written; nothing when it is none by our own rules.
    pub address: Option<Address>,
    /// What there is to say about single fields.
    pub suggestions: Vec<Suggestion>,
    /// Where it is, when that is known.
    pub coordinates: Option<Coordinates>,
}

impl Checked {
    /// What is kept with the address.
    pub(crate) fn checkup(&self, confirmed: bool, at: Timestamp) -> Checkup {
        let Self { verdict, checked_by, coordinates, .. } = *self;
        Checkup { verdict, checked_by, confirmed, coordinates, at }
    }

    /// The refusal of an address that nobody confirmed: every field that is doubted, and what would help.
    pub(crate) fn refusal(&self) -> Problem {
        let doubts = self.suggestions.iter().map(|found| FieldError::new(&found.pointer, found.code));
        Problem::Invalid(doubts.chain([FieldError::new(CONFIRMED_FIELD, "required")]).collect())
    }
}

/// Checks what somebody typed. Nothing is kept of it.
pub async fn validate(app: &App, draft: &AddressDraft) -> Checked {
    match Address::parse(draft) {
        Ok(address) => check(app, address, false).await,
        Err(errors) => Checked {
            verdict: Verdict::Fix,
            checked_by: CheckedBy::BuiltIn,
            address: None,
            suggestions: errors.into_iter().map(Suggestion::from).collect(),
            coordinates: None,
        },
    }
}

/// Checks an address that our own rules accept. Whatever is the matter with the provider, there is a verdict.
pub(crate) async fn check(app: &App, address: Address, is_kept: bool) -> Checked {
    let key = if app.surveyor.asks() { format!("{:032x}", app.ids.random()) } else { String::new() };
    let question = Question { address, is_kept, key };
    match app.surveyor.opinion(&question).await {
        Some((checked_by, Opinion { verdict, address, suggestions, coordinates })) => {
            Checked { verdict, checked_by, address: Some(address), suggestions, coordinates }
        }
        None => Checked {
            verdict: Verdict::Accept,
            checked_by: CheckedBy::BuiltIn,
            address: Some(question.address),
            suggestions: Vec::new(),
            coordinates: None,
        },
    }
}

/// The address of an entry that goods may be sent to. Nobody is asked: the stored verdict holds, and our own rules,
/// which may be newer than the entry.
pub(crate) fn destination(entry: AddressEntry) -> Result<Address, Problem> {
    if entry.check.is_some_and(|check| !check.allows_sending()) {
        return Err(Problem::field("/address", "not-confirmed"));
    }
    match entry.address.check() {
        Ok(()) => Ok(entry.address),
        Err(_) => Err(Problem::field("/address", "invalid")),
    }
}
