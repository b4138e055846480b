//! What a seller hands to a carrier, and how it can be followed.

use serde::{Deserialize, Serialize};

use crate::{
    ids::ShipmentId,
    order::{Change, Units},
    problem::{FieldError, Problem},
    time::Timestamp,
};

/// Carrier and number, as the seller gave them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// Where a shipment is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ShipmentState {
    /// The carrier has it.
    InTransit,
    /// The carrier is on the way to the buyer.
    OutForDelivery {
        /// Since when.
        since: Timestamp,
    },
    /// It arrived.
    Delivered {
        /// When.
        at: Timestamp,
    },
}

impl ShipmentState {
    /// The state's name in answers and refusals.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::InTransit => "in_transit",
            Self::OutForDelivery { .. } => "out_for_delivery",
            Self::Delivered { .. } => "delivered",
        }
    }
}

/// Some units of a part on their way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipment {
    /// Its id.
    pub id: ShipmentId,
    /// How it can be followed.
    pub tracking: Tracking,
    /// What is in it.
    pub lines: Vec<Units>,
    /// When it was handed over.
    pub shipped_at: Timestamp,
    /// Where it is.
    pub state: ShipmentState,
}

impl Shipment {
    /// The carrier is on the way to the buyer.
    ///
    /// # Errors
    /// [`Problem::OrderState`] once it was delivered.
    pub fn out_for_delivery(&mut self, now: Timestamp) -> Result<Change, Problem> {
        match &self.state {
            ShipmentState::InTransit => {
                self.state = ShipmentState::OutForDelivery { since: now };
                Ok(Change::Applied)
            }
            ShipmentState::OutForDelivery { .. } => Ok(Change::AlreadyApplied),
            ShipmentState::Delivered { .. } => Err(Problem::OrderState { state: self.state.name() }),
        }
    }

    /// It arrived.
    pub fn deliver(&mut self, now: Timestamp) -> Change {
        match &self.state {
            ShipmentState::InTransit | ShipmentState::OutForDelivery { .. } => {
                self.state = ShipmentState::Delivered { at: now };
                Change::Applied
            }
            ShipmentState::Delivered { .. } => Change::AlreadyApplied,
        }
    }

    /// When it arrived.
    #[must_use]
    pub fn delivered_at(&self) -> Option<Timestamp> {
        match &self.state {
            ShipmentState::InTransit | ShipmentState::OutForDelivery { .. } => None,
            ShipmentState::Delivered { at } => Some(*at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::OrderId;

    #[test]
    fn every_command_in_every_shipment_state_is_decided() {
        type Command = fn(&mut Shipment) -> Result<Change, Problem>;
        let at = Timestamp::from_millis(0);
        let states = [
            ShipmentState::InTransit,
            ShipmentState::OutForDelivery { since: at },
            ShipmentState::Delivered { at },
        ];
        let table: [(&str, Command, [&str; 3]); 2] = [
            (
                "out for delivery",
                |s| s.out_for_delivery(Timestamp::from_millis(9)),
                ["out_for_delivery", "=", "!"],
            ),
            ("deliver", |s| Ok(s.deliver(Timestamp::from_millis(9))), ["delivered", "delivered", "="]),
        ];
        for (name, command, expected) in table {
            for (state, expected) in states.iter().zip(expected) {
                let order = OrderId::parse("ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH").unwrap();
                let mut shipment = Shipment {
                    id: ShipmentId::of(&order, 0, 1).unwrap(),
                    tracking: Tracking::parse("dhl", "1").unwrap(),
                    lines: Vec::new(),
                    shipped_at: at,
                    state: state.clone(),
                };
                let found = match command(&mut shipment) {
                    Ok(Change::Applied) => shipment.state.name(),
                    Ok(Change::AlreadyApplied) => "=",
                    Err(_) => "!",
                };
                assert_eq!(found, expected, "{name} when {}", state.name());
            }
        }
    }
}
