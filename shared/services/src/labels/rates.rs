//! What carriers ask for a parcel.

use sutler_domain::{
    address::Address,
    ids::{AddressId, OrderId, SellerId, UserId},
    label::{Offer, Parcel},
    order::Units,
    problem::Problem,
    product::Variant,
};
use sutler_gateways::carriers::Consignment;
use sutler_store::{
    Key, Versioned,
    catalog::variant_key,
    codec::decode,
    users::{AddressEntry, User, address_key, user_key},
};

use super::{carrier_error, own_part, reference};
use crate::{App, Error};

/// A parcel that a seller wants to send.
#[derive(Debug, Clone)]
pub struct ParcelWish {
    /// Where it is picked up: an entry of the seller's address book, the default one when none is named.
    pub from: Option<AddressId>,
    /// Its weight; that of all that is still to be sent when it is not given.
    pub weight_g: Option<u32>,
    /// Length, width and height.
    pub sides_mm: [u32; 3],
}

/// What carriers ask to take a parcel of the seller's own part to its buyer. Nothing is written.
///
/// # Errors
/// [`Problem::NotFound`] unless the part is the caller's, [`Problem::OrderState`] unless something is to be sent,
/// [`Problem::CarriersNotOffered`], [`Problem::CarrierRefused`], [`Problem::Invalid`] naming what cannot be sent.
pub async fn offers(
    app: &App,
    id: &OrderId,
    caller: &UserId,
    wish: &ParcelWish,
) -> Result<Vec<Offer>, Error> {
    let seller = SellerId::of_user(caller);
    let aggregate = app.store.order(id).await?.ok_or(Problem::NotFound)?;
    let part = own_part(&aggregate, &seller)?;
    let carriers = app.forwarder.offered()?;
    part.needs_open()?;
    let from = ship_from(app, caller, wish.from.as_ref()).await?;
    let weight_g = match wish.weight_g {
        Some(weight_g) => weight_g,
        None => weight_of(app, &part.open_units()).await?,
    };
    let consignment = Consignment {
        from,
        to: aggregate.order.value.address.clone(),
        parcel: Parcel::try_new(weight_g, wish.sides_mm)?,
        reference: reference(id, &seller),
        currency: aggregate.order.value.totals.total.currency(),
    };
    carriers.offers(&consignment).await.map_err(carrier_error)
}

/// The address that a seller sends from.
async fn ship_from(app: &App, caller: &UserId, named: Option<&AddressId>) -> Result<Address, Error> {
    let entry = if let Some(named) = named {
        named.clone()
    } else {
        let user = app.store.get(&user_key(caller)).await?.ok_or(Problem::Unauthenticated)?;
        let default = decode::<User>(&user)?.value.default_address;
        default.ok_or_else(|| Problem::field("from", "missing"))?
    };
    let found = app.store.get(&address_key(caller, &entry)).await?;
    let found = found.ok_or_else(|| Problem::field("from", "unknown"))?;
    Ok(decode::<AddressEntry>(&found)?.value.address)
}

/// What units weigh, by what their variants weigh today.
async fn weight_of(app: &App, units: &[Units]) -> Result<u32, Error> {
    let keys: Vec<Key> = units.iter().map(|units| variant_key(&units.variant)).collect();
    let items = app.store.get_many(&keys).await?;
    let mut weight_g = 0_u32;
    for (units, item) in units.iter().zip(items) {
        let variant: Option<Versioned<Variant>> = item.as_ref().map(decode).transpose()?;
        let each = variant.map_or(0, |variant| variant.value.weight_g);
        weight_g = weight_g.saturating_add(each.saturating_mul(units.quantity));
        if each == 0 {
            // Nobody has said what it weighs, or it is gone.
            return Err(Problem::field("weight_g", "missing").into());
        }
    }
    Ok(weight_g)
}
