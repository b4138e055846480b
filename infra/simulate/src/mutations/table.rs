//! All mutations.

use sutler_domain::stock::StockOp;

use super::{
    Bug::{self, Carriers, Delivery, FreshTokens, LeftOut, Provider, Unconditional},
    CarrierBug, DeliveryBug, Mutation,
    On::{Claim, CouponCounted, CouponGivenBack, CouponTaken, Item, Key, Order, Partition, Posting, Stock},
    Proof::{self, Equivalent, Seed, Tested},
    ProviderBug,
};

const NEW: &str = "attribute_not_exists(#pk)";
const AS_READ: &str = "#version = :expected";
const CORRECTIONS: &[StockOp] = &[StockOp::Add, StockOp::Remove];

/// Every change of an order but one writes its next event.
const EVENT_GUARDS: Proof =
    Equivalent("the same transaction creates the event of the next number, which only one can");
const ORDER_GUARDS: Proof =
    Equivalent("the same transaction changes the order at the version it was read at");
const FRESH_ID: Proof = Equivalent("its id is new, and a repeated try has the same token");

const fn mutation(name: &'static str, bugs: &'static [Bug], proof: Proof) -> Mutation {
    Mutation { name, bugs, proof }
}

/// Every planted bug, with how it shows.
pub static ALL: &[Mutation] = &[
    // Stock
    mutation(
        "reserve what is not there",
        &[Unconditional(Stock(&[StockOp::Reserve]), "#available >= :n")],
        Seed(4),
    ),
    mutation(
        "take again what is not there",
        &[Unconditional(Stock(&[StockOp::Take]), "#available >= :n")],
        Seed(114),
    ),
    mutation(
        "remove what is not free",
        &[Unconditional(Stock(&[StockOp::Remove]), "#available >= :n")],
        Seed(7),
    ),
    mutation(
        "add beyond all bounds",
        &[Unconditional(Stock(&[StockOp::Add, StockOp::Return]), "#available <= :room")],
        Seed(10),
    ),
    mutation("correct another's stock", &[Unconditional(Stock(CORRECTIONS), "#seller = :seller")], Seed(32)),
    mutation("count while it moves", &[Unconditional(Stock(CORRECTIONS), AS_READ)], Seed(120)),
    mutation(
        "release what is not held",
        &[Unconditional(Stock(&[StockOp::Release]), "#reserved >= :n")],
        ORDER_GUARDS,
    ),
    mutation(
        "commit what is not held",
        &[Unconditional(Stock(&[StockOp::Commit]), "#reserved >= :n")],
        ORDER_GUARDS,
    ),
    mutation(
        "ship what is not sold",
        &[Unconditional(Stock(&[StockOp::Ship]), "#committed >= :n")],
        ORDER_GUARDS,
    ),
    mutation(
        "restock what is not sold",
        &[Unconditional(Stock(&[StockOp::Restock]), "#committed >= :n")],
        ORDER_GUARDS,
    ),
    mutation("forget to reserve", &[LeftOut(Stock(&[StockOp::Reserve]))], Seed(1)),
    mutation("forget to release", &[LeftOut(Stock(&[StockOp::Release]))], Seed(1)),
    mutation("forget to commit", &[LeftOut(Stock(&[StockOp::Commit]))], Seed(1)),
    mutation("forget to ship", &[LeftOut(Stock(&[StockOp::Ship]))], Seed(1)),
    mutation("forget to restock", &[LeftOut(Stock(&[StockOp::Restock]))], Seed(4)),
    mutation("forget to take back", &[LeftOut(Stock(&[StockOp::Return]))], Seed(8)),
    // Shards and limits
    mutation(
        "shift what is not free",
        &[Unconditional(Stock(&[StockOp::ShiftOut]), "#available >= :n")],
        Seed(52),
    ),
    mutation("forget to shift in", &[LeftOut(Stock(&[StockOp::ShiftIn]))], Seed(2)),
    mutation("forget to shift out", &[LeftOut(Stock(&[StockOp::ShiftOut]))], Seed(2)),
    mutation(
        "terms over terms",
        &[Unconditional(Item("flash_sale"), AS_READ)],
        Equivalent("the same transaction replaces the variant at the version it was read at"),
    ),
    mutation(
        "count while units move to a new shard",
        &[Unconditional(Key("FLASH#"), NEW)],
        Tested("units_that_move_to_a_new_shard_during_a_count_are_not_counted_as_missing"),
    ),
    mutation(
        "more than a buyer may have",
        &[Unconditional(Key("ROUND#"), "attribute_not_exists(#bought) OR #bought <= :room")],
        Seed(20),
    ),
    mutation("forget to count a buyer's units", &[LeftOut(Key("ROUND#"))], Seed(8)),
    mutation(
        "take back what was not counted",
        &[Unconditional(Key("ROUND#"), "#bought >= :n")],
        ORDER_GUARDS,
    ),
    mutation(
        "movement over a movement",
        &[Unconditional(Item("movement"), NEW)],
        Equivalent("a repeated record makes the same movement again"),
    ),
    // Guests
    mutation(
        "order of a claimed guest",
        &[Unconditional(
            Key("USER"),
            "attribute_exists(#guest) AND attribute_not_exists(#guest.#claimed_by)",
        )],
        Tested("an_order_that_is_placed_while_it_is_claimed_is_claimed_or_not_placed"),
    ),
    mutation("forget to list a guest's order", &[LeftOut(Item("guest_order"))], Seed(14)),
    // Orders
    mutation(
        "order that changed",
        &[
            Unconditional(Order("awaiting_payment"), AS_READ),
            Unconditional(Order("paid"), AS_READ),
            Unconditional(Order("cancelled"), AS_READ),
            Unconditional(Order("refunded"), AS_READ),
            Unconditional(Order("completed"), AS_READ),
            Unconditional(Item("event"), NEW),
        ],
        Seed(6),
    ),
    mutation(
        "end an attempt of a changed order",
        &[Unconditional(Order("awaiting_payment"), AS_READ)],
        Seed(87),
    ),
    mutation("sweep or cancel a changed order", &[Unconditional(Order("cancelled"), AS_READ)], Seed(6)),
    mutation(
        "sweep or cancel, event over event",
        &[Unconditional(Order("cancelled"), AS_READ), Unconditional(Item("event"), NEW)],
        Seed(6),
    ),
    mutation("pay or ship a changed order", &[Unconditional(Order("paid"), AS_READ)], EVENT_GUARDS),
    mutation(
        "pay or ship, event over event",
        &[Unconditional(Order("paid"), AS_READ), Unconditional(Item("event"), NEW)],
        Seed(12),
    ),
    mutation("refund a changed order", &[Unconditional(Order("refunded"), AS_READ)], EVENT_GUARDS),
    mutation(
        "refund, event and part over changes",
        &[
            Unconditional(Order("refunded"), AS_READ),
            Unconditional(Item("event"), NEW),
            Unconditional(Item("part"), AS_READ),
        ],
        Tested("goods_are_never_restocked_twice_by_two_refunds_or_though_shipped"),
    ),
    mutation("complete a changed order", &[Unconditional(Order("completed"), AS_READ)], EVENT_GUARDS),
    mutation("event over an event", &[Unconditional(Item("event"), NEW)], ORDER_GUARDS),
    mutation("part that changed", &[Unconditional(Item("part"), AS_READ)], Seed(16)),
    mutation("order over an order", &[Unconditional(Item("order"), NEW)], FRESH_ID),
    mutation("part over a part", &[Unconditional(Item("part"), NEW)], FRESH_ID),
    mutation("order a cart that changed", &[Unconditional(Item("cart"), AS_READ)], Seed(6)),
    mutation("cart over a cart", &[Unconditional(Item("cart"), NEW)], Seed(1)),
    mutation("forget the event", &[LeftOut(Item("event"))], Seed(1)),
    mutation(
        "answer over an answer",
        &[Unconditional(Item("idempotency"), "attribute_not_exists(#pk) OR #ttl <= :now")],
        Seed(6),
    ),
    mutation("forget the answer", &[LeftOut(Item("idempotency"))], Seed(1)),
    mutation("fresh token per try", &[FreshTokens], Seed(3)),
    // Payments
    mutation(
        "attempt beside an open one",
        &[Unconditional(Claim, "attribute_not_exists(#open_attempt)")],
        Seed(1),
    ),
    mutation(
        "attempt on an ended order",
        &[Unconditional(Claim, "#state.#kind = :awaiting")],
        Equivalent("only an order that waits for payment has the time limit that is compared beside it"),
    ),
    mutation("attempt after the time to pay", &[Unconditional(Claim, "#state.#expires_at > :now")], Seed(54)),
    mutation(
        "attempt on an ended order, or late",
        &[Unconditional(Claim, "#state.#kind = :awaiting AND #state.#expires_at > :now")],
        Seed(54),
    ),
    mutation("attempt on another's order", &[Unconditional(Claim, "#buyer = :buyer")], Seed(33)),
    mutation("payment over a payment", &[Unconditional(Item("payment"), NEW)], Seed(1)),
    mutation(
        "payment that changed",
        &[Unconditional(Item("payment"), AS_READ)],
        Equivalent(
            "the same transaction changes the order at the version it was read at, or the attempt is not the open \
             one and has ended",
        ),
    ),
    // Money and goods on their way back
    mutation(
        "more than is left of a payment",
        &[Unconditional(Item("payment"), "#state.#balance.#refundable.#amount >= :n")],
        Equivalent("the payment is written at the version it was read at, and it was read to have as much"),
    ),
    mutation(
        "more than is left, of a payment that changed",
        &[
            Unconditional(Item("payment"), AS_READ),
            Unconditional(Item("payment"), "#state.#balance.#refundable.#amount >= :n"),
            Unconditional(Item("refund"), NEW),
            Unconditional(Item("part"), AS_READ),
            Unconditional(Item("event"), NEW),
            Unconditional(Order("paid"), AS_READ),
            Unconditional(Order("completed"), AS_READ),
            Unconditional(Order("refunded"), AS_READ),
        ],
        Seed(8),
    ),
    mutation(
        "refund over a refund",
        &[Unconditional(Item("refund"), NEW)],
        Equivalent("its number is counted by the payment, which is written at the version it was read at"),
    ),
    mutation(
        "refund that changed",
        &[Unconditional(Item("refund"), AS_READ)],
        Tested("a_refund_that_changed_is_not_written_over"),
    ),
    mutation("forget the refund", &[LeftOut(Item("refund"))], Seed(4)),
    mutation(
        "return over a return",
        &[Unconditional(Item("return"), NEW)],
        Equivalent(
            "its number is counted by the part, and the order is written at the version it was read at",
        ),
    ),
    mutation("return that changed", &[Unconditional(Item("return"), AS_READ)], ORDER_GUARDS),
    mutation("forget the return", &[LeftOut(Item("return"))], Seed(1)),
    mutation("posting over a posting", &[Unconditional(Item("ledger_tx"), NEW)], FRESH_ID),
    mutation("forget the posting", &[LeftOut(Item("ledger_tx"))], Seed(1)),
    mutation("message acted on twice", &[Unconditional(Item("inbox"), NEW)], Seed(19)),
    mutation("forget the message", &[LeftOut(Item("inbox"))], Seed(8)),
    mutation("fresh key per payment call", &[Provider(ProviderBug::FreshStartKeys)], Seed(1)),
    mutation("fresh key per refund call", &[Provider(ProviderBug::FreshRefundKeys)], Seed(18)),
    mutation("amounts believed", &[Provider(ProviderBug::AmountsAreBelieved)], Seed(1)),
    // Coupons
    mutation("forget to take a coupon", &[LeftOut(CouponTaken)], Seed(3)),
    mutation("forget to count a coupon", &[LeftOut(CouponCounted)], Seed(3)),
    mutation("forget to give a coupon back", &[LeftOut(CouponGivenBack)], Seed(3)),
    mutation(
        "give back what was not taken",
        &[Unconditional(CouponGivenBack, "#uses >= :one")],
        ORDER_GUARDS,
    ),
    // Back in stock
    mutation(
        "wishes that changed",
        &[Unconditional(Item("alerts"), AS_READ)],
        Tested("an_order_and_the_end_of_its_hold_at_the_same_time_sell_the_unit_once"),
    ),
    mutation(
        "wait for what is there",
        &[Unconditional(Key("STOCK#"), "#available = :zero")],
        Tested("who_joins_while_units_arrive_is_served_or_told_that_there_are_some"),
    ),
    mutation("place over a place", &[Unconditional(Item("place"), NEW)], FRESH_ID),
    mutation(
        "leave a line that was left",
        &[Unconditional(Partition("QUEUE#"), "attribute_exists(#pk)")],
        Equivalent("the same transaction changes what the user waits for at the version it was read at"),
    ),
    mutation("forget the place", &[LeftOut(Item("place"))], Seed(6)),
    mutation("forget what is held", &[LeftOut(Item("alerts"))], Seed(6)),
    // Labels and parcels
    mutation("label bought again without a look", &[Carriers(CarrierBug::PurchasesAreNotLookedFor)], Seed(8)),
    mutation("forget what a label costs", &[LeftOut(Posting("label"))], Seed(8)),
    mutation("forget what a label gives back", &[LeftOut(Posting("label_voided"))], Seed(32)),
    mutation("forget the parcel", &[LeftOut(Item("tracking"))], Seed(1)),
    mutation("parcel over a parcel", &[Unconditional(Item("tracking"), NEW)], FRESH_ID),
    mutation(
        "carrier's message acted on twice",
        &[Unconditional(Partition("INBOX#tracking#"), NEW)],
        Equivalent("news leads forwards only, of the part at the version it was read at"),
    ),
    mutation("forget the carrier's message", &[LeftOut(Partition("INBOX#tracking#"))], Seed(1)),
    // Imports
    mutation("import that changed", &[Unconditional(Item("stock_import"), AS_READ)], Seed(17)),
    mutation(
        "results over results",
        &[Unconditional(Item("stock_import_rows"), NEW)],
        Equivalent("the same transaction changes the import at the version it was read at"),
    ),
    mutation("forget how far an import is", &[LeftOut(Item("stock_import"))], Seed(6)),
    mutation("forget the results of rows", &[LeftOut(Item("stock_import_rows"))], Seed(7)),
    // Delivery
    mutation("failed batch not repeated", &[Delivery(DeliveryBug::BatchesAreNotRepeated)], Seed(12)),
    mutation("failed message not repeated", &[Delivery(DeliveryBug::MessagesAreNotRepeated)], Seed(62)),
];
