//! What a seller hands to a carrier, and how it can be followed.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{LabelId, ShipmentId},
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

    /// Carrier and number as programs write them, so that `DHL Express` is `dhl_express`, and spaces in numbers do not
    /// count.
    #[must_use]
    pub fn token(&self) -> TrackingToken {
        let mut carrier = String::new();
        for word in self.carrier.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            if !carrier.is_empty() {
                carrier.push('_');
            }
            carrier.extend(word.chars().flat_map(char::to_lowercase));
        }
        let number = self.number.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_uppercase);
        TrackingToken { carrier, number: number.collect() }
    }
}

/// Carrier and number as programs write them. Two that are the same lead to the same parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackingToken {
    /// Lower-case words with `_` between them.
    pub carrier: String,
    /// Upper case, without space.
    pub number: String,
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
    /// The carrier could not deliver it, and says so. It may still arrive.
    Failed {
        /// Since when.
        at: Timestamp,
    },
    /// The carrier has brought it back. Only the buyer can say that it arrived all the same.
    Returned {
        /// When.
        at: Timestamp,
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
            Self::Failed { .. } => "failed",
            Self::Returned { .. } => "returned",
            Self::Delivered { .. } => "delivered",
        }
    }

    /// Since when it is there; being shipped is when a shipment's life begins.
    #[must_use]
    pub fn since(&self, shipped_at: Timestamp) -> Timestamp {
        match self {
            Self::InTransit => shipped_at,
            Self::OutForDelivery { since: at }
            | Self::Failed { at }
            | Self::Returned { at }
            | Self::Delivered { at } => *at,
        }
    }
}

/// What a carrier says of a parcel, as far as it is acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CarrierNews {
    /// It is on its way to the buyer's door.
    OutForDelivery,
    /// It cannot be delivered.
    Failed,
    /// It was brought back to its sender.
    Returned,
    /// It was delivered.
    Delivered,
}

/// Some units of a part on their way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipment {
    /// Its id.
    pub id: ShipmentId,
    /// How it can be followed.
    pub tracking: Tracking,
    /// The label it was sent with, if it was bought here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelId>,
    /// What is in it.
    pub lines: Vec<Units>,
    /// When it was handed over.
    pub shipped_at: Timestamp,
    /// Where it was before, after it was handed over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<ShipmentState>,
    /// Where it is.
    pub state: ShipmentState,
}

impl Shipment {
    /// The carrier tells something of it. What is known, older than what is known, or cannot follow from it, changes
    /// nothing.
    pub fn hear(&mut self, news: CarrierNews, at: Timestamp) -> Change {
        use ShipmentState as S;
        let next = match (news, &self.state) {
            (CarrierNews::OutForDelivery, S::InTransit) => S::OutForDelivery { since: at },
            (CarrierNews::Failed, S::InTransit | S::OutForDelivery { .. }) => S::Failed { at },
            (CarrierNews::Returned, S::InTransit | S::OutForDelivery { .. } | S::Failed { .. }) => {
                S::Returned { at }
            }
            // What was brought back was delivered to its sender, if a carrier calls it that.
            (CarrierNews::Delivered, S::InTransit | S::OutForDelivery { .. } | S::Failed { .. }) => {
                S::Delivered { at }
            }
            (CarrierNews::OutForDelivery, S::OutForDelivery { .. } | S::Failed { .. })
            | (CarrierNews::Failed, S::Failed { .. })
            | (_, S::Returned { .. } | S::Delivered { .. }) => return Change::AlreadyApplied,
        };
        self.go_on(next);
        Change::Applied
    }

    /// Its buyer says that it arrived.
    pub fn deliver(&mut self, now: Timestamp) -> Change {
        match &self.state {
            ShipmentState::InTransit
            | ShipmentState::OutForDelivery { .. }
            | ShipmentState::Failed { .. }
            | ShipmentState::Returned { .. } => {
                self.go_on(ShipmentState::Delivered { at: now });
                Change::Applied
            }
            ShipmentState::Delivered { .. } => Change::AlreadyApplied,
        }
    }

    fn go_on(&mut self, next: ShipmentState) {
        let before = std::mem::replace(&mut self.state, next);
        if before != ShipmentState::InTransit {
            self.passed.push(before);
        }
    }

    /// When it arrived.
    #[must_use]
    pub fn delivered_at(&self) -> Option<Timestamp> {
        match &self.state {
            ShipmentState::InTransit
            | ShipmentState::OutForDelivery { .. }
            | ShipmentState::Failed { .. }
            | ShipmentState::Returned { .. } => None,
            ShipmentState::Delivered { at } => Some(*at),
        }
    }

    /// Where it has been and is, from when it was handed over.
    #[must_use]
    pub fn trail(&self) -> Vec<(&'static str, Timestamp)> {
        let mut trail = vec![(ShipmentState::InTransit.name(), self.shipped_at)];
        let later = self.passed.iter().chain([&self.state]);
        let later = later.filter(|state| **state != ShipmentState::InTransit);
        trail.extend(later.map(|state| (state.name(), state.since(self.shipped_at))));
        trail
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::OrderId;

    const T0: Timestamp = Timestamp::from_millis(0);
    const LATER: Timestamp = Timestamp::from_millis(9);

    fn shipment(state: ShipmentState) -> Shipment {
        let order = OrderId::parse("ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH").unwrap();
        Shipment {
            id: ShipmentId::of(&order, 0, 1).unwrap(),
            tracking: Tracking::parse("dhl", "1").unwrap(),
            label: None,
            lines: Vec::new(),
            shipped_at: T0,
            passed: Vec::new(),
            state,
        }
    }

    #[test]
    fn every_command_in_every_shipment_state_is_decided() {
        type Command = fn(&mut Shipment) -> Change;
        let states = [
            ShipmentState::InTransit,
            ShipmentState::OutForDelivery { since: T0 },
            ShipmentState::Failed { at: T0 },
            ShipmentState::Returned { at: T0 },
            ShipmentState::Delivered { at: T0 },
        ];
        let table: [(&str, Command, [&str; 5]); 5] = [
            (
                "out for delivery",
                |s| s.hear(CarrierNews::OutForDelivery, LATER),
                ["out_for_delivery", "=", "=", "=", "="],
            ),
            ("failed", |s| s.hear(CarrierNews::Failed, LATER), ["failed", "failed", "=", "=", "="]),
            (
                "brought back",
                |s| s.hear(CarrierNews::Returned, LATER),
                ["returned", "returned", "returned", "=", "="],
            ),
            (
                "delivered, says the carrier",
                |s| s.hear(CarrierNews::Delivered, LATER),
                ["delivered", "delivered", "delivered", "=", "="],
            ),
            (
                "delivered, says the buyer",
                |s| s.deliver(LATER),
                ["delivered", "delivered", "delivered", "delivered", "="],
            ),
        ];
        for (name, command, expected) in table {
            for (state, expected) in states.iter().zip(expected) {
                let mut shipment = shipment(state.clone());
                let found = match command(&mut shipment) {
                    Change::Applied => shipment.state.name(),
                    Change::AlreadyApplied => "=",
                };
                assert_eq!(found, expected, "{name} when {}", state.name());
            }
        }
    }

    #[test]
    fn a_trail_tells_where_it_was_and_when() {
        let mut parcel = shipment(ShipmentState::InTransit);
        assert_eq!(parcel.trail(), [("in_transit", T0)]);
        assert_eq!(parcel.hear(CarrierNews::OutForDelivery, T0.plus_seconds(1)), Change::Applied);
        assert_eq!(parcel.hear(CarrierNews::Failed, T0.plus_seconds(2)), Change::Applied);
        assert_eq!(parcel.deliver(T0.plus_seconds(3)), Change::Applied);
        let names: Vec<&str> = parcel.trail().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["in_transit", "out_for_delivery", "failed", "delivered"]);
        let seconds: Vec<i64> = parcel.trail().iter().map(|(_, at)| at.seconds()).collect();
        assert_eq!(seconds, [0, 1, 2, 3]);
    }

    #[test]
    fn a_token_is_the_same_however_people_write_it() {
        let token = |carrier: &str, number: &str| Tracking::parse(carrier, number).unwrap().token();
        assert_eq!(token("DHL Express", "jd 0146"), token("dhl_express", "JD0146"));
        assert_eq!(token("USPS", "1").carrier, "usps");
        assert_ne!(token("usps", "1"), token("ups", "1"));
        assert_ne!(token("usps", "1"), token("usps", "2"));
        assert_eq!(token("#", "1").carrier, "", "what has no letters is no carrier's name");
    }

    proptest! {
        #[test]
        fn no_order_of_news_takes_a_shipment_back(news in prop::collection::vec(0..4_usize, 0..8)) {
            let all = [CarrierNews::OutForDelivery, CarrierNews::Failed, CarrierNews::Returned, CarrierNews::Delivered];
            let rank = |state: &ShipmentState| match state {
                ShipmentState::InTransit => 0,
                ShipmentState::OutForDelivery { .. } => 1,
                ShipmentState::Failed { .. } => 2,
                ShipmentState::Returned { .. } | ShipmentState::Delivered { .. } => 3,
            };
            let mut parcel = shipment(ShipmentState::InTransit);
            for at in news {
                let before = parcel.state.clone();
                match parcel.hear(all[at], LATER) {
                    Change::Applied => prop_assert!(rank(&parcel.state) > rank(&before)),
                    Change::AlreadyApplied => prop_assert_eq!(&parcel.state, &before),
                }
                prop_assert_eq!(parcel.hear(all[at], LATER), Change::AlreadyApplied);
            }
            prop_assert!(parcel.trail().len() <= 4);
        }

        #[test]
        fn a_token_of_a_token_is_itself(carrier in "\\PC{1,40}", number in "\\PC{1,80}") {
            if let Ok(tracking) = Tracking::parse(&carrier, &number) {
                let token = tracking.token();
                prop_assert!(!token.carrier.contains('#'));
                if let Ok(again) = Tracking::parse(&token.carrier, &token.number) {
                    prop_assert_eq!(again.token().carrier.len(), token.carrier.len());
                }
            }
        }
    }
}
