//! `TRACKING#<carrier>#<number>` / `<shipment>`: the shipments that a carrier's word may be about. Anybody may name any
//! number, so one may lead to several. They are candidates only: the shipment in its part decides.
//!
//! Parts with labels that wait for their provider are in the index `by_due`; see `orders.rs`.

use serde::{Deserialize, Serialize};
use sutler_domain::{
    ids::{OrderId, SellerId, ShipmentId},
    shipment::{Shipment, TrackingToken},
    time::Timestamp,
};

use crate::{
    codec::{Version, decode, encode},
    db::{Query, Range, Store, key_part},
    error::{Guard, StoreError},
    keys::{Key, Table},
    orders::{due, order_of},
    write::Transaction,
};

#[derive(Serialize, Deserialize)]
struct Tracked {
    shipment: ShipmentId,
}

fn tracking_partition(token: &TrackingToken) -> String {
    // A carrier's token has no `#`, so two of these are never the same by accident.
    format!("TRACKING#{}#{}", token.carrier, token.number)
}

/// Lets a carrier's word lead to a shipment that is being sent.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn track(transaction: &mut Transaction, shipment: &Shipment) -> Result<Guard, StoreError> {
    let pk = tracking_partition(&shipment.tracking.token());
    let key = Key::new(Table::Commerce, pk, shipment.id.as_str());
    let item = encode(&key, "tracking", Version::FIRST, &Tracked { shipment: shipment.id.clone() })?;
    Ok(transaction.create(key, item))
}

impl Store {
    /// The newest shipments that were sent under this number. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer or an item does not read.
    pub async fn tracked(&self, token: &TrackingToken, limit: u16) -> Result<Vec<ShipmentId>, StoreError> {
        let query = Query {
            table: Table::Commerce,
            index: None,
            pk: tracking_partition(token),
            range: Range::All,
            descending: true,
            limit: i32::from(limit),
            consistent: true,
        };
        let items = self.query(&query).await?;
        items.iter().map(|item| decode::<Tracked>(item).map(|read| read.value.shipment)).collect()
    }

    /// Parts with labels that their provider is to be asked about since before `now`, the longest wait first.
    /// Candidates only: the index may lag behind the parts.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn undecided_labels(
        &self,
        shard: u8,
        now: Timestamp,
        limit: u16,
    ) -> Result<Vec<(OrderId, SellerId)>, StoreError> {
        let found = self.query(&due(format!("LABEL#{shard}"), now, limit)).await?;
        let seller = |item: &_| SellerId::parse(key_part(item, "sk").strip_prefix("SELLER#")?).ok();
        Ok(found.iter().filter_map(|item| Some((order_of(item)?, seller(item)?))).collect())
    }
}
