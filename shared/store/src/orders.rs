//! `ORDER#<id>` / `ORDER`, `SELLER#<seller>`, `PAYMENT#<n>`: an order with its parts and payments; see `refunds.rs` for
//! what goes back.
//!
//! `GUEST#<user>` / `ORDER#<id>`: what a guest bought, for the account that claims it.
//!
//! Indexes (they find, they never decide): `by_buyer` over orders, `by_seller` over parts, `by_due` over orders that
//! wait for payment and over payments, refunds and parts with labels that wait for the provider, each spread over [`DUE_SHARDS`]
//! partitions.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use sutler_domain::{
    ids::{OrderId, SellerId, UserId},
    order::{Order, OrderState, Part},
    payment::{ATTEMPTS_MAX, Payment},
    refund::Refund,
    returns::Return,
    time::Timestamp,
};

use crate::{
    codec::{Version, Versioned, decode, encode, number, text, value},
    db::{Query, Range, Store, key_part},
    error::{Guard, Item, StoreError},
    keys::{Key, Table},
    write::{Expression, Transaction},
};

/// Over how many partitions of `by_due` each kind of what waits is spread.
pub const DUE_SHARDS: u8 = 4;

/// The most items an order has beside its events: itself, 15 parts, 40 returns with as many refunds, 100 more refunds
/// that people may ask for, and 50 payment attempts.
const ORDER_ITEMS_MAX: i32 = 400;

/// The partition of an order.
#[must_use]
pub fn order_partition(id: &OrderId) -> String {
    format!("ORDER#{id}")
}

/// Where an order is.
#[must_use]
pub fn order_key(id: &OrderId) -> Key {
    Key::new(Table::Commerce, order_partition(id), "ORDER")
}

fn part_key(order: &OrderId, seller: &SellerId) -> Key {
    Key::new(Table::Commerce, order_partition(order), format!("SELLER#{seller}"))
}

fn payment_key(order: &OrderId, attempt: u32) -> Key {
    Key::new(Table::Commerce, order_partition(order), format!("PAYMENT#{attempt:04}"))
}

fn guests_partition(guest: &UserId) -> String {
    format!("GUEST#{guest}")
}

/// Which partitions of the due index something and what belongs to it are in, by its id.
pub(crate) fn due_shard(id: &str) -> u8 {
    id.bytes().fold(0_u8, u8::wrapping_add).checked_rem(DUE_SHARDS).unwrap_or(0)
}

/// Sort keys of instants sort like the instants.
pub(crate) fn instant(at: Timestamp) -> String {
    format!("{:020}", at.millis().max(0))
}

#[derive(Serialize, Deserialize)]
struct GuestOrder {
    order: OrderId,
}

/// An order with everything that belongs to it, as of one read.
#[derive(Debug, Clone)]
pub struct OrderAggregate {
    /// The order.
    pub order: Versioned<Order>,
    /// Its parts.
    pub parts: Vec<Versioned<Part>>,
    /// Its payment attempts, oldest first.
    pub payments: Vec<Versioned<Payment>>,
    /// What of its money goes back or went back, oldest first per attempt.
    pub refunds: Vec<Versioned<Refund>>,
    /// What of its goods goes back or came back.
    pub returns: Vec<Versioned<Return>>,
}

impl OrderAggregate {
    /// The payment with this number.
    #[must_use]
    pub fn payment(&self, attempt: u32) -> Option<&Versioned<Payment>> {
        self.payments.iter().find(|payment| payment.value.attempt == attempt)
    }

    /// The refund with this number of the payment with that one.
    #[must_use]
    pub fn refund(&self, attempt: u32, number: u32) -> Option<&Versioned<Refund>> {
        self.refunds.iter().find(|refund| (refund.value.attempt, refund.value.number) == (attempt, number))
    }
}

fn order_item(order: &Order, version: Version) -> Result<(Key, Item), StoreError> {
    let key = order_key(&order.id);
    let mut item = encode(&key, "order", version, order)?;
    let mut index = |name: &str, value: String| item.insert(name.to_owned(), text(value));
    index("gsi1pk", format!("BUYER#{}", order.buyer));
    index("gsi1sk", order.id.as_str().to_owned());
    if let OrderState::AwaitingPayment { expires_at } = &order.state {
        index("gsi3pk", format!("EXPIRY#{}", due_shard(order.id.as_str())));
        index("gsi3sk", format!("{}#{}", instant(*expires_at), order.id));
    }
    Ok((key, item))
}

fn part_item(part: &Part, version: Version) -> Result<(Key, Item), StoreError> {
    let key = part_key(&part.order, &part.seller);
    let mut item = encode(&key, "part", version, part)?;
    item.insert("gsi2pk".to_owned(), text(format!("SELLER#{}", part.seller)));
    item.insert("gsi2sk".to_owned(), text(part.order.as_str()));
    if let Some(at) = part.ask_about_labels_at() {
        item.insert("gsi3pk".to_owned(), text(format!("LABEL#{}", due_shard(part.order.as_str()))));
        item.insert("gsi3sk".to_owned(), text(format!("{}#{}", instant(at), part.order)));
    }
    Ok((key, item))
}

pub(crate) fn payment_item(payment: &Payment, version: Version) -> Result<(Key, Item), StoreError> {
    let key = payment_key(&payment.order, payment.attempt);
    let mut item = encode(&key, "payment", version, payment)?;
    if let Some(since) = payment.undecided_since() {
        item.insert("gsi3pk".to_owned(), text(format!("PAYMENT#{}", due_shard(payment.order.as_str()))));
        item.insert("gsi3sk".to_owned(), text(format!("{}#{}", instant(since), payment.order)));
    }
    Ok((key, item))
}

/// Creates an order and its parts.
///
/// # Errors
/// [`StoreError::Rejected`] when they cannot be represented, which is a bug.
pub fn create(transaction: &mut Transaction, order: &Order, parts: &[Part]) -> Result<(), StoreError> {
    let (key, item) = order_item(order, Version::FIRST)?;
    transaction.create(key, item);
    for part in parts {
        let (key, item) = part_item(part, Version::FIRST)?;
        transaction.create(key, item);
    }
    Ok(())
}

/// Lists a new order of a guest's, to be claimed one day.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn list_for_claim(transaction: &mut Transaction, order: &Order) -> Result<(), StoreError> {
    let key = Key::new(Table::Commerce, guests_partition(&order.buyer), order_partition(&order.id));
    let item = encode(&key, "guest_order", Version::FIRST, &GuestOrder { order: order.id.clone() })?;
    transaction.create(key, item);
    Ok(())
}

/// Replaces an order that is still as it was read.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn save(transaction: &mut Transaction, order: &Versioned<Order>) -> Result<Guard, StoreError> {
    let (key, item) = order_item(&order.value, order.version.next())?;
    Ok(transaction.replace(key, item, order.version))
}

/// Replaces a part that is still as it was read.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn save_part(transaction: &mut Transaction, part: &Versioned<Part>) -> Result<Guard, StoreError> {
    let (key, item) = part_item(&part.value, part.version.next())?;
    Ok(transaction.replace(key, item, part.version))
}

/// Creates the record of a payment attempt.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn create_payment(transaction: &mut Transaction, payment: &Payment) -> Result<Guard, StoreError> {
    let (key, item) = payment_item(payment, Version::FIRST)?;
    Ok(transaction.create(key, item))
}

/// Replaces a payment that is still as it was read; creates it when it was not there.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn save_payment(
    transaction: &mut Transaction,
    payment: &Payment,
    read: Option<Version>,
) -> Result<Guard, StoreError> {
    let Some(version) = read else { return create_payment(transaction, payment) };
    let (key, item) = payment_item(payment, version.next())?;
    Ok(transaction.replace(key, item, version))
}

/// Claims the next payment attempt of the buyer's own order, while it waits for payment and none is open.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn claim_attempt(
    order: &OrderId,
    buyer: &UserId,
    gateway: &str,
    now: Timestamp,
) -> Result<(Key, Expression), StoreError> {
    let open = sutler_domain::order::OpenAttempt { gateway: gateway.to_owned(), since: now };
    let expression = Expression::when(
        "#buyer = :buyer AND #state.#kind = :awaiting AND #state.#expires_at > :now \
         AND attribute_not_exists(#open_attempt) AND #attempts < :most",
    )
    .with(":most", number(ATTEMPTS_MAX))
    .then("SET #open_attempt = :open, #attempts = #attempts + :one, #version = #version + :one")
    .with(":buyer", text(buyer.as_str()))
    .with(":awaiting", text("awaiting_payment"))
    .with(":now", number(now.millis()))
    .with(":open", value(&open)?)
    .with(":one", AttributeValue::N("1".to_owned()));
    Ok((order_key(order), expression))
}

impl Store {
    /// An order with everything that belongs to it, strongly consistent, in one round trip.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer or an item does not read.
    pub async fn order(&self, id: &OrderId) -> Result<Option<OrderAggregate>, StoreError> {
        let query = Query {
            table: Table::Commerce,
            index: None,
            pk: order_partition(id),
            range: Range::From("ORDER".to_owned()),
            descending: false,
            limit: ORDER_ITEMS_MAX,
            consistent: true,
        };
        let (mut order, mut parts, mut payments) = (None, Vec::new(), Vec::new());
        let (mut refunds, mut returns) = (Vec::new(), Vec::new());
        let items = self.query(&query).await?;
        // What is decided on an order is decided on all of it.
        if items.len() >= usize::try_from(ORDER_ITEMS_MAX).unwrap_or(usize::MAX) {
            return Err(StoreError::Rejected(format!("order {id} has {} items or more", items.len()).into()));
        }
        for item in items {
            let sk = key_part(&item, "sk");
            if sk == "ORDER" {
                order = Some(decode(&item)?);
            } else if sk.starts_with("SELLER#") {
                parts.push(decode(&item)?);
            } else if sk.starts_with("PAYMENT#") {
                payments.push(decode(&item)?);
            } else if sk.starts_with("REFUND#") {
                refunds.push(decode(&item)?);
            } else if sk.starts_with("RETURN#") {
                returns.push(decode(&item)?);
            }
        }
        Ok(order.map(|order| OrderAggregate { order, parts, payments, refunds, returns }))
    }

    /// What a guest bought, oldest first, after the order `after`. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer or an item does not read.
    pub async fn orders_of_guest(
        &self,
        guest: &UserId,
        after: Option<&OrderId>,
        limit: u16,
    ) -> Result<Vec<OrderId>, StoreError> {
        let query = Query {
            table: Table::Commerce,
            index: None,
            pk: guests_partition(guest),
            range: after.map_or(Range::All, |order| Range::After(order_partition(order))),
            descending: false,
            limit: i32::from(limit),
            consistent: true,
        };
        let items = self.query(&query).await?;
        items.iter().map(|item| decode::<GuestOrder>(item).map(|read| read.value.order)).collect()
    }

    /// A buyer's orders, newest first, older than `before`.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer or an item does not read.
    pub async fn orders_of_buyer(
        &self,
        buyer: &UserId,
        before: Option<&OrderId>,
        limit: u16,
    ) -> Result<Vec<Versioned<Order>>, StoreError> {
        let pk = format!("BUYER#{buyer}");
        let query = listing(("by_buyer", "gsi1pk", "gsi1sk"), pk, before, limit);
        self.query(&query).await?.iter().map(decode).collect()
    }

    /// A seller's parts, newest order first, of orders older than `before`.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer or an item does not read.
    pub async fn parts_of_seller(
        &self,
        seller: &SellerId,
        before: Option<&OrderId>,
        limit: u16,
    ) -> Result<Vec<Versioned<Part>>, StoreError> {
        let pk = format!("SELLER#{seller}");
        let query = listing(("by_seller", "gsi2pk", "gsi2sk"), pk, before, limit);
        self.query(&query).await?.iter().map(decode).collect()
    }

    /// Orders whose time to pay was over at `now`, the longest overdue first. Candidates only: the index may
    /// lag behind the orders.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn overdue(&self, shard: u8, now: Timestamp, limit: u16) -> Result<Vec<OrderId>, StoreError> {
        let found = self.query(&due(format!("EXPIRY#{shard}"), now, limit)).await?;
        Ok(found.iter().filter_map(order_of).collect())
    }

    /// Payments that have waited for their provider since before `before`, the longest wait first, as order and
    /// attempt. Candidates only: the index may lag behind the payments.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn undecided_payments(
        &self,
        shard: u8,
        before: Timestamp,
        limit: u16,
    ) -> Result<Vec<(OrderId, u32)>, StoreError> {
        let found = self.query(&due(format!("PAYMENT#{shard}"), before, limit)).await?;
        let attempt = |item: &Item| key_part(item, "sk").strip_prefix("PAYMENT#")?.parse().ok();
        Ok(found.iter().filter_map(|item| Some((order_of(item)?, attempt(item)?))).collect())
    }
}

/// The order of an item, from the key alone: one that does not read must not hide the others.
pub(crate) fn order_of(item: &Item) -> Option<OrderId> {
    OrderId::parse(key_part(item, "pk").strip_prefix("ORDER#")?).ok()
}

pub(crate) fn due(pk: String, before: Timestamp, limit: u16) -> Query {
    Query {
        table: Table::Commerce,
        index: Some(("by_due", "gsi3pk", "gsi3sk")),
        pk,
        range: Range::Before(instant(before)),
        descending: false,
        limit: i32::from(limit),
        consistent: false,
    }
}

fn listing(
    index: (&'static str, &'static str, &'static str),
    pk: String,
    before: Option<&OrderId>,
    limit: u16,
) -> Query {
    Query {
        table: Table::Commerce,
        index: Some(index),
        pk,
        range: before.map_or(Range::All, |id| Range::Before(id.as_str().to_owned())),
        descending: true,
        limit: i32::from(limit),
        consistent: false,
    }
}
