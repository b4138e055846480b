//! Labels for sellers: what carriers ask for a parcel, buying, and giving back what was not used.
//!
//! The provider has no idempotency keys. So a purchase is claimed in its part before it is made, under the rate, which is
//! bought once; and when nobody knows what became of it, it is looked for before it is made again. What it costs is in
//! the books in the transaction that notes that it was bought.

mod pursuing;
mod rates;

use std::{fmt, sync::Arc};

use sutler_domain::{
    event::EventKind,
    idempotency::{Answer, Once},
    ids::{LabelId, OrderId, SellerId},
    label::{Label, LabelState, Offer, Postage},
    ledger::{Purpose, label_bought, label_voided},
    order::{Change, Part},
    problem::Problem,
};
use sutler_gateways::carriers::{CarrierError, Carriers, LabelOrder, Sale, Voided};
use sutler_store::{
    StoreError, Transaction, Versioned, events,
    orders::{self, OrderAggregate},
};

use crate::{
    App, Error,
    orders::{change, post},
};
use pursuing::{Seen, look};
pub use pursuing::{pursue, resolve_all};
pub use rates::{ParcelWish, offers};

/// How often a change is decided anew after losing a race.
const RACES_MAX: usize = 8;

/// Asks carriers for sellers, or nobody where no provider is configured.
#[derive(Clone, Default)]
pub struct Forwarder(Option<Arc<dyn Carriers>>);

impl fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Forwarder({})", self.0.as_ref().map_or("nobody", |carriers| carriers.provider()))
    }
}

impl Forwarder {
    /// Asks `carriers`; `None` leaves it to sellers to find their own.
    #[must_use]
    pub fn new(carriers: Option<Arc<dyn Carriers>>) -> Self {
        Self(carriers)
    }

    /// Whom to ask, if there is somebody.
    pub(crate) fn carriers(&self) -> Option<&dyn Carriers> {
        self.0.as_deref()
    }

    fn offered(&self) -> Result<&dyn Carriers, Problem> {
        self.carriers().ok_or(Problem::CarriersNotOffered)
    }
}

pub(crate) fn carrier_error(error: CarrierError) -> Error {
    match error {
        CarrierError::Refused { code } => Problem::CarrierRefused { code }.into(),
        CarrierError::OutcomeUnknown(source) | CarrierError::Unavailable(source) => {
            Error::Unavailable(source)
        }
        CarrierError::Rejected(source) => Error::Internal(source),
    }
}

/// What a consignment is for.
fn reference(order: &OrderId, seller: &SellerId) -> String {
    format!("{order}/{seller}")
}

fn own_part<'a>(aggregate: &'a OrderAggregate, seller: &SellerId) -> Result<&'a Part, Problem> {
    let own = aggregate.parts.iter().find(|part| part.value.seller == *seller);
    own.map(|part| &part.value).ok_or(Problem::NotFound)
}

/// Changes an order as `decide` says, and answers what that was about; decided anew after a lost race.
async fn attempt<T>(
    app: &App,
    id: &OrderId,
    decide: impl Fn(OrderAggregate) -> Result<(Transaction, T), Error>,
) -> Result<T, Error> {
    for _ in 0..RACES_MAX {
        let aggregate = app.store.order(id).await?.ok_or(Problem::NotFound)?;
        let (transaction, changed) = decide(aggregate)?;
        match app.store.transact(transaction).await {
            Ok(()) => return Ok(changed),
            Err(StoreError::Refused(_)) => {
                tracing::warn!(order.id = %id, "Lost a race about a label of {id}");
            }
            Err(other) => return Err(other.into()),
        }
    }
    Err(Problem::Conflict.into())
}

/// The place of a seller in an order, and their part in it.
fn place_of<'a>(
    aggregate: &'a mut OrderAggregate,
    seller: &SellerId,
) -> Result<(u8, &'a mut Versioned<Part>), Problem> {
    let place = aggregate.order.value.sellers.iter().position(|other| other == seller);
    let place = place.and_then(|place| u8::try_from(place).ok()).ok_or(Problem::NotFound)?;
    let own = aggregate.parts.iter_mut().find(|part| part.value.seller == *seller);
    Ok((place, own.ok_or(Problem::NotFound)?))
}

/// The part that has a label.
fn part_with<'a>(
    aggregate: &'a mut OrderAggregate,
    label: &LabelId,
) -> Result<&'a mut Versioned<Part>, Problem> {
    let found = aggregate.parts.iter_mut().find(|part| part.value.label(label).is_some());
    found.ok_or(Problem::NotFound)
}

/// Buys a label for the seller's own part. A rate is bought once: asking for it again tells what became of it.
///
/// # Errors
/// [`Problem::NotFound`] unless the part is the caller's, [`Problem::OrderState`] unless something is to be sent,
/// [`Problem::CarriersNotOffered`], [`Problem::LabelTooExpensive`], [`Problem::Invalid`] when the rate is not one of this
/// part's, or not in its currency.
pub async fn buy(
    app: &App,
    id: &OrderId,
    seller: &SellerId,
    rate: &str,
    once: &Once<Label>,
) -> Result<Answer, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(answer);
    }
    let aggregate = app.store.order(id).await?.ok_or(Problem::NotFound)?;
    let part = own_part(&aggregate, seller)?;
    let carriers = app.forwarder.offered()?;
    if let Some(known) = part.label_at(rate) {
        return pursue(app, carriers, &known.id, once).await;
    }
    let offered = carriers.offer(rate).await.map_err(carrier_error)?;
    let ours = offered.filter(|(_, about)| *about == reference(id, seller));
    let (offer, _) = ours.ok_or_else(|| Problem::field("/rate", "unknown"))?;
    let (label, is_new) = attempt(app, id, |aggregate| claim(app, aggregate, seller, &offer)).await?;
    if !is_new {
        return pursue(app, carriers, &label.id, once).await;
    }
    let outcome = purchase(carriers, &label).await;
    conclude(app, carriers, &label, outcome, once).await
}

/// Whoever writes this makes the purchase; whoever comes second only learns of it.
fn claim(
    app: &App,
    mut aggregate: OrderAggregate,
    seller: &SellerId,
    offer: &Offer,
) -> Result<(Transaction, (Label, bool)), Error> {
    let mut transaction = Transaction::new();
    let (place, part) = place_of(&mut aggregate, seller)?;
    if let Some(known) = part.value.label_at(&offer.rate) {
        return Ok((transaction, (known.clone(), false)));
    }
    let label = part.value.claim_label(place, offer, app.now())?;
    orders::save_part(&mut transaction, part)?;
    Ok((transaction, (label, true)))
}

/// How a purchase ended.
#[derive(Debug, Clone)]
enum Outcome {
    Bought(Postage),
    Failed(String),
}

fn order_of(label: &Label) -> LabelOrder {
    LabelOrder { rate: label.rate.clone(), label: label.id.clone(), carrier: label.carrier.clone() }
}

/// Makes the one call that buys a label, and looks for its effect when its answer got lost. Nothing when nobody knows.
async fn purchase(carriers: &dyn Carriers, label: &Label) -> Option<Outcome> {
    match carriers.buy(&order_of(label)).await {
        Ok(Sale::Sold(postage)) => Some(Outcome::Bought(postage)),
        Ok(Sale::Refused { code }) | Err(CarrierError::Refused { code }) => Some(Outcome::Failed(code)),
        Ok(Sale::Processing) => None,
        Err(CarrierError::Unavailable(source)) => {
            tracing::warn!(label.id = %label.id, error.source = %source, "The provider of labels is not there");
            None
        }
        Err(CarrierError::OutcomeUnknown(source)) => {
            tracing::warn!(label.id = %label.id, error.source = %source, "Nobody knows whether {} was bought", label.id);
            match look(carriers, label).await {
                Ok(Seen::Outcome(outcome)) => Some(outcome),
                Ok(Seen::Processing | Seen::Nothing) | Err(_) => None,
            }
        }
        // Our key is refused, or our words: that is for people to mend.
        Err(CarrierError::Rejected(source)) => {
            tracing::error!(
                alarm = "label_rejected", label.id = %label.id, error.source = %source,
                "The provider did not take the order for {}", label.id
            );
            Some(Outcome::Failed("rejected".to_owned()))
        }
    }
}

/// Notes how a purchase ended, together with the answer. While nobody knows, the answer says so and is not kept.
async fn conclude(
    app: &App,
    carriers: &dyn Carriers,
    label: &Label,
    outcome: Option<Outcome>,
    once: &Once<Label>,
) -> Result<Answer, Error> {
    let Some(outcome) = outcome else { return Ok((once.render)(label)) };
    let id = label.id.order();
    change(app, &id, once, |aggregate| note(app, aggregate, carriers.provider(), &label.id, &outcome)).await
}

fn note(
    app: &App,
    mut aggregate: OrderAggregate,
    provider: &str,
    id: &LabelId,
    outcome: &Outcome,
) -> Result<(Transaction, Label), Error> {
    let now = app.now();
    let mut transaction = Transaction::new();
    let part = part_with(&mut aggregate, id)?;
    let seller = part.value.seller.clone();
    let label = part.value.label_mut(id)?;
    let change = match outcome {
        Outcome::Bought(postage) => {
            if label.postage().is_some_and(|known| known.provider_id != postage.provider_id) {
                tracing::error!(alarm = "label_bought_twice", label.id = %id, "{id} was bought twice");
            }
            label.bought(postage.clone(), now)
        }
        Outcome::Failed(code) => label.failed(code.clone(), now),
    };
    let label = label.clone();
    if change == Change::AlreadyApplied {
        return Ok((transaction, label));
    }
    orders::save_part(&mut transaction, part)?;
    if let Outcome::Bought(_) = outcome {
        let legs = label_bought(provider, &seller, label.cost);
        post(app, &mut transaction, &id.order(), Purpose::Label, legs)?;
        tell(app, &mut transaction, &mut aggregate, EventKind::LabelBought { seller, label: id.clone() })?;
    }
    Ok((transaction, label))
}

fn tell(
    app: &App,
    transaction: &mut Transaction,
    aggregate: &mut OrderAggregate,
    event: EventKind,
) -> Result<(), Error> {
    events::append(transaction, &mut aggregate.order.value, event, app.now(), app.ids.as_ref())?;
    orders::save(transaction, &aggregate.order)?;
    Ok(())
}

/// Gives a label of the seller's own part back that nothing was sent with.
///
/// # Errors
/// [`Problem::NotFound`] unless the part is the caller's and has that label, [`Problem::OrderState`] unless it was
/// bought, [`Problem::InUse`] when something was sent with it, [`Problem::CarriersNotOffered`].
pub async fn void(
    app: &App,
    id: &LabelId,
    (order, seller): (&OrderId, &SellerId),
    once: &Once<Label>,
) -> Result<Answer, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(answer);
    }
    let carriers = app.forwarder.offered()?;
    let (label, is_new) = attempt(app, order, |mut aggregate| {
        let mut transaction = Transaction::new();
        let (_, part) = place_of(&mut aggregate, seller)?;
        let is_new = part.value.void_label(id, app.now())? == Change::Applied;
        if is_new {
            orders::save_part(&mut transaction, part)?;
        }
        Ok((transaction, (part.value.label_mut(id)?.clone(), is_new)))
    })
    .await?;
    if !is_new {
        return Ok((once.render)(&label));
    }
    take_back(app, carriers, &label, once).await
}

/// Asks the provider to take a label back, and notes what it says.
async fn take_back(
    app: &App,
    carriers: &dyn Carriers,
    label: &Label,
    once: &Once<Label>,
) -> Result<Answer, Error> {
    let LabelState::Voiding { postage, .. } = &label.state else { return Ok((once.render)(label)) };
    let standing = match carriers.void(&postage.provider_id).await {
        Ok(standing) => standing,
        Err(error) => {
            tracing::warn!(label.id = %label.id, error.source = %error, "{} could not be given back yet", label.id);
            Voided::Pending
        }
    };
    if standing == Voided::Pending {
        return Ok((once.render)(label));
    }
    change(app, &label.id.order(), once, |mut aggregate| {
        let now = app.now();
        let mut transaction = Transaction::new();
        let part = part_with(&mut aggregate, &label.id)?;
        let seller = part.value.seller.clone();
        let found = part.value.label_mut(&label.id)?;
        let change = if standing == Voided::Done { found.voided(now) } else { found.kept(now) };
        let found = found.clone();
        if change == Change::AlreadyApplied {
            return Ok((transaction, found));
        }
        orders::save_part(&mut transaction, part)?;
        if standing == Voided::Done {
            let legs = label_voided(carriers.provider(), &seller, found.cost);
            post(app, &mut transaction, &found.id.order(), Purpose::LabelVoided, legs)?;
            let event = EventKind::LabelVoided { seller, label: found.id.clone() };
            tell(app, &mut transaction, &mut aggregate, event)?;
        }
        Ok((transaction, found))
    })
    .await
}
