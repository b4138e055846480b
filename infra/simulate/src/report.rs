//! What many histories did, in numbers.

use std::fmt;

use crate::{History, notes::Counts};

/// Sums over histories.
#[derive(Debug, Default)]
pub struct Totals {
    histories: u64,
    steps: u64,
    operations: Counts,
    faults: Counts,
    orders: Counts,
    labels: Counts,
    shipments: Counts,
    imports: Counts,
    refunds: u64,
}

impl Totals {
    /// Counts one more history.
    pub fn add(&mut self, history: &History) {
        self.histories = self.histories.saturating_add(1);
        self.steps = self.steps.saturating_add(history.steps);
        self.refunds = self.refunds.saturating_add(history.refunds);
        for (sums, counts) in [
            (&mut self.operations, &history.book.operations),
            (&mut self.faults, &history.book.faults),
            (&mut self.orders, &history.orders),
            (&mut self.labels, &history.labels),
            (&mut self.shipments, &history.shipments),
            (&mut self.imports, &history.imports),
        ] {
            for (kind, count) in counts {
                let sum = sums.entry(kind.clone()).or_default();
                *sum = sum.saturating_add(*count);
            }
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>9}  histories", self.histories)?;
        writeln!(f, "{:>9}  steps", self.steps)?;
        for (what, counts) in [
            ("operations", &self.operations),
            ("faults", &self.faults),
            ("orders", &self.orders),
            ("labels", &self.labels),
            ("shipments", &self.shipments),
            ("imports of counts", &self.imports),
        ] {
            let sum: u64 = counts.values().sum();
            writeln!(f, "{sum:>9}  {what}")?;
            for (kind, count) in counts {
                writeln!(f, "{count:>15}  {kind}")?;
            }
        }
        write!(f, "{:>9}  payments that went back", self.refunds)
    }
}
