//! Labels, their parts and the ledger agree with each other.

use std::collections::BTreeMap;

use sutler_domain::{
    ids::{OrderId, SellerId},
    label::LabelState,
    ledger::{Account, Side},
};

use super::Books;
use crate::App;

/// How long nobody may know whether a label was bought before it counts as stuck.
const LABEL_SECONDS_MAX: i64 = 3_600;

impl Books {
    /// Of every order, sellers owe for exactly the labels that were bought and not taken back.
    pub(super) fn check_labels(&self, problems: &mut Vec<String>) {
        let mut found: BTreeMap<(&OrderId, &SellerId), i128> = BTreeMap::new();
        for tx in &self.ledger {
            for leg in tx.legs() {
                if let Account::CarrierCosts { seller } = &leg.account {
                    let sum = found.entry((tx.order(), seller)).or_default();
                    let amount = i128::from(leg.amount.minor());
                    *sum = match leg.side {
                        Side::Debit => sum.saturating_add(amount),
                        Side::Credit => sum.saturating_sub(amount),
                    };
                }
            }
        }
        let mut due: BTreeMap<(&OrderId, &SellerId), i128> = BTreeMap::new();
        for part in self.parts.values().flatten() {
            for label in &part.labels {
                let is_owed = match &label.state {
                    LabelState::Bought { .. } | LabelState::Voiding { .. } => true,
                    LabelState::Buying { .. } | LabelState::Failed { .. } | LabelState::Voided { .. } => {
                        false
                    }
                };
                if is_owed {
                    let sum = due.entry((&part.order, &part.seller)).or_default();
                    *sum = sum.saturating_add(i128::from(label.cost.minor()));
                }
            }
        }
        found.retain(|_, sum| *sum != 0);
        due.retain(|_, sum| *sum != 0);
        if found != due {
            problems.push(format!("labels cost {due:?}, but the ledger says {found:?}"));
        }
    }

    /// No label waits for ever, none is sent with twice, and what was sent with one was not taken back.
    pub(super) fn check_parcels(&self, app: &App, problems: &mut Vec<String>) {
        for part in self.parts.values().flatten() {
            let name = format!("{} of {}", part.seller, part.order);
            for label in &part.labels {
                if let LabelState::Buying { since } = &label.state
                    && since.plus_seconds(LABEL_SECONDS_MAX) < app.now()
                {
                    problems.push(format!("{} waits since {}", label.id, since.rfc3339()));
                }
                let sent = part.shipments.iter().filter(|one| one.label.as_ref() == Some(&label.id)).count();
                let usable = matches!(label.state, LabelState::Bought { .. });
                if sent > 1 || (sent == 1 && !usable) {
                    let state = label.state.name();
                    problems.push(format!("{sent} shipments of {name} have {}, which is {state}", label.id));
                }
            }
        }
    }
}
