//! Back in stock: who waits for variants that are sold out, and what is held for whoever is next in line.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{AlertId, UserId, VariantId},
    order::Change,
    problem::Problem,
    time::Timestamp,
};

/// For how many variants a user can wait at a time.
pub const ALERTS_MAX: u32 = 20;
/// How long a unit is held for somebody.
pub const HOLD_SECONDS: i64 = 900;

/// Where somebody who waits is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AlertState {
    /// In line.
    Waiting,
    /// One unit is held for them, and for nobody else.
    Held {
        /// The shard of the variant's stock that the unit is in.
        shard: u8,
        /// Until when they can order it.
        expires_at: Timestamp,
    },
}

impl AlertState {
    /// The state's name in answers.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Held { .. } => "held",
        }
    }
}

/// A user's wish for one variant. What came of it is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Its id, made when they joined: who joined first has the smaller one.
    pub id: AlertId,
    /// The variant.
    pub variant: VariantId,
    /// What it was called then.
    pub title: String,
    /// Where they are.
    pub state: AlertState,
}

impl Alert {
    /// Somebody joins the line.
    #[must_use]
    pub fn new(id: AlertId, variant: VariantId, title: String) -> Self {
        Self { id, variant, title, state: AlertState::Waiting }
    }

    /// Until when a unit is held.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        match self.state {
            AlertState::Waiting => None,
            AlertState::Held { expires_at, .. } => Some(expires_at),
        }
    }

    /// In which shard a unit is held now.
    #[must_use]
    pub fn held(&self, now: Timestamp) -> Option<u8> {
        match self.state {
            AlertState::Held { shard, expires_at } if now < expires_at => Some(shard),
            AlertState::Held { .. } | AlertState::Waiting => None,
        }
    }

    /// Whether a unit was held, and not ordered in time.
    #[must_use]
    pub fn has_lapsed(&self, now: Timestamp) -> bool {
        self.expires_at().is_some_and(|end| end <= now)
    }
}

/// A unit that was held for somebody, who orders it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldUnit {
    /// For which wish.
    pub alert: AlertId,
    /// In which shard it is.
    pub shard: u8,
}

/// Everything a user waits for: at most one wish per variant. It alone decides what is held for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alerts {
    /// Whose.
    pub user: UserId,
    /// Their wishes.
    pub alerts: Vec<Alert>,
}

impl Alerts {
    /// Somebody who waits for nothing.
    #[must_use]
    pub fn none(user: UserId) -> Self {
        Self { user, alerts: Vec::new() }
    }

    /// The wish for a variant.
    #[must_use]
    pub fn find(&self, variant: &VariantId) -> Option<&Alert> {
        self.alerts.iter().find(|alert| alert.variant == *variant)
    }

    /// In which shard a unit of a variant is held now.
    #[must_use]
    pub fn held(&self, variant: &VariantId, now: Timestamp) -> Option<u8> {
        self.find(variant)?.held(now)
    }

    /// When the first of what is held is not held any more.
    #[must_use]
    pub fn first_end(&self) -> Option<Timestamp> {
        self.alerts.iter().filter_map(Alert::expires_at).min()
    }

    /// Joins the line for a variant.
    ///
    /// # Errors
    /// [`Problem::LimitReached`].
    pub fn join(&mut self, alert: Alert) -> Result<Change, Problem> {
        if self.find(&alert.variant).is_some() {
            return Ok(Change::AlreadyApplied);
        }
        if u32::try_from(self.alerts.len()).is_ok_and(|count| count < ALERTS_MAX) {
            self.alerts.push(alert);
            Ok(Change::Applied)
        } else {
            Err(Problem::LimitReached { what: "alerts", max: ALERTS_MAX })
        }
    }

    /// Holds a unit in `shard` for who is in line under this id, and says until when; nothing when nobody is.
    pub fn hold(&mut self, id: &AlertId, shard: u8, now: Timestamp) -> Option<Timestamp> {
        let waiting = |alert: &&mut Alert| alert.id == *id && alert.state == AlertState::Waiting;
        let alert = self.alerts.iter_mut().find(waiting)?;
        let expires_at = now.plus_seconds(HOLD_SECONDS);
        alert.state = AlertState::Held { shard, expires_at };
        Some(expires_at)
    }

    /// Orders what is held of a variant; nothing when nothing is held now.
    pub fn take(&mut self, variant: &VariantId, now: Timestamp) -> Option<HeldUnit> {
        let shard = self.held(variant, now)?;
        let Alert { id: alert, .. } = self.leave(variant)?;
        Some(HeldUnit { alert, shard })
    }

    /// Gives a wish up, in line or not.
    pub fn leave(&mut self, variant: &VariantId) -> Option<Alert> {
        let at = self.alerts.iter().position(|alert| alert.variant == *variant)?;
        Some(self.alerts.remove(at))
    }

    /// Ends what was held and not ordered in time.
    pub fn lapse(&mut self, now: Timestamp) -> Vec<Alert> {
        self.alerts.extract_if(.., |alert| alert.has_lapsed(now)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ProductId;

    const ULID: &str = "01J8ZQ5K3N0V7X2Y4T6B8D9FGH";
    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn variant(number: u8) -> VariantId {
        VariantId::of(&ProductId::parse(&format!("prd_{ULID}")).unwrap(), number).unwrap()
    }

    fn alert(number: u8) -> Alert {
        let id = AlertId::parse(&format!("alr_01J8ZQ5K3N0V7X2Y4T6B8D9F{number:02}")).unwrap();
        Alert::new(id, variant(number), "Mug".to_owned())
    }

    fn nobody() -> Alerts {
        Alerts::none(UserId::parse(&format!("usr_{ULID}")).unwrap())
    }

    fn waiting() -> Alerts {
        let mut alerts = nobody();
        assert_eq!(alerts.join(alert(1)), Ok(Change::Applied));
        alerts
    }

    fn held() -> Alerts {
        let mut alerts = waiting();
        assert_eq!(alerts.hold(&alert(1).id, 3, NOW), Some(NOW.plus_seconds(HOLD_SECONDS)));
        alerts
    }

    fn end() -> Timestamp {
        NOW.plus_seconds(HOLD_SECONDS)
    }

    /// Where the wish for a variant is after a command.
    fn state(alerts: &Alerts) -> &'static str {
        alerts.find(&variant(1)).map_or("gone", |alert| alert.state.name())
    }

    #[test]
    fn every_command_in_every_state_leads_where_it_should() {
        type Command = (&'static str, fn(&mut Alerts), [&'static str; 3]);
        let commands: [Command; 7] = [
            ("join", |a| a.join(alert(1)).map(drop).unwrap(), ["waiting", "waiting", "held"]),
            (
                "hold",
                |a| {
                    let _until = a.hold(&alert(1).id, 0, NOW);
                },
                ["gone", "held", "held"],
            ),
            ("order", |a| drop(a.take(&variant(1), NOW)), ["gone", "waiting", "gone"]),
            ("order too late", |a| drop(a.take(&variant(1), end())), ["gone", "waiting", "held"]),
            ("leave", |a| drop(a.leave(&variant(1))), ["gone", "gone", "gone"]),
            ("lapse", |a| drop(a.lapse(end())), ["gone", "waiting", "gone"]),
            ("lapse too soon", |a| drop(a.lapse(NOW)), ["gone", "waiting", "held"]),
        ];
        for (name, command, expected) in commands {
            for (before, after) in [nobody(), waiting(), held()].into_iter().zip(expected) {
                let mut alerts = before.clone();
                command(&mut alerts);
                assert_eq!(state(&alerts), after, "{name} when {}", state(&before));
            }
        }
    }

    #[test]
    fn what_is_held_can_be_ordered_until_its_last_instant_and_lapses_then() {
        let last = Timestamp::from_millis(end().millis() - 1);
        for (now, expected) in [(NOW, Some(3)), (last, Some(3)), (end(), None)] {
            assert_eq!(held().take(&variant(1), now).map(|unit| unit.shard), expected);
            assert_eq!(held().lapse(now).len(), usize::from(expected.is_none()));
        }
        assert_eq!((waiting().first_end(), held().first_end()), (None, Some(end())));
    }

    #[test]
    fn a_second_hold_does_not_prolong_the_first() {
        let mut alerts = held();
        assert_eq!(alerts.hold(&alert(1).id, 5, end()), None);
        assert_eq!(alerts, held());
    }

    #[test]
    fn nobody_waits_for_more_than_there_may_be() {
        let mut alerts = nobody();
        for number in 0..20 {
            assert_eq!(alerts.join(alert(number)), Ok(Change::Applied));
        }
        assert_eq!(alerts.join(alert(20)), Err(Problem::LimitReached { what: "alerts", max: 20 }));
        assert_eq!(alerts.join(alert(19)), Ok(Change::AlreadyApplied));
    }
}
