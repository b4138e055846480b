//! Units of a part on their way out of the warehouse and back. Each kind of move is made in one place, in the
//! transaction that counts the units.

use sutler_domain::{
    ids::UserId,
    order::{OrderLine, Part, Units},
    stock::StockOp,
};
use sutler_store::{Transaction, stock};

use crate::reservations::{give_up, gone_last};

fn lines<'a>(part: &'a Part, units: &'a [Units]) -> impl Iterator<Item = (&'a OrderLine, u32)> {
    let some = units.iter().filter(|units| units.quantity > 0);
    some.filter_map(|units| part.line(units).map(|line| (line, units.quantity)))
}

/// Units of a paid part leave the warehouse. They were counted as shipped.
pub fn ship(transaction: &mut Transaction, part: &Part, units: &[Units]) {
    for (line, quantity) in lines(part, units) {
        let pieces = gone_last(line, quantity);
        stock::move_pieces(transaction, StockOp::Ship, &line.variant, &pieces, part.order.as_str());
    }
}

/// Units of a paid part will not be shipped: they are on sale again. They were counted as cancelled.
pub fn restock(transaction: &mut Transaction, part: &Part, buyer: &UserId, units: &[Units]) {
    for (line, quantity) in lines(part, units) {
        give_up(transaction, StockOp::Restock, buyer, (line, quantity), &part.order);
    }
}

/// Units that were shipped are here again, and on sale. Their buyer has had them: they stay counted.
pub fn take_back(transaction: &mut Transaction, part: &Part, units: &[Units]) {
    for (line, quantity) in lines(part, units) {
        let pieces = line.origin.units_after(line.quantity, 0, quantity);
        stock::move_pieces(transaction, StockOp::Return, &line.variant, &pieces, part.order.as_str());
    }
}
