use proptest::prelude::*;

use super::*;
use crate::{
    address::AddressDraft,
    coupon::Funder,
    ids::{ProductId, ShipmentId, VariantId},
    money::{BasisPoints, Currency},
    shards::Origin,
    shares::{available, left_of, of_part, paid_for},
    shipment::{CarrierNews, Tracking},
};

const ULID: &str = "01J8ZQ5K3N0V7X2Y4T6B8D9FGH";
const T0: Timestamp = at(0);
const LATER: Timestamp = at(1_000);

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn usd(minor: u64) -> Money {
    Money::try_new(minor, Currency::Usd).unwrap()
}

/// How much of a hundred a coupon takes off and a tax takes; who gives the former, and whether prices contain the
/// latter.
#[derive(Debug, Clone)]
struct Priced {
    off: u64,
    by: Funder,
    rate: u64,
    included: bool,
}

const PLAIN: Priced = Priced { off: 0, by: Funder::Platform, rate: 0, included: false };

/// An order of ten, of which `refunded` went back.
fn order(state: OrderState, refunded: u64) -> Order {
    let draft = AddressDraft {
        name: "Ada".to_owned(),
        line1: "12 Square".to_owned(),
        city: "Berlin".to_owned(),
        postal_code: Some("10115".to_owned()),
        country: "DE".to_owned(),
        ..AddressDraft::default()
    };
    Order {
        id: OrderId::parse(&format!("ord_{ULID}")).unwrap(),
        buyer: UserId::parse(&format!("usr_{ULID}")).unwrap(),
        guest: None,
        email: "ada@example.com".to_owned(),
        address: Address::parse(&draft).unwrap(),
        totals: Totals::try_new(usd(10), usd(0), usd(0), usd(0), false).unwrap(),
        coupon: None,
        state,
        refunded: usd(refunded),
        placed_at: T0,
        sellers: Vec::new(),
        attempts: 1,
        open_attempt: None,
        events: 0,
        last_hash: String::new(),
    }
}

/// Each visible state; those of money beside those of delivery.
fn orders() -> [Order; 8] {
    let (paid, completed) =
        (OrderState::Paid { attempt: 1, at: T0 }, OrderState::Completed { attempt: 1, at: T0 });
    let refunded = |else_at| OrderState::Refunded { attempt: 1, at: T0, else_at };
    [
        order(OrderState::AwaitingPayment { expires_at: at(500) }, 0),
        order(paid.clone(), 0),
        order(paid, 4),
        order(completed.clone(), 0),
        order(completed, 4),
        order(OrderState::Cancelled { reason: CancelReason::Buyer, at: T0 }, 0),
        order(refunded(Fulfilment::Paid { at: T0 }), 10),
        order(refunded(Fulfilment::Completed { at: T0 }), 10),
    ]
}

/// A command's result in short: where the order is afterwards, `=` when nothing changed, `!` when refused.
fn outcome(before: &Order, command: fn(&mut Order) -> Result<Change, Problem>) -> String {
    let mut order = before.clone();
    match command(&mut order) {
        Ok(Change::Applied) => match &order.state {
            OrderState::Paid { .. } if order.state_name() != "paid" => {
                format!("paid, {}", order.refunded.minor())
            }
            OrderState::Completed { .. } if order.state_name() != "completed" => {
                format!("completed, {}", order.refunded.minor())
            }
            OrderState::AwaitingPayment { .. }
            | OrderState::Paid { .. }
            | OrderState::Completed { .. }
            | OrderState::Cancelled { .. }
            | OrderState::Refunded { .. } => order.state_name().to_owned(),
        },
        Ok(Change::AlreadyApplied) => {
            assert_eq!(order, *before);
            "=".to_owned()
        }
        Err(_) => {
            assert_eq!(order, *before);
            "!".to_owned()
        }
    }
}

#[test]
fn every_command_in_every_order_state_is_decided() {
    type Command = fn(&mut Order) -> Result<Change, Problem>;
    let table: [(&str, Command, [&str; 8]); 12] = [
        ("pay by attempt 1", |o| o.pay(1, LATER), ["paid", "=", "=", "=", "=", "!", "=", "="]),
        ("pay by attempt 2", |o| o.pay(2, LATER), ["paid", "!", "!", "!", "!", "!", "!", "!"]),
        ("reinstate", |o| o.reinstate(1, LATER), ["!", "!", "!", "!", "!", "paid", "!", "!"]),
        (
            "buyer cancels",
            |o| o.cancel(CancelReason::Buyer, T0),
            ["cancelled", "!", "!", "!", "!", "=", "!", "!"],
        ),
        (
            "expires too early",
            |o| o.cancel(CancelReason::Expired, T0),
            ["!", "!", "!", "!", "!", "=", "!", "!"],
        ),
        (
            "expires on time",
            |o| o.cancel(CancelReason::Expired, at(500)),
            ["cancelled", "!", "!", "!", "!", "=", "!", "!"],
        ),
        (
            "expires late",
            |o| o.cancel(CancelReason::Expired, LATER),
            ["cancelled", "!", "!", "!", "!", "=", "!", "!"],
        ),
        (
            "some goes back",
            |o| o.refund(usd(3), LATER).map(|_| Change::Applied),
            ["!", "paid, 3", "paid, 7", "completed, 3", "completed, 7", "!", "!", "!"],
        ),
        (
            "what is left goes back",
            |o| o.refund(usd(6), LATER).map(|_| Change::Applied),
            ["!", "paid, 6", "refunded", "completed, 6", "refunded", "!", "!", "!"],
        ),
        (
            "all goes back",
            |o| o.refund(usd(10), LATER).map(|_| Change::Applied),
            ["!", "refunded", "!", "refunded", "!", "!", "!", "!"],
        ),
        (
            "some cannot be given back",
            |o| o.refund_failed(usd(4)).map(|()| Change::Applied),
            ["!", "!", "paid", "!", "completed", "!", "paid, 6", "completed, 6"],
        ),
        (
            "complete",
            |o| o.complete(LATER),
            ["!", "completed", "completed, 4", "=", "=", "!", "refunded", "="],
        ),
    ];
    for (name, command, expected) in table {
        for (order, expected) in orders().iter().zip(expected) {
            assert_eq!(outcome(order, command), expected, "{name} when {}", order.state_name());
        }
    }
}

fn variant(number: u8) -> VariantId {
    VariantId::of(&ProductId::parse(&format!("prd_{ULID}")).unwrap(), number).unwrap()
}

fn some(quantity: u32) -> Vec<Units> {
    vec![Units { variant: variant(0), quantity }]
}

/// An unpaid part with lines of these prices and quantities.
fn part(lines: &[(u64, u32)], shipping: u64, priced: &Priced, commission: u16) -> Part {
    let head = order(OrderState::AwaitingPayment { expires_at: at(500) }, 0);
    let seller = SellerId::of_user(&head.buyer);
    let of_hundred = |amount: Money, part: u64| amount.scaled(part, 100).unwrap();
    let line = |(number, (price, quantity)): (u8, &(u64, u32))| {
        let total = usd(*price).try_mul(*quantity).unwrap();
        let discount = of_hundred(total, priced.off);
        OrderLine {
            variant: variant(number),
            seller: seller.clone(),
            title: String::new(),
            options: Vec::new(),
            sku: String::new(),
            unit_price: usd(*price),
            quantity: *quantity,
            total,
            discount,
            tax: of_hundred(total.try_sub(discount).unwrap(), priced.rate),
            origin: Origin::default(),
            progress: Progress::default(),
        }
    };
    let lines: Vec<OrderLine> = (0..).zip(lines).map(line).collect();
    let sum = |of: fn(&OrderLine) -> Money| Money::try_sum(Currency::Usd, lines.iter().map(of)).unwrap();
    let (goods, discount, shipping) = (sum(|line| line.total), sum(|line| line.discount), usd(shipping));
    let tax = sum(|line| line.tax).try_add(of_hundred(shipping, priced.rate)).unwrap();
    let totals = Totals::try_new(goods, discount, shipping, tax, priced.included).unwrap();
    let commission = BasisPoints::new(commission).unwrap();
    let part = Part::new(head.id, (seller.clone(), String::new()), lines, totals, commission);
    Part { discount_by: priced.by.clone(), ..part }
}

fn pricings() -> impl Strategy<Value = Priced> {
    let seller = SellerId::of_user(&order(OrderState::Paid { attempt: 1, at: T0 }, 0).buyer);
    let off = prop_oneof![Just(0), Just(100), 0_u64..=100];
    (off, any::<bool>(), 0_u64..60, any::<bool>()).prop_map(move |(off, by_seller, rate, included)| Priced {
        off,
        by: if by_seller { Funder::Seller { seller: seller.clone() } } else { Funder::Platform },
        rate,
        included,
    })
}

/// What of a part is for its shipping, besides tax.
fn net_shipping(part: &Part) -> Money {
    let goods_tax = Money::try_sum(Currency::Usd, part.lines.iter().map(|line| line.tax)).unwrap();
    let tax = part.totals.tax.try_sub(goods_tax).unwrap();
    if part.totals.tax_included { part.totals.shipping.try_sub(tax).unwrap() } else { part.totals.shipping }
}

fn tracking(number: &str) -> Tracking {
    Tracking::parse("dhl", number).unwrap()
}

fn ship(part: &mut Part, number: &str, units: Option<u32>) -> Result<Change, Problem> {
    let lines = units.map(some);
    let shipped = part.ship(0, (&tracking(number), None), lines.as_deref(), T0)?;
    Ok(if shipped.is_some() { Change::Applied } else { Change::AlreadyApplied })
}

fn shipment(number: u8) -> ShipmentId {
    ShipmentId::of(&OrderId::parse(&format!("ord_{ULID}")).unwrap(), 0, number).unwrap()
}

fn hear(part: &mut Part, news: CarrierNews) -> Result<Change, Problem> {
    part.hear(&shipment(1), (news, None), LATER)
}

/// A part with a line of three units, brought to each of its states.
fn parts() -> Vec<Part> {
    let unpaid = part(&[(10, 3)], 0, &PLAIN, 0);
    let after = |part: &Part, step: fn(&mut Part)| {
        let mut part = part.clone();
        step(&mut part);
        part
    };
    let paid = after(&unpaid, |p| p.release_to_seller().unwrap());
    let partly = after(&paid, |p| assert!(ship(p, "1", Some(1)).is_ok()));
    let in_transit = after(&paid, |p| assert!(ship(p, "1", None).is_ok()));
    let out = after(&in_transit, |p| assert!(hear(p, CarrierNews::OutForDelivery).is_ok()));
    let delivered = after(&in_transit, |p| drop(p.deliver(None, T0).unwrap()));
    let to_return = after(&delivered, |p| p.request_return(&some(3), T0).unwrap());
    let returned = after(&to_return, |p| p.end_return(&some(3), true, T0).unwrap());
    let cancelled = after(&paid, |p| p.cancel(T0).unwrap());
    let all = vec![unpaid, paid, partly, in_transit, out, delivered, to_return, returned, cancelled];
    assert_eq!(all.iter().map(|part| part.state.name()).collect::<Vec<_>>(), PartState::NAMES);
    all
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn every_command_in_every_part_state_is_decided() {
    type Command = fn(&mut Part) -> Result<Change, Problem>;
    fn done(_: ()) -> Change {
        Change::Applied
    }
    let table: [(&str, Command, [&str; 9]); 19] = [
        (
            "release to the seller",
            |p| p.release_to_seller().map(done),
            ["awaiting_shipment", "!", "!", "!", "!", "!", "!", "!", "awaiting_shipment"],
        ),
        (
            "cancel",
            |p| p.cancel(LATER).map(done),
            ["cancelled", "cancelled", "!", "!", "!", "!", "!", "!", "cancelled"],
        ),
        (
            "cancel one",
            |p| p.cancel_units(&some(1), LATER).map(done),
            ["!", "awaiting_shipment", "partly_shipped", "!", "!", "!", "!", "!", "!"],
        ),
        (
            "cancel two",
            |p| p.cancel_units(&some(2), LATER).map(done),
            ["!", "awaiting_shipment", "in_transit", "!", "!", "!", "!", "!", "!"],
        ),
        (
            "cancel all",
            |p| p.cancel_units(&some(3), LATER).map(done),
            ["!", "cancelled", "!", "!", "!", "!", "!", "!", "!"],
        ),
        (
            "ship what is open",
            |p| ship(p, "2", None),
            ["!", "in_transit", "in_transit", "!", "!", "!", "!", "!", "!"],
        ),
        (
            "ship one",
            |p| ship(p, "2", Some(1)),
            ["!", "partly_shipped", "partly_shipped", "!", "!", "!", "!", "!", "!"],
        ),
        (
            "ship the same again",
            |p| ship(p, "1", None),
            ["!", "in_transit", "!", "=", "=", "=", "=", "=", "!"],
        ),
        (
            "ship others under that number",
            |p| ship(p, "1", Some(2)),
            ["!", "partly_shipped", "!", "!", "!", "!", "!", "!", "!"],
        ),
        (
            "out for delivery",
            |p| hear(p, CarrierNews::OutForDelivery),
            ["!", "!", "partly_shipped", "out_for_delivery", "=", "=", "=", "=", "!"],
        ),
        (
            "cannot be delivered",
            |p| hear(p, CarrierNews::Failed),
            ["!", "!", "partly_shipped", "in_transit", "in_transit", "=", "=", "=", "!"],
        ),
        (
            "is brought back",
            |p| hear(p, CarrierNews::Returned),
            ["!", "!", "partly_shipped", "in_transit", "in_transit", "=", "=", "=", "!"],
        ),
        (
            "the carrier delivers",
            |p| hear(p, CarrierNews::Delivered),
            ["!", "!", "partly_shipped", "delivered", "delivered", "=", "=", "=", "!"],
        ),
        (
            "deliver",
            |p| {
                p.deliver(None, LATER)
                    .map(|new| if new.is_empty() { Change::AlreadyApplied } else { done(()) })
            },
            ["!", "!", "partly_shipped", "delivered", "delivered", "=", "=", "=", "!"],
        ),
        (
            "deliver another shipment",
            |p| p.deliver(Some(&shipment(9)), LATER).map(|_| Change::Applied),
            ["!", "!", "!", "!", "!", "!", "!", "!", "!"],
        ),
        (
            "ask for a return of one",
            |p| p.request_return(&some(1), LATER).map(done),
            ["!", "!", "!", "!", "!", "return_requested", "!", "!", "!"],
        ),
        (
            "ask for a return too late",
            |p| p.request_return(&some(1), at(30 * 24 * 3_600_000)).map(done),
            ["!", "!", "!", "!", "!", "!", "!", "!", "!"],
        ),
        (
            "a return is rejected",
            |p| p.end_return(&some(3), false, LATER).map(done),
            ["!", "!", "!", "!", "!", "!", "delivered", "!", "!"],
        ),
        (
            "a return is received",
            |p| p.end_return(&some(3), true, LATER).map(done),
            ["!", "!", "!", "!", "!", "!", "returned", "!", "!"],
        ),
    ];
    for (name, command, expected) in table {
        for (before, expected) in parts().iter().zip(expected) {
            let mut part = before.clone();
            let found = match command(&mut part) {
                Ok(Change::Applied) => part.state.name(),
                Ok(Change::AlreadyApplied) => {
                    assert_eq!(part, *before);
                    "="
                }
                Err(_) => {
                    assert_eq!(part, *before, "{name} was refused and changed something");
                    "!"
                }
            };
            assert_eq!(found, expected, "{name} when {}", before.state.name());
        }
    }
}

#[test]
fn units_are_read_once_each_and_within_bounds() {
    let named = |asked: Vec<(VariantId, u32)>| match units(asked, "/lines") {
        Ok(_) => Vec::new(),
        Err(Problem::Invalid(errors)) => {
            errors.into_iter().map(|error| format!("{}: {}", error.pointer, error.code)).collect()
        }
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(named(vec![(variant(0), 1), (variant(1), 99)]), [""; 0]);
    assert_eq!(named(Vec::new()), ["/lines: empty"]);
    assert_eq!(named(vec![(variant(0), 1); 51]), ["/lines: too-many"]);
    assert_eq!(
        named(vec![(variant(0), 0), (variant(0), 100)]),
        ["/lines/0/quantity: out-of-range", "/lines/1/variant: repeated", "/lines/1/quantity: out-of-range"]
    );
}

#[test]
fn units_that_were_delivered_too_long_ago_stay() {
    let day = |days: i64| at(days * 24 * 3_600_000);
    let mut part = parts().swap_remove(1);
    part.ship(0, (&tracking("1"), None), Some(&some(1)), T0).unwrap();
    part.deliver(None, day(1)).unwrap();
    part.ship(0, (&tracking("2"), None), None, day(2)).unwrap();
    part.deliver(None, day(10)).unwrap();
    let possible = |part: &Part, now| match part.clone().request_return(&some(3), now) {
        Ok(()) => 3,
        Err(Problem::TooManyUnits { possible, .. }) => possible,
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!((possible(&part, day(30)), possible(&part, day(31)), possible(&part, day(40))), (3, 2, 0));
    part.request_return(&some(2), day(30)).unwrap();
    assert_eq!((possible(&part, day(30)), possible(&part, day(31))), (1, 1));
}

proptest! {
    #[test]
    fn any_history_of_a_part_keeps_its_counts_within_bounds(
        steps in prop::collection::vec((0_u8..7, 0_u8..2, 1_u32..4), 0..40),
    ) {
        let mut part = part(&[(10, 4), (7, 3)], 5, &PLAIN, 1_000);
        part.release_to_seller().unwrap();
        let mut returns: Vec<Vec<Units>> = Vec::new();
        for (number, (step, line, quantity)) in steps.into_iter().enumerate() {
            let wanted = vec![Units { variant: variant(line), quantity }];
            let before = part.clone();
            let refused = match step {
                0 => part.cancel_units(&wanted, LATER).is_err(),
                1 => part.ship(0, (&tracking(&number.to_string()), None), Some(&wanted), LATER).is_err(),
                2 => part.deliver(None, LATER).is_err(),
                3 => part.request_return(&wanted, LATER).map(|()| returns.push(wanted)).is_err(),
                4 => returns.pop().is_some_and(|lines| part.end_return(&lines, true, LATER).is_err()),
                5 => returns.pop().is_some_and(|lines| part.end_return(&lines, false, LATER).is_err()),
                _ => part.ship(0, (&tracking("all"), None), None, LATER).is_err(),
            };
            prop_assert!(!refused || part == before);
            let shipped = |line: &OrderLine| -> u32 {
                let lines = part.shipments.iter().flat_map(|shipment| &shipment.lines);
                lines.filter(|units| units.variant == line.variant).map(|units| units.quantity).sum()
            };
            for line in &part.lines {
                prop_assert!(line.progress.fits(line.quantity), "{:?}", line.progress);
                prop_assert_eq!(line.progress.shipped, shipped(line));
            }
            let at = part.settled(LATER);
            prop_assert_eq!(at.name(), part.state.name());
        }
    }

    #[test]
    fn refunding_all_units_one_by_one_gives_back_exactly_the_line(
        lines in prop::collection::vec((1_u64..1 << 40, 1_u32..=99), 1..6),
        shipping in 0_u64..1 << 20, priced in pricings(), commission in 0_u16..=10_000,
    ) {
        let part = part(&lines, shipping, &priced, commission);
        let mut left = of_part(&part).unwrap();
        for line in &part.lines {
            let whole = paid_for(&part, line).unwrap();
            let mut sum = crate::shares::Shares::zero(Currency::Usd);
            let price = line.total.try_sub(line.discount).unwrap().minor()
                + if priced.included { 0 } else { line.tax.minor() };
            prop_assert_eq!(whole.total(), Ok(usd(price)));
            let price = price / u64::from(line.quantity);
            for unit in 0..line.quantity {
                let own = whole.of_units(line.quantity, unit, 1).unwrap();
                let paid = own.total().unwrap().minor();
                prop_assert!(paid == price || paid == price + 1, "{} of {}", paid, price);
                sum = sum.try_add(&own).unwrap();
            }
            prop_assert_eq!(sum, whole);
            left = left.try_sub(&whole).unwrap();
        }
        // What is left was paid for shipping, and no commission is taken of that.
        prop_assert_eq!(left.seller, net_shipping(&part));
        prop_assert_eq!((left.fee, left.promoted), (usd(0), usd(0)));
    }

    #[test]
    fn any_history_of_refunds_sums_exactly_and_reverses_the_whole_commission(
        lines in prop::collection::vec((1_u64..2_000, 1_u32..=9), 1..4),
        shipping in 0_u64..900, priced in pricings(), commission in 0_u16..=10_000,
        steps in prop::collection::vec((0_usize..5, 1_u32..4, 0_u64..4_000), 0..30),
    ) {
        let mut part = part(&lines, shipping, &priced, commission);
        let whole = of_part(&part).unwrap();
        let mut told = usd(0);
        for (at, units, minor) in steps {
            let left = left_of(&part).unwrap();
            let taken = if let Some(line) = part.lines.get(at) {
                let before = line.progress.paid_back();
                let count = units.min(line.quantity - before);
                let own = paid_for(&part, line).unwrap().of_units(line.quantity, before, count).unwrap();
                part.lines[at].progress.cancelled += count;
                available(&left, &own).unwrap()
            } else {
                left.first(usd(minor.min(left.total().unwrap().minor()))).unwrap()
            };
            told = told.try_add(taken.total().unwrap()).unwrap();
            part.refunded = part.refunded.try_add(&taken).unwrap();
            prop_assert_eq!(left_of(&part).unwrap().try_add(&part.refunded), Ok(whole));
            prop_assert_eq!(part.refunded.total(), Ok(told));
        }
        let rest = left_of(&part).unwrap();
        part.refunded = part.refunded.try_add(&available(&rest, &rest).unwrap()).unwrap();
        prop_assert_eq!(part.refunded, whole, "the commission and the tax with it");
        prop_assert_eq!(whole.total(), Ok(part.totals.total));
        prop_assert_eq!((whole.tax, whole.promoted.is_zero()), (part.totals.tax, part.discount_by != Funder::Platform || part.totals.discount.is_zero()));
    }
}
