//! `CART#<id>` / `CART`.

use sutler_domain::{
    cart::{Cart, Owner},
    ids::CartId,
};

use crate::{
    codec::{Version, Versioned, encode, number},
    error::{Guard, StoreError},
    keys::{Key, Table},
    write::{Expression, Transaction},
};

/// How long a guest's cart is kept after its last change.
const GUEST_KEPT_SECONDS: i64 = 30 * 24 * 3_600;

/// Where a cart is.
#[must_use]
pub fn cart_key(id: &CartId) -> Key {
    Key::new(Table::Commerce, format!("CART#{id}"), "CART")
}

fn item_of(cart: &Cart, version: Version) -> Result<(Key, crate::Item), StoreError> {
    let key = cart_key(&cart.id);
    let mut item = encode(&key, "cart", version, cart)?;
    if matches!(cart.owner, Owner::Guest { .. }) {
        item.insert("ttl".to_owned(), number(cart.updated_at.plus_seconds(GUEST_KEPT_SECONDS).seconds()));
    }
    Ok((key, item))
}

/// Creates a cart.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn create(transaction: &mut Transaction, cart: &Cart) -> Result<Guard, StoreError> {
    let (key, item) = item_of(cart, Version::FIRST)?;
    Ok(transaction.create(key, item))
}

/// Replaces a cart that is still as it was read; `None` when there was none.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn save(transaction: &mut Transaction, cart: &Cart, read: Option<Version>) -> Result<Guard, StoreError> {
    let Some(version) = read else { return create(transaction, cart) };
    let (key, item) = item_of(cart, version.next())?;
    Ok(transaction.replace(key, item, version))
}

/// Deletes a cart that is still as it was read.
pub fn delete(transaction: &mut Transaction, cart: &Versioned<Cart>) -> Guard {
    transaction.delete(cart_key(&cart.value.id), Expression::at_version(cart.version))
}
