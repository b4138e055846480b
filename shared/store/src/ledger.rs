//! `TX#<id>` / `TX` in Ledger: transactions, written once and never changed.

use sutler_domain::ledger::LedgerTx;

use crate::{
    codec::{Version, encode, text},
    error::{Guard, StoreError},
    keys::{Key, Table},
    write::Transaction,
};

/// Posts a ledger transaction.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn post(transaction: &mut Transaction, tx: &LedgerTx) -> Result<Guard, StoreError> {
    let key = Key::new(Table::Ledger, format!("TX#{}", tx.id()), "TX");
    let mut item = encode(&key, "ledger_tx", Version::FIRST, tx)?;
    item.insert("gsi1pk".to_owned(), text(format!("ORDER#{}", tx.order())));
    item.insert("gsi1sk".to_owned(), text(tx.id().as_str()));
    Ok(transaction.create(key, item))
}
