//! `RULES` / `RULES` in Commerce: how this marketplace makes prices, as staff decide it.

use sutler_domain::quote::Rules;

use crate::{
    codec::{Version, encode},
    error::{Guard, StoreError},
    keys::{Key, Table},
    write::Transaction,
};

/// Where the rules are.
#[must_use]
pub fn rules_key() -> Key {
    Key::new(Table::Commerce, "RULES", "RULES")
}

/// Replaces the rules that are still at `expected`, of which none stands for rules that were never written.
///
/// # Errors
/// [`StoreError::Rejected`] when they cannot be represented, which is a bug.
pub fn save(transaction: &mut Transaction, rules: &Rules, expected: Version) -> Result<Guard, StoreError> {
    let item = encode(&rules_key(), "rules", expected.next(), rules)?;
    Ok(transaction.replace_or_create(rules_key(), item, expected))
}
