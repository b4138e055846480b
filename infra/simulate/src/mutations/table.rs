//! All mutations.

use sutler_domain::stock::StockOp;

use super::{
    Bug::{self, Delivery, FreshTokens, LeftOut, Unconditional},
    DeliveryBug, Mutation,
    On::{Claim, Item, Order, Stock},
    Proof::{self, Equivalent, Seed},
    ProviderBug,
};

const NEW: &str = "attribute_not_exists(#pk)";
const AS_READ: &str = "#version = :expected";

const fn mutation(name: &'static str, bug: Bug, proof: Proof) -> Mutation {
    Mutation { name, bug, proof }
}

/// Every planted bug, with how it shows.
pub static ALL: &[Mutation] = &[
    // Stock
    mutation(
        "reserve what is not there",
        Unconditional(Stock(&[StockOp::Reserve]), "#available >= :n"),
        Seed(0),
    ),
    mutation(
        "take again what is not there",
        Unconditional(Stock(&[StockOp::Take]), "#available >= :n"),
        Seed(0),
    ),
    mutation(
        "remove what is not free",
        Unconditional(Stock(&[StockOp::Remove]), "#available >= :n"),
        Seed(0),
    ),
    mutation("add beyond all bounds", Unconditional(Stock(&[StockOp::Add]), "#available <= :room"), Seed(0)),
    mutation(
        "correct another's stock",
        Unconditional(Stock(&[StockOp::Add, StockOp::Remove]), "#seller = :seller"),
        Seed(0),
    ),
    mutation(
        "count while it moves",
        Unconditional(Stock(&[StockOp::Add, StockOp::Remove]), AS_READ),
        Seed(0),
    ),
    mutation(
        "release what is not held",
        Unconditional(Stock(&[StockOp::Release]), "#reserved >= :n"),
        Seed(0),
    ),
    mutation("commit what is not held", Unconditional(Stock(&[StockOp::Commit]), "#reserved >= :n"), Seed(0)),
    mutation("ship what is not sold", Unconditional(Stock(&[StockOp::Ship]), "#committed >= :n"), Seed(0)),
    mutation(
        "restock what is not sold",
        Unconditional(Stock(&[StockOp::Restock]), "#committed >= :n"),
        Seed(0),
    ),
    mutation("forget to release", LeftOut(Stock(&[StockOp::Release])), Seed(0)),
    mutation("forget to commit", LeftOut(Stock(&[StockOp::Commit])), Seed(0)),
    mutation("forget to restock", LeftOut(Stock(&[StockOp::Restock])), Seed(0)),
    mutation("movement over a movement", Unconditional(Item("movement"), NEW), Seed(0)),
    // Orders
    mutation("note on an order that changed", Unconditional(Order("awaiting_payment"), AS_READ), Seed(0)),
    mutation("pay or ship an order that changed", Unconditional(Order("paid"), AS_READ), Seed(0)),
    mutation("sweep or cancel an order that changed", Unconditional(Order("cancelled"), AS_READ), Seed(0)),
    mutation("refund an order that changed", Unconditional(Order("refunded"), AS_READ), Seed(0)),
    mutation("complete an order that changed", Unconditional(Order("completed"), AS_READ), Seed(0)),
    mutation("part that changed", Unconditional(Item("part"), AS_READ), Seed(0)),
    mutation("order over an order", Unconditional(Item("order"), NEW), Seed(0)),
    mutation("part over a part", Unconditional(Item("part"), NEW), Seed(0)),
    mutation("order a cart that changed", Unconditional(Item("cart"), AS_READ), Seed(0)),
    mutation("cart over a cart", Unconditional(Item("cart"), NEW), Seed(0)),
    mutation("event over an event", Unconditional(Item("event"), NEW), Seed(0)),
    mutation("forget the event", LeftOut(Item("event")), Seed(0)),
    mutation(
        "answer over an answer",
        Unconditional(Item("idempotency"), "attribute_not_exists(#pk) OR #ttl <= :now"),
        Seed(0),
    ),
    mutation("forget the answer", LeftOut(Item("idempotency")), Seed(0)),
    mutation("fresh token per try", FreshTokens, Seed(0)),
    // Payments
    mutation(
        "attempt beside an open one",
        Unconditional(Claim, "attribute_not_exists(#open_attempt)"),
        Seed(0),
    ),
    mutation("attempt on an ended order", Unconditional(Claim, "#state.#kind = :awaiting"), Seed(0)),
    mutation("attempt after the time to pay", Unconditional(Claim, "#state.#expires_at > :now"), Seed(0)),
    mutation("attempt on another's order", Unconditional(Claim, "#buyer = :buyer"), Seed(0)),
    mutation("payment over a payment", Unconditional(Item("payment"), NEW), Seed(0)),
    mutation("payment that changed", Unconditional(Item("payment"), AS_READ), Seed(0)),
    mutation("posting over a posting", Unconditional(Item("ledger_tx"), NEW), Seed(0)),
    mutation("forget the posting", LeftOut(Item("ledger_tx")), Seed(0)),
    mutation("message acted on twice", Unconditional(Item("inbox"), NEW), Seed(0)),
    mutation("forget the message", LeftOut(Item("inbox")), Seed(0)),
    mutation("fresh key per payment call", Bug::Provider(ProviderBug::FreshStartKeys), Seed(0)),
    mutation("fresh key per refund call", Bug::Provider(ProviderBug::FreshRefundKeys), Seed(0)),
    mutation("amounts believed", Bug::Provider(ProviderBug::AmountsAreBelieved), Seed(0)),
    // Delivery
    mutation("failed batch not repeated", Delivery(DeliveryBug::BatchesAreNotRepeated), Seed(0)),
    mutation("failed message not repeated", Delivery(DeliveryBug::MessagesAreNotRepeated), Seed(0)),
];

/// Keeps the import of a kind that only some tables use.
const _: fn(&'static str) -> Proof = Equivalent;
