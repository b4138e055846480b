//! `SELLER#<sel>` / `SHIPPING` in Identity: how a shop sends things.

use sutler_domain::{ids::SellerId, shipping::ShippingProfile};

use crate::{
    codec::{Version, encode},
    error::{Guard, StoreError},
    keys::{Key, Table},
    users::seller_key,
    write::{Expression, Transaction},
};

/// Where it is said how `seller` sends things.
#[must_use]
pub fn shipping_key(seller: &SellerId) -> Key {
    Key::new(Table::Identity, format!("SELLER#{seller}"), "SHIPPING")
}

/// The writes of a shipping profile whose conditions a caller is told about.
#[derive(Debug, Clone, Copy)]
pub struct ShippingGuards {
    /// Fails when there is no such shop.
    pub shop: Guard,
    /// Fails when the profile is not at the expected version.
    pub profile: Guard,
}

/// Replaces the shipping profile of a shop that is still at `expected`, or creates it.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn save_shipping(
    transaction: &mut Transaction,
    seller: &SellerId,
    profile: &ShippingProfile,
    expected: Version,
) -> Result<ShippingGuards, StoreError> {
    let key = shipping_key(seller);
    let item = encode(&key, "shipping", expected.next(), profile)?;
    let exists = Expression::when("attribute_exists(#pk)");
    Ok(ShippingGuards {
        shop: transaction.check(seller_key(seller), exists),
        profile: transaction.replace_or_create(key, item, expected),
    })
}
