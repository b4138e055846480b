//! Units of a part on their way out of the warehouse and back. Each kind of move is made in one place, in the
//! transaction that counts the units.

use sutler_domain::{
    ids::VariantId,
    order::{Part, Units},
};
use sutler_store::{Expression, Key, Transaction, stock};

type Move = fn(&VariantId, u32, &str) -> (Key, Expression);

fn each(transaction: &mut Transaction, moved: Move, part: &Part, units: &[Units]) {
    for Units { variant, quantity } in units.iter().filter(|units| units.quantity > 0) {
        let (key, change) = moved(variant, *quantity, part.order.as_str());
        transaction.update(key, change);
    }
}

/// Units of a paid part leave the warehouse.
pub fn ship(transaction: &mut Transaction, part: &Part, units: &[Units]) {
    each(transaction, stock::ship, part, units);
}

/// Units of a paid part will not be shipped: they are on sale again.
pub fn restock(transaction: &mut Transaction, part: &Part, units: &[Units]) {
    each(transaction, stock::restock_committed, part, units);
}

/// Units that were shipped are here again, and on sale.
pub fn take_back(transaction: &mut Transaction, part: &Part, units: &[Units]) {
    each(transaction, stock::restock_returned, part, units);
}
