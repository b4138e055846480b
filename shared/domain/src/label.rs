//! Labels that sellers buy from carriers through the marketplace, and the parcels they are for.

use serde::{Deserialize, Serialize};

use crate::{
    ids::LabelId,
    money::Money,
    order::Change,
    problem::{FieldError, Problem},
    shipment::Tracking,
    time::Timestamp,
};

/// How many labels of a part may be asked for, those that failed included.
pub const LABELS_MAX: u8 = 60;
/// No parcel is heavier.
pub const WEIGHT_G_MAX: u32 = 70_000;
/// No parcel is longer.
pub const LENGTH_MM_MAX: u32 = 3_000;
/// How long a purchase may go without an answer before it is looked for and, if need be, made again. No call to a
/// carrier lives that long.
pub const PATIENCE_S: i64 = 120;
/// How often it is asked about a label that is to be taken back, which carriers decide within weeks.
pub const VOID_PATIENCE_S: i64 = 6 * 3_600;

/// What is to be carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parcel {
    weight_g: u32,
    sides_mm: [u32; 3],
}

impl Parcel {
    /// Reads a weight in grams, and length, width and height in millimetres.
    ///
    /// # Errors
    /// [`Problem::Invalid`] naming each parameter that does not fit.
    pub fn try_new(weight_g: u32, sides_mm: [u32; 3]) -> Result<Self, Problem> {
        let [length, width, height] = sides_mm;
        let given = [
            ("weight_g", weight_g, WEIGHT_G_MAX),
            ("length_mm", length, LENGTH_MM_MAX),
            ("width_mm", width, LENGTH_MM_MAX),
            ("height_mm", height, LENGTH_MM_MAX),
        ];
        let bad = given.iter().filter(|(_, value, max)| *value == 0 || value > max);
        let errors: Vec<FieldError> =
            bad.map(|(name, _, _)| FieldError::new(*name, "out-of-range")).collect();
        if errors.is_empty() { Ok(Self { weight_g, sides_mm }) } else { Err(Problem::Invalid(errors)) }
    }

    /// Its weight in grams.
    #[must_use]
    pub fn weight_g(&self) -> u32 {
        self.weight_g
    }

    /// Length, width and height in millimetres.
    #[must_use]
    pub fn sides_mm(&self) -> [u32; 3] {
        self.sides_mm
    }
}

/// For how much a carrier takes a parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The provider's name of it. What is bought for it is bought once.
    pub rate: String,
    /// Who carries it, by the provider's name.
    pub carrier: String,
    /// How, in the carrier's words.
    pub service: String,
    /// What it costs.
    pub cost: Money,
    /// In how many days it should be there.
    pub days: Option<u32>,
}

/// What was bought.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Postage {
    /// The provider's id of the purchase.
    pub provider_id: String,
    /// How the parcel can be followed.
    pub tracking: Tracking,
    /// Where the label is to be printed from. The buyer's address is on it.
    pub url: String,
}

impl std::fmt::Debug for Postage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Whoever has the address of the label reads the buyer's.
        f.debug_struct("Postage").field("provider_id", &self.provider_id).finish_non_exhaustive()
    }
}

/// Where a label is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LabelState {
    /// The provider was asked, or is about to be; what became of it is not known.
    Buying {
        /// Since when.
        since: Timestamp,
    },
    /// It can be used.
    Bought {
        /// When we learned of it.
        at: Timestamp,
        /// What there is.
        postage: Postage,
    },
    /// It was not bought, and never will be.
    Failed {
        /// When we learned of it.
        at: Timestamp,
        /// The provider's word for why.
        code: String,
    },
    /// The provider was asked to take it back, or is about to be.
    Voiding {
        /// Since when.
        since: Timestamp,
        /// What there still is.
        postage: Postage,
    },
    /// The provider took it back.
    Voided {
        /// When we learned of it.
        at: Timestamp,
        /// What there was.
        postage: Postage,
    },
}

impl LabelState {
    /// The state's name in answers and refusals.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Buying { .. } => "buying",
            Self::Bought { .. } => "bought",
            Self::Failed { .. } => "failed",
            Self::Voiding { .. } => "voiding",
            Self::Voided { .. } => "voided",
        }
    }
}

/// A label of a part of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Its id.
    pub id: LabelId,
    /// The rate it is bought for.
    pub rate: String,
    /// Who carries it.
    pub carrier: String,
    /// How.
    pub service: String,
    /// What it costs.
    pub cost: Money,
    /// Where it is in its life.
    pub state: LabelState,
}

impl Label {
    /// Its purchase, if it was ever bought.
    #[must_use]
    pub fn postage(&self) -> Option<&Postage> {
        match &self.state {
            LabelState::Buying { .. } | LabelState::Failed { .. } => None,
            LabelState::Bought { postage, .. }
            | LabelState::Voiding { postage, .. }
            | LabelState::Voided { postage, .. } => Some(postage),
        }
    }

    /// From when on the provider is to be asked, if it is to decide about it.
    #[must_use]
    pub fn ask_at(&self) -> Option<Timestamp> {
        match &self.state {
            LabelState::Buying { since } => Some(since.plus_seconds(PATIENCE_S)),
            LabelState::Voiding { since, .. } => Some(since.plus_seconds(VOID_PATIENCE_S)),
            LabelState::Bought { .. } | LabelState::Failed { .. } | LabelState::Voided { .. } => None,
        }
    }

    /// Whether it costs its seller something, or may.
    #[must_use]
    pub fn counts(&self) -> bool {
        match &self.state {
            LabelState::Buying { .. } | LabelState::Bought { .. } | LabelState::Voiding { .. } => true,
            LabelState::Failed { .. } | LabelState::Voided { .. } => false,
        }
    }

    /// Nobody has heard of a call for a long time: whoever changes this may make it again.
    ///
    /// # Errors
    /// [`Problem::OrderState`] when nothing is under way, or only since a moment ago.
    pub fn ask_again(&mut self, now: Timestamp) -> Result<(), Problem> {
        let refusal = Problem::OrderState { state: self.state.name() };
        if self.ask_at().is_none_or(|at| now < at) {
            return Err(refusal);
        }
        match &mut self.state {
            LabelState::Buying { since } | LabelState::Voiding { since, .. } => {
                *since = now;
                Ok(())
            }
            LabelState::Bought { .. } | LabelState::Failed { .. } | LabelState::Voided { .. } => Err(refusal),
        }
    }

    /// The provider sold it.
    pub fn bought(&mut self, postage: Postage, now: Timestamp) -> Change {
        match &self.state {
            LabelState::Buying { .. } => {
                self.state = LabelState::Bought { at: now, postage };
                Change::Applied
            }
            LabelState::Bought { .. }
            | LabelState::Failed { .. }
            | LabelState::Voiding { .. }
            | LabelState::Voided { .. } => Change::AlreadyApplied,
        }
    }

    /// The provider did not sell it.
    pub fn failed(&mut self, code: String, now: Timestamp) -> Change {
        match &self.state {
            LabelState::Buying { .. } => {
                self.state = LabelState::Failed { at: now, code };
                Change::Applied
            }
            LabelState::Bought { .. }
            | LabelState::Failed { .. }
            | LabelState::Voiding { .. }
            | LabelState::Voided { .. } => Change::AlreadyApplied,
        }
    }

    /// The seller does not want it.
    ///
    /// # Errors
    /// [`Problem::OrderState`] unless it was bought.
    pub fn void(&mut self, now: Timestamp) -> Result<Change, Problem> {
        match &self.state {
            LabelState::Bought { postage, .. } => {
                self.state = LabelState::Voiding { since: now, postage: postage.clone() };
                Ok(Change::Applied)
            }
            LabelState::Voiding { .. } | LabelState::Voided { .. } => Ok(Change::AlreadyApplied),
            LabelState::Buying { .. } | LabelState::Failed { .. } => {
                Err(Problem::OrderState { state: self.state.name() })
            }
        }
    }

    /// The provider took it back.
    pub fn voided(&mut self, now: Timestamp) -> Change {
        match &self.state {
            LabelState::Voiding { postage, .. } => {
                self.state = LabelState::Voided { at: now, postage: postage.clone() };
                Change::Applied
            }
            LabelState::Buying { .. }
            | LabelState::Bought { .. }
            | LabelState::Failed { .. }
            | LabelState::Voided { .. } => Change::AlreadyApplied,
        }
    }

    /// The provider does not take it back: it can be used.
    pub fn kept(&mut self, now: Timestamp) -> Change {
        match &self.state {
            LabelState::Voiding { postage, .. } => {
                self.state = LabelState::Bought { at: now, postage: postage.clone() };
                Change::Applied
            }
            LabelState::Buying { .. }
            | LabelState::Bought { .. }
            | LabelState::Failed { .. }
            | LabelState::Voided { .. } => Change::AlreadyApplied,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::OrderId, money::Currency};

    const T0: Timestamp = Timestamp::from_millis(0);

    fn postage() -> Postage {
        let tracking = Tracking::parse("usps", "1").unwrap();
        Postage { provider_id: "t1".to_owned(), tracking, url: "https://example.com/1".to_owned() }
    }

    fn label(state: LabelState) -> Label {
        let order = OrderId::parse("ord_01J8ZQ5K3N0V7X2Y4T6B8D9FGH").unwrap();
        Label {
            id: LabelId::of(&order, 0, 1).unwrap(),
            rate: "r".to_owned(),
            carrier: "usps".to_owned(),
            service: "Priority".to_owned(),
            cost: Money::try_new(750, Currency::Usd).unwrap(),
            state,
        }
    }

    #[test]
    fn every_command_in_every_label_state_is_decided() {
        type Command = fn(&mut Label) -> Result<Change, Problem>;
        let later = T0.plus_seconds(PATIENCE_S);
        let states = [
            LabelState::Buying { since: T0 },
            LabelState::Bought { at: T0, postage: postage() },
            LabelState::Failed { at: T0, code: "x".to_owned() },
            LabelState::Voiding { since: T0, postage: postage() },
            LabelState::Voided { at: T0, postage: postage() },
        ];
        let again: fn(&mut Label, Timestamp) -> Result<Change, Problem> =
            |label, now| label.ask_again(now).map(|()| Change::Applied);
        let table: [(&str, Command, [&str; 5]); 6] = [
            ("bought", |l| Ok(l.bought(postage(), T0)), ["bought", "=", "=", "=", "="]),
            ("failed", |l| Ok(l.failed("y".to_owned(), T0)), ["failed", "=", "=", "=", "="]),
            ("void", |l| l.void(T0), ["!", "voiding", "!", "=", "="]),
            ("voided", |l| Ok(l.voided(T0)), ["=", "=", "=", "voided", "="]),
            ("kept", |l| Ok(l.kept(T0)), ["=", "=", "=", "bought", "="]),
            (
                "ask again",
                |l| l.ask_again(T0.plus_seconds(VOID_PATIENCE_S)).map(|()| Change::Applied),
                ["buying", "!", "!", "voiding", "!"],
            ),
        ];
        for (name, command, expected) in table {
            for (state, expected) in states.iter().zip(expected) {
                let mut label = label(state.clone());
                let found = match command(&mut label) {
                    Ok(Change::Applied) => label.state.name(),
                    Ok(Change::AlreadyApplied) => "=",
                    Err(_) => "!",
                };
                assert_eq!(found, expected, "{name} when {}", state.name());
            }
        }
        let mut waiting = label(LabelState::Buying { since: T0 });
        assert!(again(&mut waiting, Timestamp::from_millis(later.millis().saturating_sub(1))).is_err());
        assert!(again(&mut waiting, later).is_ok());
        assert!(again(&mut waiting, later).is_err(), "of two that ask again at once, one may");
    }

    #[test]
    fn a_parcel_has_a_weight_and_three_sides() {
        assert!(Parcel::try_new(500, [200, 150, 100]).is_ok());
        assert!(Parcel::try_new(WEIGHT_G_MAX, [LENGTH_MM_MAX; 3]).is_ok());
        let Err(Problem::Invalid(errors)) = Parcel::try_new(0, [3_001, 1, 0]) else { panic!("accepted") };
        let named: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(named, ["weight_g", "length_mm", "height_mm"]);
    }

    #[test]
    fn where_a_label_is_printed_does_not_show_itself() {
        let shown = format!("{:?}", label(LabelState::Bought { at: T0, postage: postage() }));
        assert!(!shown.contains("example.com"), "{shown}");
    }
}
