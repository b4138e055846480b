//! Units of a line, and what became of them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    cart::{LINES_MAX, Quantity},
    ids::VariantId,
    problem::{FieldError, Problem},
};

/// Some units of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Units {
    /// Which line.
    pub variant: VariantId,
    /// How many.
    pub quantity: u32,
}

/// Reads which units somebody asks for: at most as many lines as a cart has, each named once.
///
/// # Errors
/// [`Problem::Invalid`] naming each line below `pointer` that does not fit.
pub fn units(asked: Vec<(VariantId, u32)>, pointer: &str) -> Result<Vec<Units>, Problem> {
    let mut errors = Vec::new();
    if asked.is_empty() {
        errors.push(FieldError::new(pointer, "empty"));
    } else if asked.len() > LINES_MAX {
        errors.push(FieldError::new(pointer, "too-many"));
        return Err(Problem::Invalid(errors));
    }
    let mut named = BTreeSet::new();
    for (at, (variant, quantity)) in asked.iter().enumerate() {
        if !named.insert(variant) {
            errors.push(FieldError::new(format!("{pointer}/{at}/variant"), "repeated"));
        }
        if Quantity::try_new(*quantity).is_err() {
            errors.push(FieldError::new(format!("{pointer}/{at}/quantity"), "out-of-range"));
        }
    }
    if errors.is_empty() {
        Ok(asked.into_iter().map(|(variant, quantity)| Units { variant, quantity }).collect())
    } else {
        Err(Problem::Invalid(errors))
    }
}

/// How many units of a line went where. Those that are in none of `cancelled` and `shipped` are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Will not be shipped.
    pub cancelled: u32,
    /// Were handed to a carrier; in exactly one shipment each.
    pub shipped: u32,
    /// Of those shipped, arrived.
    pub delivered: u32,
    /// Of those delivered, in a return that was neither received nor rejected.
    pub returning: u32,
    /// Of those delivered, came back.
    pub returned: u32,
}

impl Progress {
    /// Whether nothing became of any unit yet.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        *self == Self::default()
    }

    /// How many are neither cancelled nor shipped.
    #[must_use]
    pub fn open(&self, quantity: u32) -> u32 {
        quantity.saturating_sub(self.cancelled).saturating_sub(self.shipped)
    }

    /// How many were shipped and have not arrived, whatever the line's quantity.
    #[must_use]
    pub fn on_their_way(&self, _: u32) -> u32 {
        self.shipped.saturating_sub(self.delivered)
    }

    /// How many were paid back for as units.
    #[must_use]
    pub fn paid_back(&self) -> u32 {
        self.cancelled.saturating_add(self.returned)
    }

    /// Whether the counts can be true of a line of `quantity`.
    #[must_use]
    pub fn fits(&self, quantity: u32) -> bool {
        let within = |a: u32, b: u32, most: u32| a.checked_add(b).is_some_and(|sum| sum <= most);
        within(self.cancelled, self.shipped, quantity)
            && self.delivered <= self.shipped
            && within(self.returning, self.returned, self.delivered)
    }
}
