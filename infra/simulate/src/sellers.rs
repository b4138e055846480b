//! What sellers do: ship, and keep their stock in order.

use std::sync::Arc;

use sutler_domain::{
    idempotency::Answer,
    ids::{OrderId, SellerId, VariantId},
    money::Money,
    order::{Part, PartState, Progress, Units},
    shipment::Tracking,
};
use sutler_services::{
    flash_sales::{self, TermsSet},
    inventory::{self, Adjustment, Count},
    shipping::{self, NewShipment, SentBy},
};
use sutler_store::{Transaction, catalog::variant_key, codec::encode};

use crate::{
    cast::part,
    lock,
    world::{Correction, Failure, World, terms},
};

/// How the reason of an absolute count begins, before the count.
pub const RECOUNT: &str = "counted ";

fn ok<T>(_: &T) -> Answer {
    Answer { status: 200, body: String::new() }
}

/// Some seller ships something, sometimes of an order that has nothing of theirs.
pub async fn ship(world: Arc<World>) {
    let to_send = |state: &PartState| matches!(state, PartState::AwaitingShipment | PartState::PartlyShipped);
    let Some((part, _)) = part(&world, to_send) else { return };
    let stranger = world.chance.happens(60).then(|| world.chance.pick(&world.goods)).flatten();
    let seller = stranger.map_or_else(|| part.seller.clone(), |good| good.seller.clone());
    let lines =
        world.chance.happens(400).then(|| crate::back::some_of(&world, &part, Progress::open)).flatten();
    // Carriers use numbers again, and sellers mistype them.
    let number = match world.chance.below(20) {
        0 => "1".to_owned(),
        1..16 => part.order.to_string(),
        _ => world.number().to_string(),
    };
    hand_over(&world, &part.order, &seller, lines, &number).await;
}

/// A seller hands over all that is left of what is theirs of an order.
pub async fn ship_as(world: &World, order: &OrderId, seller: &SellerId) {
    let number = format!("last {}", world.number());
    hand_over(world, order, seller, None, &number).await;
}

async fn hand_over(
    world: &World,
    order: &OrderId,
    seller: &SellerId,
    lines: Option<Vec<Units>>,
    number: &str,
) {
    let Ok(tracking) = Tracking::parse("dhl", number) else { return };
    let key = world.chance.happens(500).then(|| format!("ship {order} {number}"));
    let body = format!("{number} {lines:?}");
    let once = world.once::<Part>(seller.as_str(), "ship_part", key.as_deref(), &body, ok);
    let parcel = NewShipment { by: SentBy::Own(tracking), lines };
    let shipped = shipping::ship(&world.app, order, seller, &parcel, &once).await;
    world.ended(&format!("{seller} ships {order}"), &shipped);
    let owns = lock(&world.books).parts.contains_key(&(order.clone(), seller.clone()));
    if shipped.is_ok() && !owns {
        world.notes.accuse(format!("{seller} shipped of {order}, which has no part of theirs"));
    }
}

/// A seller corrects by how many units there are more or fewer.
pub async fn correct(world: Arc<World>) {
    let (Some(good), number) = (world.chance.pick(&world.goods), world.number()) else { return };
    let stranger = world.chance.happens(100).then(|| world.chance.pick(&world.goods)).flatten();
    let delta = match world.chance.below(20) {
        0 => 1_000_000_000,
        1..10 => i64::from(world.chance.up_to(4)).saturating_neg(),
        _ => i64::from(world.chance.up_to(4)),
    };
    let correction = Correction {
        seller: stranger.unwrap_or(good).seller.clone(),
        variant: good.variant.clone(),
        delta,
        reason: format!("count {number}"),
        key: world.chance.happens(700).then(|| format!("k{number}")),
    };
    lock(&world.memory).corrections.push(correction.clone());
    make(&world, &correction).await;
}

/// A seller repeats a correction under its key.
pub async fn correct_again(world: Arc<World>) {
    let keyed: Vec<Correction> =
        lock(&world.memory).corrections.iter().filter(|made| made.key.is_some()).cloned().collect();
    if let Some(correction) = world.chance.pick(&keyed) {
        make(&world, correction).await;
    }
}

async fn make(world: &World, correction: &Correction) {
    let Correction { seller, variant, delta, reason, key } = correction;
    let once = world.once::<Adjustment>(seller.as_str(), "adjust_stock", key.as_deref(), reason, ok);
    let made = inventory::adjust(&world.app, seller, variant, Count::Delta(*delta), reason, &once).await;
    let what = format!("{seller} corrects {variant} by {delta} ({reason}) under {key:?}");
    world.ended(&what, &made);
    let owner = world.goods.iter().find(|good| good.variant == *variant).map(|good| &good.seller);
    if made.is_ok() && owner != Some(seller) {
        world.notes.accuse(format!("{what}, which is not theirs"));
    }
}

/// The seller counts what is on the shelf; the difference is known to the database alone.
pub async fn recount(world: Arc<World>) {
    let (Some(good), number) = (world.chance.pick(&world.goods), world.number()) else { return };
    let count = world.chance.up_to(8);
    let reason = format!("{RECOUNT}{count} the {number}th time");
    let key = world.chance.happens(700).then(|| format!("k{number}"));
    let once = world.once::<Adjustment>(good.seller.as_str(), "adjust_stock", key.as_deref(), &reason, ok);
    let on_hand = Count::OnHand(count);
    let made = inventory::adjust(&world.app, &good.seller, &good.variant, on_hand, &reason, &once).await;
    world.ended(&format!("{} counts {count} of {} ({reason})", good.seller, good.variant), &made);
}

/// A seller spreads something, or gathers it again, and limits how many a buyer may have.
pub async fn set_flash_sale(world: Arc<World>) {
    let (Some(good), number) = (world.chance.pick(&world.goods), world.number()) else { return };
    let stranger = world.chance.happens(60).then(|| world.chance.pick(&world.goods)).flatten();
    let seller = &stranger.unwrap_or(good).seller;
    let terms = terms(&world.chance);
    let key = world.chance.happens(700).then(|| format!("k{number}"));
    let body = format!("{terms:?}");
    let once = world.once::<TermsSet>(seller.as_str(), "set_flash_sale", key.as_deref(), &body, ok);
    let set = flash_sales::set(&world.app, seller, &good.variant, terms, &once).await;
    let what = format!("{seller} sells {} by {body}", good.variant);
    world.ended(&what, &set);
    if set.is_ok() && *seller != good.seller {
        world.notes.accuse(format!("{what}, which is not theirs"));
    }
}

/// A price changes, and with it every quote that was seen.
pub async fn change_price(world: Arc<World>) {
    let Some(good) = world.chance.pick(&world.goods) else { return };
    let changed = new_price(&world, &good.variant).await;
    world.notes.say(&format!("the price of {} changes: {}", good.variant, changed.is_ok()));
}

async fn new_price(world: &World, id: &VariantId) -> Result<(), Failure> {
    let mut read = world.app.store.variant(id).await?.ok_or("no such variant")?;
    let variant = &mut read.value;
    let minor = world.chance.between(1, 5_000);
    variant.price = Money::try_new(minor, variant.price.currency())?;
    let key = variant_key(id);
    let item = encode(&key, "variant", read.version.next(), &read.value)?;
    let mut transaction = Transaction::new();
    transaction.replace(key, item, read.version);
    Ok(world.app.store.transact(transaction).await?)
}
