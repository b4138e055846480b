//! `ORDER#<id>` / `REFUND#<attempt>#<n>`, `RETURN#<id>`: money and goods of an order on their way back.
//!
//! Refunds that wait for the provider are in the index `by_due`.

use sutler_domain::{
    ids::{OrderId, ReturnId},
    money::Money,
    payment::Payment,
    refund::Refund,
    returns::Return,
    time::Timestamp,
};

use crate::{
    codec::{Version, Versioned, encode, number, text},
    db::{Store, key_part},
    error::{Guard, Item, StoreError},
    keys::{Key, Table},
    orders::{due, due_shard, instant, order_of, order_partition, payment_item},
    write::{Expression, Transaction},
};

fn refund_key(order: &OrderId, attempt: u32, number: u32) -> Key {
    Key::new(Table::Commerce, order_partition(order), format!("REFUND#{attempt:04}#{number:04}"))
}

fn return_key(id: &ReturnId) -> Key {
    Key::new(Table::Commerce, order_partition(&id.order()), format!("RETURN#{id}"))
}

fn refund_item(refund: &Refund, version: Version) -> Result<(Key, Item), StoreError> {
    let key = refund_key(&refund.order, refund.attempt, refund.number);
    let mut item = encode(&key, "refund", version, refund)?;
    if let Some(since) = refund.undecided_since() {
        item.insert("gsi3pk".to_owned(), text(format!("REFUND#{}", due_shard(refund.order.as_str()))));
        item.insert("gsi3sk".to_owned(), text(format!("{}#{}", instant(since), refund.order)));
    }
    Ok((key, item))
}

/// Writes a new refund and lowers what its payment has left, on the condition that it has that much.
///
/// # Errors
/// [`StoreError::Rejected`] when they cannot be represented, which is a bug.
pub fn create(
    transaction: &mut Transaction,
    refund: &Refund,
    payment: &Versioned<Payment>,
) -> Result<Guard, StoreError> {
    let (key, item) = refund_item(refund, Version::FIRST)?;
    transaction.create(key, item);
    let (key, item) = payment_item(&payment.value, payment.version.next())?;
    Ok(transaction.put(key, item, has_left(payment.version, refund.amount)))
}

/// A payment that is still as it was read, and has `amount` to give back.
fn has_left(version: Version, amount: Money) -> Expression {
    Expression::at_version(version)
        .also("#state.#balance.#refundable.#amount >= :n")
        .with(":n", number(amount.minor()))
}

/// Writes a new refund of money that nobody had noted yet; its payment is written beside it.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn create_with_payment(transaction: &mut Transaction, refund: &Refund) -> Result<Guard, StoreError> {
    let (key, item) = refund_item(refund, Version::FIRST)?;
    Ok(transaction.create(key, item))
}

/// Replaces a refund that is still as it was read.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn save(transaction: &mut Transaction, refund: &Versioned<Refund>) -> Result<Guard, StoreError> {
    let (key, item) = refund_item(&refund.value, refund.version.next())?;
    Ok(transaction.replace(key, item, refund.version))
}

/// Writes a new return.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn create_return(transaction: &mut Transaction, sent_back: &Return) -> Result<Guard, StoreError> {
    let key = return_key(&sent_back.id);
    let item = encode(&key, "return", Version::FIRST, sent_back)?;
    Ok(transaction.create(key, item))
}

/// Replaces a return that is still as it was read.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn save_return(
    transaction: &mut Transaction,
    sent_back: &Versioned<Return>,
) -> Result<Guard, StoreError> {
    let key = return_key(&sent_back.value.id);
    let item = encode(&key, "return", sent_back.version.next(), &sent_back.value)?;
    Ok(transaction.replace(key, item, sent_back.version))
}

impl Store {
    /// Refunds that have waited for their provider since before `before`, the longest wait first, as order, attempt
    /// and number. Candidates only: the index may lag behind the refunds.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn undecided_refunds(
        &self,
        shard: u8,
        before: Timestamp,
        limit: u16,
    ) -> Result<Vec<(OrderId, u32, u32)>, StoreError> {
        let found = self.query(&due(format!("REFUND#{shard}"), before, limit)).await?;
        let place = |item: &Item| {
            let sk = key_part(item, "sk");
            let (attempt, number) = sk.strip_prefix("REFUND#")?.split_once('#')?;
            Some((order_of(item)?, attempt.parse().ok()?, number.parse().ok()?))
        };
        Ok(found.iter().filter_map(place).collect())
    }
}
