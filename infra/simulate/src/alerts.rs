//! Waiting in a history: who wants what is sold out, what is held for them, and what every change of that must obey.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sutler_domain::{
    alert::{Alert, AlertState, Alerts},
    event::EventKind,
    idempotency::Answer,
    ids::{AlertId, UserId, VariantId},
};
use sutler_runtime::{Handled, worker::QueueMessage};
use sutler_services::alerts;
use sutler_store::alerts::Place;
use workers::hold_for_next::{self, Holds};

use crate::{
    books::Books,
    cast::order_one,
    lock,
    world::{Buyer, World},
};

fn ok<T>(_: &T) -> Answer {
    Answer { status: 200, body: String::new() }
}

/// Who waits, as the streams told so far.
#[derive(Debug, Default)]
pub struct Lines {
    users: BTreeMap<UserId, Alerts>,
    places: BTreeMap<AlertId, VariantId>,
    /// Every wish for which something was ever held.
    held: BTreeSet<AlertId>,
    /// Those of them that were told to their users.
    told: BTreeSet<AlertId>,
}

impl Lines {
    /// Enters what a user waits for.
    pub fn enter(&mut self, alerts: &Alerts, wrong: &mut Vec<String>) {
        let before = self.users.insert(alerts.user.clone(), alerts.clone());
        let before = before.map_or_else(Vec::new, |before| before.alerts);
        for alert in &alerts.alerts {
            let old = before.iter().find(|old| old.id == alert.id).map(|old| &old.state);
            let allowed = match (old, &alert.state) {
                (None, AlertState::Waiting) => true,
                (Some(AlertState::Waiting), AlertState::Held { .. }) => self.held.insert(alert.id.clone()),
                (Some(old), new) => old == new,
                (None, AlertState::Held { .. }) => false,
            };
            if !allowed {
                wrong.push(format!("{} went from {old:?} to {:?}", alert.id, alert.state));
            }
            if alerts.alerts.iter().filter(|other| other.variant == alert.variant).count() > 1 {
                wrong.push(format!("{} waits for {} more than once", alerts.user, alert.variant));
            }
        }
    }

    /// Enters a new place in a line.
    pub fn enter_place(&mut self, place: Place) {
        self.places.insert(place.alert, place.variant);
    }

    /// Somebody is out of a line.
    pub fn leave(&mut self, place: &Place) {
        self.places.remove(&place.alert);
    }

    /// Enters what somebody was told.
    pub fn enter_event(&mut self, event: &EventKind, wrong: &mut Vec<String>) {
        if let EventKind::AlertHeld { alert, .. } = event
            && !self.told.insert(alert.clone())
        {
            wrong.push(format!("{alert} was told twice that something is held"));
        }
    }

    /// What is held for somebody now, or was and is not released yet.
    fn holds(&self) -> Vec<(UserId, Alert)> {
        let of = |alerts: &Alerts| {
            let held = alerts.alerts.iter().filter(|alert| alert.expires_at().is_some()).cloned();
            held.map(|alert| (alerts.user.clone(), alert)).collect::<Vec<_>>()
        };
        self.users.values().flat_map(of).collect()
    }
}

/// Everything has come to rest: nobody waits for what is there, and everybody was told once of what was held.
pub fn check(world: &World, books: &Books) {
    let lines = &books.lines;
    for variant in lines.places.values().collect::<BTreeSet<_>>() {
        let free: u32 = books
            .stocks
            .values()
            .filter(|stock| stock.variant == *variant)
            .map(|stock| stock.available)
            .sum();
        if free > 0 {
            world.notes.accuse(format!("somebody waits for {variant}, and {free} are free"));
        }
    }
    if lines.held != lines.told {
        let (held, told) = (lines.held.len(), lines.told.len());
        world.notes.accuse(format!("something was held for {held} wishes, and {told} were told"));
    }
}

/// A buyer with an account; guests have none to wait with.
fn waiter(world: &World, at: usize) -> Option<&Buyer> {
    let guest = world.account.as_ref().and_then(|_| world.buyers.len().checked_sub(1));
    world.buyers.get(at).filter(|_| guest != Some(at))
}

/// Somebody wants what is sold out, as a rule.
pub async fn join(world: Arc<World>, at: usize) {
    let Some(buyer) = waiter(&world, at) else { return };
    let any = world.chance.happens(150);
    let wanted: Vec<VariantId> = {
        let books = lock(&world.books);
        let free = |variant: &VariantId| {
            books.stocks.values().any(|stock| stock.variant == *variant && stock.available > 0)
        };
        let goods = world.goods.iter().map(|good| good.variant.clone());
        goods.filter(|variant| any || !free(variant)).collect()
    };
    let Some(variant) = world.chance.pick(&wanted) else { return };
    let key = world.chance.happens(500).then(|| format!("k{}", world.number()));
    let once = world.once::<Alert>(buyer.user.as_str(), "create_alert", key.as_deref(), "", ok);
    let joined = alerts::join(&world.app, &buyer.user, variant, &once).await;
    world.ended(&format!("buyer{at} waits for {variant}"), &joined);
}

/// Somebody does not want to wait any more.
pub async fn leave(world: Arc<World>, at: usize) {
    let Some(buyer) = waiter(&world, at) else { return };
    let own = lock(&world.books).lines.users.get(&buyer.user).cloned();
    let Some(alert) = own.and_then(|own| world.chance.pick(&own.alerts).cloned()) else { return };
    let key = world.chance.happens(500).then(|| format!("k{}", world.number()));
    let once = world.once::<()>(buyer.user.as_str(), "delete_alert", key.as_deref(), "", ok);
    let left = alerts::leave(&world.app, &buyer.user, &alert.variant, &once).await;
    world.ended(&format!("buyer{at} gives {} up", alert.id), &left);
}

/// Somebody orders what is held for them, and perhaps a little more.
pub async fn order(world: Arc<World>) {
    let holds = lock(&world.books).lines.holds();
    let Some((user, alert)) = world.chance.pick(&holds) else { return };
    if let Some(at) = world.buyers.iter().position(|buyer| buyer.user == *user) {
        order_one(&world, at, &alert.variant).await;
    }
}

/// A worker hears that something is back in stock.
pub async fn hear(world: &World, message: QueueMessage) -> Handled {
    let holds = Holds { app: world.app.clone(), queue: world.queue.clone() };
    hold_for_next::handle(&holds, message).await
}
