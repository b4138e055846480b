//! The state machines: an example of each in each of its states, and every command there is.

use std::collections::BTreeMap;

use sutler_domain::{
    address::{Address, AddressDraft},
    alert::{Alert, Alerts, HOLD_SECONDS},
    ids::{
        AlertId, ImportId, LabelId, OrderId, ProductId, ReturnId, SellerId, ShipmentId, UserId, VariantId,
    },
    label::{Label, LabelState, Postage, VOID_PATIENCE_S},
    money::{BasisPoints, Currency, Money},
    order::{CancelReason, Change, Fulfilment, Order, OrderLine, OrderState, Part, Progress, Totals, Units},
    payment::{Payment, PaymentState, RefundOrder, RefundReason},
    problem::Problem,
    refund::{Destination, Refund, RefundState},
    returns::{Return, ReturnState},
    shards::Origin,
    shipment::{CarrierNews, Shipment, ShipmentState, Tracking},
    stock::{Place, StockOp},
    stock_import::{FileProblem, RowOutcome, RowResult, StockImport},
    time::Timestamp,
};

use super::{Command, draw};

const ULID: &str = "01J8ZQ5K3N0V7X2Y4T6B8D9FGH";
const BEFORE: Timestamp = Timestamp::from_millis(1_000);
const NOW: Timestamp = Timestamp::from_millis(2_000);

fn applied<T>(result: Result<T, Problem>) -> Option<Change> {
    result.ok().map(|_| Change::Applied)
}

fn usd(minor: u64) -> Money {
    Money::try_new(minor, Currency::Usd).unwrap_or(Money::zero(Currency::Usd))
}

fn totals() -> Totals {
    let zero = usd(0);
    Totals { goods: usd(10), discount: zero, shipping: zero, tax: zero, tax_included: false, total: usd(10) }
}

fn order_id() -> Option<OrderId> {
    OrderId::parse(&format!("ord_{ULID}")).ok()
}

fn user() -> Option<UserId> {
    UserId::parse(&format!("usr_{ULID}")).ok()
}

/// An order.
pub fn order() -> Option<String> {
    let draft = AddressDraft {
        name: "Ada".to_owned(),
        line1: "12 Square".to_owned(),
        city: "Berlin".to_owned(),
        postal_code: Some("10115".to_owned()),
        country: "DE".to_owned(),
        ..AddressDraft::default()
    };
    let (id, buyer, address) = (order_id()?, user()?, Address::parse(&draft).ok()?);
    let sample = |state: OrderState, refunded: u64| Order {
        id: id.clone(),
        buyer: buyer.clone(),
        guest: None,
        email: String::new(),
        address: address.clone(),
        totals: totals(),
        coupon: None,
        state,
        refunded: usd(refunded),
        placed_at: BEFORE,
        sellers: Vec::new(),
        attempts: 1,
        open_attempt: None,
        events: 0,
        last_hash: String::new(),
    };
    let (paid, completed) =
        (OrderState::Paid { attempt: 1, at: BEFORE }, OrderState::Completed { attempt: 1, at: BEFORE });
    let refunded = |else_at| OrderState::Refunded { attempt: 1, at: BEFORE, else_at };
    let samples = [
        sample(OrderState::AwaitingPayment { expires_at: NOW }, 0),
        sample(paid.clone(), 0),
        sample(completed.clone(), 0),
        sample(OrderState::Cancelled { reason: CancelReason::Expired, at: BEFORE }, 0),
        sample(paid, 4),
        sample(completed, 4),
        sample(refunded(Fulfilment::Paid { at: BEFORE }), 10),
        sample(refunded(Fulfilment::Completed { at: BEFORE }), 10),
    ];
    let commands: [Command<Order>; 10] = [
        ("pay", |o| o.pay(1, NOW).ok()),
        ("late money, goods are there", |o| o.reinstate(1, NOW).ok()),
        ("buyer cancels", |o| o.cancel(CancelReason::Buyer, NOW).ok()),
        ("time is over", |o| o.cancel(CancelReason::Expired, NOW).ok()),
        ("everything has ended", |o| o.complete(NOW).ok()),
        ("some money goes back", |o| applied(o.refund(usd(3), NOW))),
        ("the last money goes back", |o| applied(o.refund(usd(6), NOW))),
        ("all money goes back", |o| applied(o.refund(usd(10), NOW))),
        ("a refund fails", |o| applied(o.refund_failed(usd(4)))),
        ("the only refund fails", |o| applied(o.refund_failed(usd(10)))),
    ];
    Some(draw("awaiting_payment", &samples, Order::state_name, &commands))
}

fn variant() -> Option<VariantId> {
    VariantId::of(&ProductId::parse(&format!("prd_{ULID}")).ok()?, 0)
}

fn units(quantity: u32) -> Vec<Units> {
    variant().map(|variant| Units { variant, quantity }).into_iter().collect()
}

fn tracking(number: &str) -> Option<Tracking> {
    Tracking::parse("dhl", number).ok()
}

fn shipment_id(number: u8) -> Option<ShipmentId> {
    ShipmentId::of(&order_id()?, 0, number)
}

fn ship(part: &mut Part, number: &str, quantity: Option<u32>) -> Option<Change> {
    let lines = quantity.map(units);
    let shipped = part.ship(0, (&tracking(number)?, None), lines.as_deref(), NOW).ok()?;
    shipped.map(|_| Change::Applied)
}

fn hear(part: &mut Part, news: CarrierNews) -> Option<Change> {
    part.hear(&shipment_id(1)?, (news, None), NOW).ok()
}

/// A part of an order, with one line of two units.
pub fn part() -> Option<String> {
    let seller = SellerId::of_user(&user()?);
    let line = OrderLine {
        variant: variant()?,
        seller: seller.clone(),
        title: String::new(),
        options: Vec::new(),
        sku: String::new(),
        unit_price: usd(5),
        quantity: 2,
        total: usd(10),
        discount: usd(0),
        tax: usd(0),
        origin: Origin::default(),
        progress: Progress::default(),
    };
    let unpaid = Part::new(order_id()?, (seller, String::new()), vec![line], totals(), BasisPoints::new(0)?);
    let after = |part: &Part, steps: &[fn(&mut Part) -> Option<Change>]| {
        let mut part = part.clone();
        steps.iter().try_for_each(|step| step(&mut part).map(|_| ()))?;
        Some(part)
    };
    let paid = after(&unpaid, &[|p| applied(p.release_to_seller())])?;
    let in_transit = after(&paid, &[|p| ship(p, "1", None)])?;
    let out = after(&in_transit, &[|p| hear(p, CarrierNews::OutForDelivery)])?;
    let delivered = after(&in_transit, &[|p| applied(p.deliver(None, NOW))])?;
    let to_return = after(&delivered, &[|p| applied(p.request_return(&units(2), NOW))])?;
    let some_to_return = after(&delivered, &[|p| applied(p.request_return(&units(1), NOW))])?;
    let returned = after(&to_return, &[|p| applied(p.end_return(&units(2), true, NOW))])?;
    let partly = after(&paid, &[|p| ship(p, "1", Some(1))])?;
    let cancelled = after(&paid, &[|p| applied(p.cancel(NOW))])?;
    let samples =
        [unpaid, paid, partly, in_transit, out, delivered, some_to_return, to_return, returned, cancelled];
    let commands: [Command<Part>; 14] = [
        ("the order is paid", |p| applied(p.release_to_seller())),
        ("the order ends", |p| {
            let before = p.clone();
            applied(p.cancel(NOW)).filter(|_| *p != before)
        }),
        ("some units are given up", |p| applied(p.cancel_units(&units(1), NOW))),
        ("all units are given up", |p| applied(p.cancel_units(&units(2), NOW))),
        ("some units are shipped", |p| ship(p, "2", Some(1))),
        ("what is open is shipped", |p| ship(p, "3", None)),
        ("out for delivery", |p| hear(p, CarrierNews::OutForDelivery)),
        ("cannot be delivered", |p| hear(p, CarrierNews::Failed)),
        ("what is on its way arrives", |p| {
            p.deliver(None, NOW).ok().filter(|new| !new.is_empty()).map(|_| Change::Applied)
        }),
        ("a return is requested", |p| applied(p.request_return(&units(1), NOW))),
        ("a return is rejected", |p| applied(p.end_return(&units(1), false, NOW))),
        ("all returns are rejected", |p| applied(p.end_return(&units(2), false, NOW))),
        ("some units are received", |p| applied(p.end_return(&units(1), true, NOW))),
        ("all units are received", |p| applied(p.end_return(&units(2), true, NOW))),
    ];
    Some(draw("awaiting_payment", &samples, |part| part.state.name(), &commands))
}

/// A shipment.
pub fn shipment() -> Option<String> {
    let (id, tracking) = (shipment_id(1)?, tracking("1")?);
    let sample = |state: ShipmentState| Shipment {
        id: id.clone(),
        tracking: tracking.clone(),
        label: None,
        lines: Vec::new(),
        shipped_at: BEFORE,
        passed: Vec::new(),
        state,
    };
    let samples = [
        sample(ShipmentState::InTransit),
        sample(ShipmentState::OutForDelivery { since: BEFORE }),
        sample(ShipmentState::Failed { at: BEFORE }),
        sample(ShipmentState::Returned { at: BEFORE }),
        sample(ShipmentState::Delivered { at: BEFORE }),
    ];
    let commands: [Command<Shipment>; 5] = [
        ("the carrier is on the way to the buyer", |s| Some(s.hear(CarrierNews::OutForDelivery, NOW))),
        ("the carrier cannot deliver it", |s| Some(s.hear(CarrierNews::Failed, NOW))),
        ("the carrier brings it back", |s| Some(s.hear(CarrierNews::Returned, NOW))),
        ("the carrier delivered it", |s| Some(s.hear(CarrierNews::Delivered, NOW))),
        ("the buyer has it", |s| Some(s.deliver(NOW))),
    ];
    Some(draw("in_transit", &samples, |shipment| shipment.state.name(), &commands))
}

/// A label.
pub fn label() -> Option<String> {
    let id = LabelId::of(&order_id()?, 0, 1)?;
    let postage = Postage { provider_id: String::new(), tracking: tracking("1")?, url: String::new() };
    let sample = |state: LabelState| Label {
        id: id.clone(),
        rate: String::new(),
        carrier: String::new(),
        service: String::new(),
        cost: usd(1),
        state,
    };
    let samples = [
        sample(LabelState::Buying { since: BEFORE }),
        sample(LabelState::Bought { at: BEFORE, postage: postage.clone() }),
        sample(LabelState::Failed { at: BEFORE, code: String::new() }),
        sample(LabelState::Voiding { since: BEFORE, postage: postage.clone() }),
        sample(LabelState::Voided { at: BEFORE, postage }),
    ];
    let commands: [Command<Label>; 6] = [
        ("the provider sold it", |l| {
            let postage =
                Postage { provider_id: String::new(), tracking: tracking("1")?, url: String::new() };
            Some(l.bought(postage, NOW))
        }),
        ("the provider did not sell it", |l| Some(l.failed(String::new(), NOW))),
        ("nobody has heard of it for long", |l| applied(l.ask_again(NOW.plus_seconds(VOID_PATIENCE_S)))),
        ("the seller does not want it", |l| l.void(NOW).ok()),
        ("the provider took it back", |l| Some(l.voided(NOW))),
        ("the provider does not take it back", |l| Some(l.kept(NOW))),
    ];
    Some(draw("buying", &samples, |label| label.state.name(), &commands))
}

/// A payment with the refund of it that is under way.
type Paying = (Payment, Option<Refund>);

fn back(minor: u64, destination: Destination) -> RefundOrder {
    RefundOrder { amount: usd(minor), parts: Vec::new(), destination, reason: RefundReason::Goodwill }
}

/// A payment of ten.
pub fn payment() -> Option<String> {
    let order = order_id()?;
    let sample = |state: PaymentState| Payment {
        order: order.clone(),
        attempt: 1,
        gateway: String::new(),
        provider_id: String::new(),
        amount: usd(10),
        state,
        refunds: 0,
        redirect_url: None,
        last_failure: None,
        started_at: BEFORE,
    };
    let came = |refunded: u64, pending: u64| {
        let mut payment = sample(PaymentState::RequiresAction);
        let _change = payment.succeed(usd(10), None, BEFORE);
        if refunded > 0 {
            payment.refund(back(refunded, Destination::Wallet), BEFORE).ok()?;
        }
        let refund = match pending {
            0 => None,
            minor => Some(payment.refund(back(minor, Destination::Card), BEFORE).ok()?),
        };
        Some((payment, refund))
    };
    let samples: [Paying; 9] = [
        (sample(PaymentState::RequiresAction), None),
        (sample(PaymentState::Cancelled { at: BEFORE }), None),
        came(0, 0)?,
        came(0, 4)?,
        came(3, 4)?,
        came(0, 10)?,
        came(3, 0)?,
        came(10, 0)?,
        came(6, 4)?,
    ];
    let commands: [Command<Paying>; 8] = [
        ("the money comes", |(p, _)| Some(p.succeed(usd(10), None, NOW))),
        ("the provider ends it", |(p, _)| p.cancel(NOW).ok()),
        ("some goes back to the card", |(p, _)| applied(p.refund(back(2, Destination::Card), NOW))),
        ("all goes back to the card", |(p, _)| applied(p.refund(back(10, Destination::Card), NOW))),
        ("some goes to the wallet", |(p, _)| applied(p.refund(back(2, Destination::Wallet), NOW))),
        ("what is left goes to the wallet", |(p, _)| {
            let left = p.state.balance()?.refundable().minor();
            (left > 0).then(|| applied(p.refund(back(left, Destination::Wallet), NOW)))?
        }),
        ("a refund arrives", |(p, refund)| p.refund_arrived(refund.as_mut()?, NOW).ok()),
        ("a refund fails", |(p, refund)| p.refund_failed(refund.as_mut()?, NOW).ok()),
    ];
    Some(draw("requires_action", &samples, |(payment, _)| payment.state.name(), &commands))
}

/// A refund.
pub fn refund() -> Option<String> {
    let order = order_id()?;
    let sample = |state: RefundState| Refund {
        order: order.clone(),
        attempt: 1,
        number: 1,
        amount: usd(1),
        destination: Destination::Card,
        reason: RefundReason::Goodwill,
        parts: Vec::new(),
        state,
        provider_id: None,
        requested_at: BEFORE,
    };
    let samples = [
        sample(RefundState::Pending { since: BEFORE }),
        sample(RefundState::Succeeded { at: BEFORE }),
        sample(RefundState::Failed { at: BEFORE }),
    ];
    let commands: [Command<Refund>; 2] = [
        ("the provider gave it back", |r| r.succeed(NOW).ok()),
        ("the provider could not", |r| r.fail(NOW).ok()),
    ];
    Some(draw("pending", &samples, |refund| refund.state.name(), &commands))
}

/// A return.
pub fn sent_back() -> Option<String> {
    let (order, seller) = (order_id()?, SellerId::of_user(&user()?));
    let id = ReturnId::of(&order, 0, 1)?;
    let sample = |state: ReturnState| Return {
        id: id.clone(),
        order: order.clone(),
        seller: seller.clone(),
        lines: units(1),
        reason: String::new(),
        state,
        requested_at: BEFORE,
    };
    let samples = [
        sample(ReturnState::Requested),
        sample(ReturnState::Approved { at: BEFORE }),
        sample(ReturnState::Rejected { at: BEFORE }),
        sample(ReturnState::Received { at: BEFORE, sellable: Vec::new() }),
    ];
    let commands: [Command<Return>; 3] = [
        ("the seller agrees", |r| r.approve(NOW).ok()),
        ("the seller does not agree", |r| r.reject(NOW).ok()),
        ("the seller has it again", |r| r.receive(&units(1), NOW).ok()),
    ];
    Some(draw("requested", &samples, |sent_back| sent_back.state.name(), &commands))
}

/// The places of stock.
pub fn stock() -> String {
    let name = |place: Place| match place {
        Place::Available => "available",
        Place::Reserved => "reserved",
        Place::Committed => "committed",
        Place::Outside => "outside",
    };
    let mut edges: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for op in StockOp::ALL {
        let (from, to) = op.path();
        edges.entry((name(from), name(to))).or_default().push(op.name());
    }
    let mut text = String::new();
    for ((from, to), ops) in edges {
        text.push_str(&format!("    {from} --> {to}: {}\n", ops.join(", ")));
    }
    text
}

/// A wish for what is sold out.
pub fn alert() -> Option<String> {
    let id = AlertId::parse(&format!("alr_{ULID}")).ok()?;
    let (none, wish) = (Alerts::none(user()?), Alert::new(id, variant()?, String::new()));
    let after = |alerts: &Alerts, command: fn(&mut Alerts) -> Option<Change>| {
        let mut alerts = alerts.clone();
        command(&mut alerts).map(|_| alerts)
    };
    let mut waiting = none.clone();
    waiting.join(wish).ok().map(drop)?;
    let come: fn(&mut Alerts) -> Option<Change> = |a| {
        let id = a.alerts.first()?.id.clone();
        a.hold(&id, 0, BEFORE).map(|_| Change::Applied)
    };
    let held = after(&waiting, come)?;
    let commands: [Command<Alerts>; 5] = [
        ("the user joins", |a| {
            let id = AlertId::parse(&format!("alr_{ULID}")).ok()?;
            a.join(Alert::new(id, variant()?, String::new())).ok()
        }),
        ("a unit is there, and it is their turn", come),
        ("the user orders it", |a| a.take(&variant()?, NOW).map(|_| Change::Applied)),
        ("a quarter of an hour is over", |a| {
            let lapsed = a.lapse(BEFORE.plus_seconds(HOLD_SECONDS));
            (!lapsed.is_empty()).then_some(Change::Applied)
        }),
        ("the user gives it up", |a| a.leave(&variant()?).map(|_| Change::Applied)),
    ];
    let name = |alerts: &Alerts| alerts.alerts.first().map_or("none", |alert| alert.state.name());
    Some(draw("none", &[none, waiting, held], name, &commands))
}

fn row_results(count: usize) -> Vec<RowResult> {
    let outcome = RowOutcome::Unchanged { on_hand: 0 };
    vec![RowResult { line: 2, sku: String::new(), outcome }; count]
}

/// A file with counts of stock, with two rows.
pub fn stock_import() -> Option<String> {
    let (id, seller) = (ImportId::parse(&format!("imp_{ULID}")).ok()?, SellerId::of_user(&user()?));
    let waiting = StockImport::new(id, seller, 1, BEFORE);
    let after = |import: &StockImport, command: fn(&mut StockImport) -> Option<Change>| {
        let mut import = import.clone();
        command(&mut import).map(|_| import)
    };
    let begin: fn(&mut StockImport) -> Option<Change> = |i| i.begin("a", 2, NOW).ok();
    let running = after(&waiting, begin)?;
    let done = after(&waiting, |i| i.begin("a", 0, NOW).ok())?;
    let failed = after(&waiting, |i| i.fail(FileProblem::NotUtf8, NOW).ok())?;
    let commands: [Command<StockImport>; 5] = [
        ("the file is there", begin),
        ("some rows are carried out", |i| i.advance(&row_results(1), NOW).ok()),
        ("the last rows are carried out", |i| i.advance(&row_results(2), NOW).ok()),
        ("the file is no such file", |i| i.fail(FileProblem::NotUtf8, NOW).ok()),
        ("the file was replaced", |i| {
            i.begin("b", 2, NOW).err().and_then(|_| i.fail(FileProblem::Changed, NOW).ok())
        }),
    ];
    Some(draw("awaiting_upload", &[waiting, running, done, failed], |i| i.state.name(), &commands))
}
