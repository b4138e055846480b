//! Pictures of every state machine, drawn by driving the real transitions: each command in each state.

mod machines;

use std::collections::BTreeMap;

use sutler_domain::order::Change;

use crate::{Findings, failure::Failure, repository::Repository};
use machines::{alert, label, order, part, payment, refund, sent_back, shipment, stock, stock_import};

/// Where the pictures are kept.
const FILE: &str = "docs/STATES.md";

const HEAD: &str = "# States

Written by `cargo xtask states`, which tries every command in every state on the code itself; do not edit. A command that is
not drawn at a state is refused there, or changes nothing because it was applied before. Conditions of the database make sure
that of two commands at the same time one decides again on what the other left.
";

/// A command: what it makes of something, as the name of where that is afterwards; `None` when it is refused or was
/// applied before.
type Command<T> = (&'static str, fn(&mut T) -> Option<Change>);

/// Writes the pictures.
///
/// # Errors
/// When the file cannot be written.
pub fn write(repository: &Repository) -> Result<Findings, Failure> {
    repository.write(FILE, &document()?)?;
    Ok(Findings::new())
}

/// Fails when the file is not what the code does.
///
/// # Errors
/// When the file cannot be read.
pub fn check(repository: &Repository) -> Result<Findings, Failure> {
    let same = repository.read(FILE)? == document()?;
    let finding = format!("{FILE} is not what the code does: run `cargo xtask states` and commit it");
    Ok(if same { Findings::new() } else { vec![finding] })
}

fn document() -> Result<String, Failure> {
    let pictures = [
        (
            "Order",
            "Once money went back, that is what people see: an order that is paid or completed is then \
          `partially_refunded`, and goes on as before. A refund that fails at the provider leads back.",
            order(),
        ),
        (
            "Part of an order",
            "The state of a part that is paid for follows from how many units of each line are open, \
          cancelled, shipped, delivered and returned, and from its shipments. Drawn for a line of two units.",
            part(),
        ),
        ("Shipment", "What a carrier tells leads forwards only, in whatever order it comes.", shipment()),
        ("Label", "While nobody knows what became of a call, it is `buying` or `voiding`.", label()),
        (
            "Payment",
            "The states of money that came follow from how much of it can still be refunded, is on its way back, \
          and went back. Drawn for a payment of ten.",
            payment(),
        ),
        ("Refund", "What goes to the wallet begins as `succeeded`.", refund()),
        ("Return", "", sent_back()),
        (
            "Import of stock",
            "One that waits too long for its file is shown as `expired`. Drawn for a file of two rows.",
            stock_import(),
        ),
        ("Waiting for something that is sold out", "Nothing is kept of what has ended.", alert()),
        ("Places of stock", "Each operation moves units from one place to another.", Some(stock())),
    ];
    let mut text = HEAD.to_owned();
    for (name, about, picture) in pictures {
        let picture = picture.ok_or(Failure::Sample(name))?;
        text.push_str(&format!("\n## {name}\n"));
        if !about.is_empty() {
            text.push_str(&format!("\n{about}\n"));
        }
        text.push_str(&format!("\n```mermaid\nstateDiagram-v2\n{picture}```\n"));
    }
    Ok(text)
}

/// Draws what each command makes of each sample; samples are named by the state they are in.
fn draw<T: Clone>(
    start: &str,
    samples: &[T],
    state: fn(&T) -> &'static str,
    commands: &[Command<T>],
) -> String {
    let mut edges: BTreeMap<(usize, &str, &str), Vec<&str>> = BTreeMap::new();
    for (place, sample) in samples.iter().enumerate() {
        let place = samples.iter().position(|other| state(other) == state(sample)).unwrap_or(place);
        for (name, command) in commands {
            let mut after = sample.clone();
            if command(&mut after) == Some(Change::Applied) {
                let names = edges.entry((place, state(sample), state(&after))).or_default();
                if !names.contains(name) {
                    names.push(name);
                }
            }
        }
    }
    let mut text = format!("    [*] --> {start}\n");
    for ((_, from, to), names) in &edges {
        text.push_str(&format!("    {from} --> {to}: {}\n", names.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use sutler_domain::order::{OrderState, PartState};

    use super::*;

    #[test]
    fn every_state_is_drawn() {
        let document = document().unwrap();
        for name in PartState::NAMES.into_iter().chain(OrderState::NAMES) {
            assert!(document.contains(&format!("--> {name}")), "{name}");
        }
        for name in ["refund_pending", "out_for_delivery", "received", "failed", "committed", "voided"] {
            assert!(document.contains(&format!("--> {name}")), "{name}");
        }
    }

    #[test]
    fn what_is_drawn_is_what_the_commands_do() {
        let document = document().unwrap();
        assert!(document.contains("    awaiting_payment --> paid: pay\n"));
        assert!(document.contains("    cancelled --> paid: late money, goods are there\n"));
        assert!(!document.contains("completed --> cancelled"));
        assert!(document.contains("    outside --> available: create, return, add, shift_in\n"));
    }
}
