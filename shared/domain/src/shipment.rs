//! How a shipment can be followed.

use crate::problem::{FieldError, Problem};

/// Carrier and number, as the seller gave them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracking {
    carrier: String,
    number: String,
}

impl Tracking {
    /// Reads carrier (1 to 40 characters) and number (1 to 80 characters), without surrounding space.
    ///
    /// # Errors
    /// [`Problem::Invalid`] naming each field that does not fit.
    pub fn parse(carrier: &str, number: &str) -> Result<Self, Problem> {
        let (carrier, number) = (carrier.trim(), number.trim());
        let mut errors = Vec::new();
        for (pointer, text, chars_max) in [("/carrier", carrier, 40), ("/tracking_number", number, 80)] {
            if text.is_empty() {
                errors.push(FieldError::new(pointer, "empty"));
            } else if text.chars().count() > chars_max || text.chars().any(char::is_control) {
                errors.push(FieldError::new(pointer, "invalid"));
            }
        }
        if errors.is_empty() {
            Ok(Self { carrier: carrier.to_owned(), number: number.to_owned() })
        } else {
            Err(Problem::Invalid(errors))
        }
    }

    /// Who carries it.
    #[must_use]
    pub fn carrier(&self) -> &str {
        &self.carrier
    }

    /// The carrier's number.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }
}
