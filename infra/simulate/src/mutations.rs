//! Planted bugs. Each takes one condition or one promise away on its way to the database, the provider or a queue,
//! and the simulation has to notice that it is gone.

mod table;

use serde_json::{Map, Value, json};
use sutler_domain::stock::StockOp;
use sutler_testkit::Operation;

use crate::chance::Chance;

pub use table::ALL;

/// A condition that always holds.
const ALWAYS: &str = "(attribute_exists(pk) OR attribute_not_exists(pk))";

/// A bug with a name.
#[derive(Debug)]
pub struct Mutation {
    /// Its name.
    pub name: &'static str,
    /// What is done wrong; more than one thing where two hold each other.
    pub bugs: &'static [Bug],
    /// How the simulation notices.
    pub proof: Proof,
}

/// How the simulation notices a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The history of this seed shows it.
    Seed(u64),
    /// It changes nothing that anybody could see, because something else holds; this says what.
    Equivalent(&'static str),
    /// Random histories hardly ever meet it; the test of this name does.
    Tested(&'static str),
}

/// What is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// This part of a write's condition is gone.
    Unconditional(On, &'static str),
    /// A write is missing from its transaction.
    LeftOut(On),
    /// Each try of a transaction has a token of its own.
    FreshTokens,
    /// Something between us and the provider.
    Provider(ProviderBug),
    /// Something between us and the carriers.
    Carriers(CarrierBug),
    /// Something between the parts.
    Delivery(DeliveryBug),
}

/// Which writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// Those that do one of these things to stock.
    Stock(&'static [StockOp]),
    /// Those that leave an order in this state.
    Order(&'static str),
    /// Those that leave an item of this type.
    Item(&'static str),
    /// Those that change an item whose sort key begins so.
    Key(&'static str),
    /// Postings of this purpose.
    Posting(&'static str),
    /// Those of an item whose partition key begins so.
    Partition(&'static str),

    /// Those that claim a payment attempt.
    Claim,
    /// Those that take a use of a coupon.
    CouponTaken,
    /// Those that count a use of a user's.
    CouponCounted,
    /// Those that give a use of a coupon back, or uncount it.
    CouponGivenBack,
}

/// A bug of whoever calls the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderBug {
    /// Each call to open a payment goes under a key of its own.
    FreshStartKeys,
    /// Each call to refund goes under a key of its own.
    FreshRefundKeys,
    /// What was taken is not compared with what was asked.
    AmountsAreBelieved,
}

/// A bug of whoever calls the provider of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CarrierBug {
    /// Nobody looks for a purchase before it is made again.
    PurchasesAreNotLookedFor,
}

/// A bug of whoever carries messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryBug {
    /// The stream goes on after a failed batch.
    BatchesAreNotRepeated,
    /// A queue forgets a failed message.
    MessagesAreNotRepeated,
}

impl Mutation {
    /// The mutation of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|mutation| mutation.name == name)
    }

    /// The bug, if it is one of the provider's callers.
    #[must_use]
    pub fn provider_bug(&self) -> Option<ProviderBug> {
        self.bugs.iter().find_map(|bug| if let Bug::Provider(bug) = bug { Some(*bug) } else { None })
    }

    /// The bug, if it is one of the callers of the provider of labels.
    #[must_use]
    pub fn carrier_bug(&self) -> Option<CarrierBug> {
        self.bugs.iter().find_map(|bug| if let Bug::Carriers(bug) = bug { Some(*bug) } else { None })
    }

    /// The bug, if it is one of whoever carries messages.
    #[must_use]
    pub fn delivery_bug(&self) -> Option<DeliveryBug> {
        self.bugs.iter().find_map(|bug| if let Bug::Delivery(bug) = bug { Some(*bug) } else { None })
    }

    /// Changes a request as the bug would.
    pub fn plant(&self, operation: Operation, body: &mut Value, chance: &Chance) {
        for bug in self.bugs {
            bug.plant(operation, body, chance);
        }
    }
}

impl Bug {
    fn plant(self, operation: Operation, body: &mut Value, chance: &Chance) {
        match self {
            Self::Unconditional(On::Claim, part) if operation == Operation::UpdateItem => weaken(body, part),
            Self::Unconditional(on, part) => {
                for write in writes(body) {
                    weaken_if(write, on, part);
                }
            }
            Self::LeftOut(on) => writes(body).for_each(|write| leave_out_if(write, on)),
            Self::FreshTokens => {
                let token = format!("{:016x}", chance.below(u64::MAX));
                let transacts = operation == Operation::TransactWriteItems;
                if let Some(fields) = body.as_object_mut().filter(|_| transacts) {
                    fields.insert("ClientRequestToken".to_owned(), json!(token));
                }
            }
            Self::Provider(_) | Self::Carriers(_) | Self::Delivery(_) => {}
        }
    }
}

/// The writes of a transaction, each as `{"Put": …}` or the like.
fn writes(body: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let items = body.get_mut("TransactItems").and_then(Value::as_array_mut);
    items.into_iter().flatten().filter_map(Value::as_object_mut)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a write updates a coupon or the count of its uses by somebody.
fn is_coupon(write: &Value) -> bool {
    text(write, "/Key/pk/S").starts_with("COUPON#") && write.get("UpdateExpression").is_some()
}

fn has(write: &Value, name: &str) -> bool {
    write.pointer(&format!("/ExpressionAttributeValues/{name}")).is_some()
}

fn is_on(write: &Value, on: On) -> bool {
    match on {
        On::Stock(ops) => {
            let op = text(write, "/ExpressionAttributeValues/:op/S");
            text(write, "/Key/sk/S").starts_with("STOCK#") && ops.iter().any(|one| one.name() == op)
        }
        On::Order(state) => {
            text(write, "/Item/type/S") == "order" && text(write, "/Item/state/M/kind/S") == state
        }
        On::Item(kind) => text(write, "/Item/type/S") == kind,
        On::Key(prefix) => text(write, "/Key/sk/S").starts_with(prefix),
        On::Posting(purpose) => {
            text(write, "/Item/type/S") == "ledger_tx" && text(write, "/Item/purpose/S") == purpose
        }
        On::Partition(prefix) => {
            ["/Item/pk/S", "/Key/pk/S"].iter().any(|place| text(write, place).starts_with(prefix))
        }
        On::Claim => false,
        On::CouponTaken => is_coupon(write) && has(write, ":revision"),
        On::CouponCounted => is_coupon(write) && has(write, ":zero"),
        On::CouponGivenBack => {
            is_coupon(write) && ![":revision", ":zero", ":terms"].iter().any(|name| has(write, name))
        }
    }
}

fn weaken_if(write: &mut Map<String, Value>, on: On, part: &str) {
    for inner in write.values_mut().filter(|inner| is_on(inner, on)) {
        weaken(inner, part);
    }
}

/// Takes `part` out of a write's condition, with the names and values that only it needed.
fn weaken(write: &mut Value, part: &str) {
    let condition = text(write, "/ConditionExpression");
    if !condition.contains(part) {
        return;
    }
    // A part in parentheses of its own would have two of them.
    let condition = condition.replace(&format!("({part})"), ALWAYS).replace(part, ALWAYS);
    let rest = format!("{condition} {}", text(write, "/UpdateExpression"));
    let Some(fields) = write.as_object_mut() else { return };
    fields.insert("ConditionExpression".to_owned(), json!(condition));
    for place in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
        let Some(Value::Object(known)) = fields.get_mut(place) else { continue };
        known.retain(|name, _| mentions(&rest, name));
        if known.is_empty() {
            fields.remove(place);
        }
    }
}

fn mentions(expression: &str, name: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_');
    expression
        .match_indices(name)
        .any(|(at, _)| at.checked_add(name.len()).and_then(|end| expression.get(end..)).is_some_and(ends))
}

/// Puts a look at the same item in the place of a write, so that the others keep theirs.
fn leave_out_if(write: &mut Map<String, Value>, on: On) {
    let Some(inner) = write.values().find(|inner| is_on(inner, on)) else { return };
    let key = |name: &str| {
        let part = ["/Item", "/Key"].map(|place| inner.pointer(&format!("{place}/{name}")).cloned());
        part.into_iter().flatten().next().unwrap_or_default()
    };
    let check = json!({
        "TableName": inner.get("TableName"),
        "Key": { "pk": key("pk"), "sk": key("sk") },
        "ConditionExpression": ALWAYS,
    });
    *write = Map::from_iter([("ConditionCheck".to_owned(), check)]);
}
