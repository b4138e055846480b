//! Back in stock: who waits for a variant that is sold out is next in line for what comes back. One unit is held for
//! them for a quarter of an hour; what they do not order goes to whoever comes after them.

use sutler_domain::{
    alert::{Alert, AlertState, Alerts},
    event::EventKind,
    idempotency::{Answer, Once},
    ids::{AlertId, SellerId, UserId, VariantId},
    order::Change,
    problem::Problem,
    product::{Variant, in_words},
    shards::{FIRST_SHARD, choose},
    stock::StockOp,
    time::Timestamp,
};
use sutler_store::{
    StoreError, Transaction, Versioned,
    alerts::{self, Place},
    events,
    flash_sales::{allowance_key, bought},
    orders::DUE_SHARDS,
    stock::ShardedStock,
};

use crate::{App, Error, stock_imports::Pass};

/// How often something is decided anew after losing a race.
const RACES_MAX: u32 = 8;
/// How many people in line are looked at a time.
const LINE_AT_ONCE: u16 = 25;

/// Joins the line for a variant of which nothing is free. Who is in it already stays where they are.
///
/// # Errors
/// [`Problem::NotFound`], [`Problem::NotForSale`], [`Problem::OwnGoods`], [`Problem::InStock`] while there is any,
/// [`Problem::BuyerLimit`] for who has all that one buyer may, [`Problem::LimitReached`].
pub async fn join(
    app: &App,
    user: &UserId,
    variant: &VariantId,
    once: &Once<Alert>,
) -> Result<Answer, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(answer);
    }
    for _ in 0..RACES_MAX {
        let (mut alerts, listed, stock) = tokio::try_join!(
            app.store.alerts(user),
            app.store.variant(variant),
            app.store.shards_of(variant)
        )?;
        let (listed, stock) = listed.zip(stock).ok_or(Problem::NotFound)?;
        if alerts.value.find(variant).is_some_and(|alert| alert.has_lapsed(app.now())) {
            release(app, user).await?;
            continue;
        }
        let mut transaction = Transaction::new();
        if alerts.value.find(variant).is_none() {
            refuse(app, user, &listed.value, &stock).await?;
            let id = AlertId::generate(app.ids.as_ref(), app.now());
            let title = in_words(&listed.value.title, &listed.value.options);
            let alert = Alert::new(id, variant.clone(), title);
            if alerts.value.join(alert.clone())? == Change::Applied {
                alerts::save(&mut transaction, &alerts.value, alerts.version)?;
                alerts::join(&mut transaction, user, &alert, &stock)?;
            }
        }
        let alert = alerts.value.find(variant).ok_or(Problem::NotFound)?;
        match app.store.commit(transaction, once, alert).await {
            Err(StoreError::Refused(_)) => {}
            outcome => return Ok(outcome?),
        }
    }
    Err(Problem::Conflict.into())
}

/// Whoever cannot order it, or can do so now, does not have to wait.
async fn refuse(app: &App, user: &UserId, variant: &Variant, stock: &ShardedStock) -> Result<(), Error> {
    if !variant.is_active() {
        return Err(Problem::NotForSale { variant: variant.id.clone() }.into());
    }
    if variant.seller == SellerId::of_user(user) {
        return Err(Problem::OwnGoods.into());
    }
    if stock.available().iter().any(|free| *free > 0) {
        return Err(Problem::InStock { variant: variant.id.clone() }.into());
    }
    let Some(limit) = stock.sale().limit() else { return Ok(()) };
    let item = app.store.get(&allowance_key(&variant.id, user, limit.round)).await?;
    match bought(item.as_ref())? {
        bought if bought < limit.max => Ok(()),
        bought => Err(Problem::BuyerLimit { variant: variant.id.clone(), limit: limit.max, bought }.into()),
    }
}

/// Gives a wish up: a place in line, or what is held. Who waits for nothing has nothing to give up.
///
/// # Errors
/// [`Error`] when the database does not answer, or after too many lost races.
pub async fn leave(app: &App, user: &UserId, variant: &VariantId, once: &Once<()>) -> Result<Answer, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(answer);
    }
    for _ in 0..RACES_MAX {
        let mut alerts = app.store.alerts(user).await?;
        let mut transaction = Transaction::new();
        if let Some(alert) = alerts.value.leave(variant) {
            match alert.state {
                AlertState::Waiting => alerts::leave(&mut transaction, variant, &alert.id),
                AlertState::Held { shard, .. } => {
                    alerts::move_one(&mut transaction, StockOp::Release, &alert, shard)
                }
            };
            alerts::save(&mut transaction, &alerts.value, alerts.version)?;
        }
        match app.store.commit(transaction, once, &()).await {
            Err(StoreError::Refused(_)) => {}
            outcome => return Ok(outcome?),
        }
    }
    Err(Problem::Conflict.into())
}

/// What a user waits for, or can order now.
///
/// # Errors
/// [`Error`] when the database does not answer.
pub async fn list(app: &App, user: &UserId) -> Result<Vec<Alert>, Error> {
    let Versioned { value: Alerts { mut alerts, .. }, .. } = app.store.alerts(user).await?;
    alerts.retain(|alert| !alert.has_lapsed(app.now()));
    Ok(alerts)
}

/// Holds what is free of a variant for those who wait for it, whoever joined first before all others, until a time.
///
/// # Errors
/// [`Error`] when the database does not answer. What was held stays held; another run goes on with who is next.
pub async fn hold_for_next(app: &App, variant: &VariantId, until: Timestamp) -> Result<Pass, Error> {
    let mut races = 0_u32;
    while races < RACES_MAX {
        let line = app.store.next_in_line(variant, LINE_AT_ONCE).await?;
        if line.is_empty() {
            return Ok(Pass::Ended);
        }
        let (listed, stock) = tokio::try_join!(app.store.variant(variant), app.store.shards_of(variant))?;
        let is_for_sale = listed.is_some_and(|listed| listed.value.is_active());
        let free = stock.map(|stock| stock.available()).unwrap_or_default();
        if !is_for_sale || free.iter().all(|free| *free == 0) {
            return Ok(Pass::Ended);
        }
        if app.now() >= until {
            return Ok(Pass::Unfinished);
        }
        let held = hold_in_line(app, line, free).await?;
        races = if held > 0 { 0 } else { races.saturating_add(1) };
    }
    Err(Problem::Conflict.into())
}

/// Holds a unit each for as many as there are units for, and says for how many. It ends at the first who cannot have
/// one as things were read, so that nobody comes before them.
async fn hold_in_line(
    app: &App,
    line: Vec<(Place, Versioned<Alerts>)>,
    mut free: Vec<u32>,
) -> Result<u32, Error> {
    let mut held = 0_u32;
    for (place, alerts) in line {
        let piece = choose(&free, FIRST_SHARD, 1).and_then(|pieces| pieces.into_iter().next());
        let Some(piece) = piece else { break };
        if !hold(app, &place, alerts, piece.shard).await? {
            break;
        }
        held = held.saturating_add(1);
        if let Some(left) = free.get_mut(usize::from(piece.shard)) {
            *left = left.saturating_sub(1);
        }
    }
    Ok(held)
}

/// One step: the unit is held, its user is out of the line, and is told. `false` when any of that is not as it was read.
async fn hold(app: &App, place: &Place, alerts: Versioned<Alerts>, shard: u8) -> Result<bool, Error> {
    let (now, mut after) = (app.now(), alerts.value);
    let Some(expires_at) = after.hold(&place.alert, shard, now) else { return Ok(false) };
    let Some(alert) = after.find(&place.variant) else { return Ok(false) };
    let (user, variant) = (place.user.clone(), place.variant.clone());
    let mut transaction = Transaction::new();
    alerts::move_one(&mut transaction, StockOp::Reserve, alert, shard);
    alerts::leave(&mut transaction, &variant, &place.alert);
    alerts::save(&mut transaction, &after, alerts.version)?;
    let event = EventKind::AlertHeld { user: user.clone(), alert: place.alert.clone(), variant, expires_at };
    events::append_for_user(&mut transaction, &user, event, now, app.ids.as_ref())?;
    match app.store.transact(transaction).await {
        Ok(()) => {
            tracing::info!(alert.id = %place.alert, "Holding {} for {user}", place.variant);
            Ok(true)
        }
        Err(StoreError::Refused(_)) => Ok(false),
        Err(other) => Err(other.into()),
    }
}

/// Releases what a user did not order in time. It is free again, which leads to whoever is next.
async fn release(app: &App, user: &UserId) -> Result<u32, Error> {
    let Versioned { value: mut alerts, version } = app.store.alerts(user).await?;
    let mut transaction = Transaction::new();
    let lapsed = alerts.lapse(app.now());
    for alert in &lapsed {
        if let AlertState::Held { shard, .. } = alert.state {
            alerts::move_one(&mut transaction, StockOp::Release, alert, shard);
        }
    }
    if lapsed.is_empty() {
        return Ok(0);
    }
    alerts::save(&mut transaction, &alerts, version)?;
    match app.store.transact(transaction).await {
        Ok(()) => Ok(u32::try_from(lapsed.len()).unwrap_or(u32::MAX)),
        // Something changed for this user meanwhile. The next sweep looks again if it has to.
        Err(StoreError::Refused(_)) => Ok(0),
        Err(other) => Err(other.into()),
    }
}

/// Releases a bounded number of units that were held and not ordered in time. One that cannot be released does not keep
/// the others from it.
///
/// # Errors
/// The first failure, after all the others were tried; what was released stays released.
pub async fn sweep(app: &App) -> Result<u32, Error> {
    /// How many users of a partition one sweep looks at; the next sweep goes on.
    const PER_SHARD_MAX: u16 = 200;
    let (mut released, mut failure) = (0_u32, None);
    for shard in 0..DUE_SHARDS {
        for user in app.store.lapsed_holds(shard, app.now(), PER_SHARD_MAX).await? {
            match release(app, &user).await {
                Ok(units) => released = released.saturating_add(units),
                Err(error) => {
                    tracing::error!(user.id = %user, "What is held for {user} could not be released");
                    failure.get_or_insert(error);
                }
            }
        }
    }
    failure.map_or(Ok(released), Err)
}
