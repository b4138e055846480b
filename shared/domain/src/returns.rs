//! Goods that a buyer sends back.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{OrderId, ReturnId, SellerId},
    order::{Change, Units},
    problem::{FieldError, Problem},
    text,
    time::Timestamp,
};

/// How long after its delivery a thing can be sent back.
pub const WINDOW_SECONDS: i64 = 30 * 24 * 3_600;
/// How often things of one order can be sent back.
pub const RETURNS_MAX: u8 = 40;

/// Where a return is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReturnState {
    /// The seller is to agree.
    Requested,
    /// The buyer may send it.
    Approved {
        /// Since when.
        at: Timestamp,
    },
    /// The seller does not take it back.
    Rejected {
        /// Since when.
        at: Timestamp,
    },
    /// The seller has it again; the money goes back.
    Received {
        /// Since when.
        at: Timestamp,
        /// Which of it can be sold again.
        sellable: Vec<Units>,
    },
}

impl ReturnState {
    /// The state's name in answers and refusals.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved { .. } => "approved",
            Self::Rejected { .. } => "rejected",
            Self::Received { .. } => "received",
        }
    }
}

/// Something that is sent back to one seller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    /// Its id.
    pub id: ReturnId,
    /// The order.
    pub order: OrderId,
    /// Whose part.
    pub seller: SellerId,
    /// What.
    pub lines: Vec<Units>,
    /// Why, in the buyer's words.
    pub reason: String,
    /// Where it is.
    pub state: ReturnState,
    /// When it was asked for.
    pub requested_at: Timestamp,
}

/// Reads why something is sent back: 1 to 500 characters.
///
/// # Errors
/// [`Problem::Invalid`] when it does not fit.
pub fn reason(input: &str) -> Result<String, Problem> {
    let mut errors: Vec<FieldError> = Vec::new();
    let reason = text::paragraphs(input, "/reason", 1..=500, &mut errors);
    if errors.is_empty() { Ok(reason) } else { Err(Problem::Invalid(errors)) }
}

impl Return {
    fn refuse(&self) -> Problem {
        Problem::OrderState { state: self.state.name() }
    }

    /// The seller agrees.
    ///
    /// # Errors
    /// [`Problem::OrderState`] once it was rejected or received.
    pub fn approve(&mut self, now: Timestamp) -> Result<Change, Problem> {
        match &self.state {
            ReturnState::Requested => {
                self.state = ReturnState::Approved { at: now };
                Ok(Change::Applied)
            }
            ReturnState::Approved { .. } => Ok(Change::AlreadyApplied),
            ReturnState::Rejected { .. } | ReturnState::Received { .. } => Err(self.refuse()),
        }
    }

    /// The seller does not agree.
    ///
    /// # Errors
    /// [`Problem::OrderState`] once it was approved or received.
    pub fn reject(&mut self, now: Timestamp) -> Result<Change, Problem> {
        match &self.state {
            ReturnState::Requested => {
                self.state = ReturnState::Rejected { at: now };
                Ok(Change::Applied)
            }
            ReturnState::Rejected { .. } => Ok(Change::AlreadyApplied),
            ReturnState::Approved { .. } | ReturnState::Received { .. } => Err(self.refuse()),
        }
    }

    /// The seller has it again, `sellable` of it as good as new.
    ///
    /// # Errors
    /// [`Problem::OrderState`] unless it was approved, or when it was received with other units;
    /// [`Problem::Invalid`] and [`Problem::TooManyUnits`] when more is sellable than was sent back.
    pub fn receive(&mut self, sellable: &[Units], now: Timestamp) -> Result<Change, Problem> {
        match &self.state {
            ReturnState::Approved { .. } => {
                for (at, units) in sellable.iter().enumerate() {
                    let sent = self.lines.iter().find(|line| line.variant == units.variant);
                    let unknown = || Problem::field(format!("/sellable/{at}/variant"), "unknown");
                    let possible = sent.ok_or_else(unknown)?.quantity;
                    if units.quantity > possible {
                        let (variant, requested) = (units.variant.clone(), units.quantity);
                        return Err(Problem::TooManyUnits { variant, requested, possible });
                    }
                }
                self.state = ReturnState::Received { at: now, sellable: sellable.to_vec() };
                Ok(Change::Applied)
            }
            ReturnState::Received { sellable: known, .. } if known == sellable => Ok(Change::AlreadyApplied),
            ReturnState::Requested | ReturnState::Rejected { .. } | ReturnState::Received { .. } => {
                Err(self.refuse())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ProductId, UserId, VariantId};

    const ULID: &str = "01J8ZQ5K3N0V7X2Y4T6B8D9FGH";
    const NOW: Timestamp = Timestamp::from_millis(9);

    fn units(quantity: u32) -> Units {
        let product = ProductId::parse(&format!("prd_{ULID}")).unwrap();
        Units { variant: VariantId::of(&product, 0).unwrap(), quantity }
    }

    fn sent_back(state: ReturnState) -> Return {
        let order = OrderId::parse(&format!("ord_{ULID}")).unwrap();
        Return {
            id: ReturnId::of(&order, 0, 1).unwrap(),
            order,
            seller: SellerId::of_user(&UserId::parse(&format!("usr_{ULID}")).unwrap()),
            lines: vec![units(2)],
            reason: "too small".to_owned(),
            state,
            requested_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn every_command_in_every_return_state_is_decided() {
        type Command = fn(&mut Return) -> Result<Change, Problem>;
        let at = Timestamp::from_millis(0);
        let states = [
            ReturnState::Requested,
            ReturnState::Approved { at },
            ReturnState::Rejected { at },
            ReturnState::Received { at, sellable: vec![units(1)] },
        ];
        let table: [(&str, Command, [&str; 4]); 4] = [
            ("approve", |r| r.approve(NOW), ["approved", "=", "!", "!"]),
            ("reject", |r| r.reject(NOW), ["rejected", "!", "=", "!"]),
            ("receive", |r| r.receive(&[units(1)], NOW), ["!", "received", "!", "="]),
            ("receive otherwise", |r| r.receive(&[], NOW), ["!", "received", "!", "!"]),
        ];
        for (name, command, expected) in table {
            for (state, expected) in states.iter().zip(expected) {
                let mut sent_back = sent_back(state.clone());
                let found = match command(&mut sent_back) {
                    Ok(Change::Applied) => sent_back.state.name(),
                    Ok(Change::AlreadyApplied) => "=",
                    Err(_) => "!",
                };
                assert_eq!(found, expected, "{name} when {}", state.name());
            }
        }
    }

    #[test]
    fn no_more_is_sellable_than_was_sent_back() {
        let mut sent_back = sent_back(ReturnState::Approved { at: NOW });
        let refused = sent_back.receive(&[units(3)], NOW).unwrap_err();
        assert!(matches!(refused, Problem::TooManyUnits { possible: 2, .. }), "{refused:?}");
    }
}
