//! What carriers tell of parcels. It moves shipments forwards, whatever the order in which it comes and however often.

use serde::{Deserialize, Serialize};
use sutler_domain::{
    event::{EventKind, Witness},
    ids::{OrderId, SellerId, ShipmentId},
    order::Change,
    problem::Problem,
    shipment::{CarrierNews, TrackingToken},
    time::Timestamp,
};
use sutler_gateways::carriers::Track;
use sutler_store::{
    StoreError, Transaction, events, inbox,
    orders::{self, OrderAggregate},
};

use crate::{App, Error, labels::carrier_error, refunds::complete};

/// How often a change is decided anew after losing a race.
const RACES_MAX: usize = 8;
/// How many shipments under one number a carrier's word is held against, newest first.
const SHIPMENTS_MAX: u16 = 50;

/// "Something is new about this parcel." Verified webhooks put it on the queue. With a signature it says what; otherwise
/// the provider is asked, and nothing is believed but that there is something to ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heard {
    /// Which parcel.
    pub parcel: TrackingToken,
    /// What the message is called here: the same for each delivery of it.
    pub message: String,
    /// What it says, if it is to be believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
}

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// What; nothing while it says no more than that the carrier has the parcel.
    pub news: Option<CarrierNews>,
    /// When, by the carrier's clock.
    pub at: Option<Timestamp>,
}

/// Acts on what was heard of a parcel, and answers how many shipments it moved. A number that is none of ours moves none.
///
/// # Errors
/// [`Error`] when provider or database do not answer; the message is then repeated.
pub async fn hear(app: &App, heard: &Heard) -> Result<u32, Error> {
    let shipments = app.store.tracked(&heard.parcel, SHIPMENTS_MAX).await?;
    if shipments.is_empty() {
        tracing::info!(message.id = heard.message, "Passed over a parcel that is not ours");
        return Ok(0);
    }
    let told = match heard.told {
        Some(told) => Some(told),
        None => ask(app, &heard.parcel).await?,
    };
    let Some((news, at)) = told.and_then(|told| told.news.map(|news| (news, told.at))) else { return Ok(0) };
    let mut moved = 0_u32;
    for shipment in shipments {
        let message = format!("{}/{shipment}", heard.message);
        if note(app, &shipment, &heard.parcel, (news, at), Some(&message)).await? == Change::Applied {
            moved = moved.saturating_add(1);
        }
    }
    Ok(moved)
}

async fn ask(app: &App, parcel: &TrackingToken) -> Result<Option<Told>, Error> {
    let Some(carriers) = app.forwarder.carriers() else { return Ok(None) };
    let found = carriers.track(parcel).await.map_err(carrier_error)?;
    Ok(found.map(|Track { news, at }| Told { news, at }))
}

/// Asks to be told of a shipment whose label was bought elsewhere. What is known of it already counts at once.
///
/// # Errors
/// [`Error`] when provider or database do not answer; the message is then repeated.
pub async fn follow(app: &App, order: &OrderId, seller: &SellerId, id: &ShipmentId) -> Result<Change, Error> {
    let Some(carriers) = app.forwarder.carriers() else { return Ok(Change::AlreadyApplied) };
    let aggregate = app.store.order(order).await?.ok_or(Problem::NotFound)?;
    let part = aggregate.parts.iter().find(|part| part.value.seller == *seller);
    let shipment = part.and_then(|part| part.value.shipments.iter().find(|shipment| shipment.id == *id));
    // The provider follows its own labels by itself.
    let Some(shipment) = shipment.filter(|shipment| shipment.label.is_none()) else {
        return Ok(Change::AlreadyApplied);
    };
    let parcel = shipment.tracking.token();
    let Some(Track { news, at }) = carriers.register(&parcel).await.map_err(carrier_error)? else {
        tracing::info!(shipment.id = %id, "Nobody follows {id}: its carrier or number is not known");
        return Ok(Change::AlreadyApplied);
    };
    let Some(news) = news else { return Ok(Change::AlreadyApplied) };
    note(app, id, &parcel, (news, at), None).await
}

/// Moves one shipment, if it is the parcel's, in the transaction that remembers the message.
async fn note(
    app: &App,
    id: &ShipmentId,
    parcel: &TrackingToken,
    told: (CarrierNews, Option<Timestamp>),
    message: Option<&str>,
) -> Result<Change, Error> {
    for _ in 0..RACES_MAX {
        let Some(aggregate) = app.store.order(&id.order()).await? else { return Ok(Change::AlreadyApplied) };
        let Some(mut transaction) = decide(app, aggregate, id, parcel, told)? else {
            return Ok(Change::AlreadyApplied);
        };
        let known = match message {
            Some(message) => Some(inbox::remember(&mut transaction, "tracking", message, app.now())?),
            None => None,
        };
        match app.store.transact(transaction).await {
            Ok(()) => return Ok(Change::Applied),
            Err(StoreError::Refused(refusal)) if known.is_some_and(|guard| refusal.failed(guard)) => {
                return Ok(Change::AlreadyApplied);
            }
            Err(StoreError::Refused(_)) => {
                tracing::warn!(shipment.id = %id, "Lost a race to note what a carrier told of {id}");
            }
            Err(other) => return Err(other.into()),
        }
    }
    Err(StoreError::Unavailable("too many lost races".into()).into())
}

/// What news changes; nothing when the shipment is another parcel, or the news is old.
fn decide(
    app: &App,
    mut aggregate: OrderAggregate,
    id: &ShipmentId,
    parcel: &TrackingToken,
    told: (CarrierNews, Option<Timestamp>),
) -> Result<Option<Transaction>, Error> {
    let now = app.now();
    let is_it = |part: &sutler_domain::order::Part| {
        part.shipments.iter().any(|one| one.id == *id && one.tracking.token() == *parcel)
    };
    let Some(part) = aggregate.parts.iter_mut().find(|part| is_it(&part.value)) else { return Ok(None) };
    if part.value.hear(id, told, now)? == Change::AlreadyApplied {
        return Ok(None);
    }
    let (seller, shipment) = (part.value.seller.clone(), id.clone());
    let mut transaction = Transaction::new();
    orders::save_part(&mut transaction, part)?;
    let event = match told.0 {
        CarrierNews::OutForDelivery => EventKind::OutForDelivery { seller, shipment },
        CarrierNews::Failed => EventKind::DeliveryFailed { seller, shipment, returned: false },
        CarrierNews::Returned => EventKind::DeliveryFailed { seller, shipment, returned: true },
        CarrierNews::Delivered => {
            EventKind::PartDelivered { seller, shipments: vec![shipment], by: Witness::Carrier }
        }
    };
    events::append(&mut transaction, &mut aggregate.order.value, event, now, app.ids.as_ref())?;
    if told.0 == CarrierNews::Delivered {
        complete(app, &mut transaction, &mut aggregate, now)?;
    }
    orders::save(&mut transaction, &aggregate.order)?;
    Ok(Some(transaction))
}
