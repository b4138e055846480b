//! A provider of labels that remembers every one it sold, and where every parcel is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use sutler_domain::{
    ids::LabelId,
    label::{Offer, Postage},
    money::{Currency, Money},
    shipment::{CarrierNews, Tracking, TrackingToken},
    time::{Clock, Timestamp},
};
use sutler_gateways::{
    BoxError,
    carriers::{CarrierError, Carriers, Consignment, LabelOrder, Sale, Track, Voided},
};
use sutler_testkit::FakeClock;

use crate::{
    chance::Chance,
    lock,
    mutations::{CarrierBug, Mutation},
    notes::Notes,
    wire::Weather,
};

/// What a call led to that was to buy a label.
#[derive(Debug, Clone)]
pub struct Purchase {
    /// For which label of ours.
    pub label: LabelId,
    /// What it costs.
    pub cost: Money,
    /// What became of it.
    pub sale: Sale,
    /// Whether it was given back, once that was asked.
    pub given_back: Option<Voided>,
}

/// A parcel as its carrier has it.
#[derive(Debug, Clone, Copy)]
pub struct Parcel {
    /// The last thing that happened to it.
    pub news: CarrierNews,
    /// When.
    pub at: Timestamp,
}

/// A provider called `shippo`. Clones share everything.
#[derive(Clone)]
pub struct Depot {
    state: Arc<Mutex<State>>,
    chance: Chance,
    notes: Notes,
    weather: Weather,
    clock: FakeClock,
    bug: Option<CarrierBug>,
}

#[derive(Default)]
struct State {
    offers: BTreeMap<String, (Offer, String)>,
    purchases: BTreeMap<String, Purchase>,
    parcels: BTreeMap<(String, String), Parcel>,
    /// Numbers whose parcel had news already when we asked to be told of it.
    told_at_once: BTreeSet<(String, String)>,
    numbers: u64,
}

impl State {
    fn number(&mut self) -> u64 {
        self.numbers = self.numbers.saturating_add(1);
        self.numbers
    }

    fn track(&self, parcel: &TrackingToken) -> Track {
        let known = self.parcels.get(&name_of(parcel));
        Track { news: known.map(|known| known.news), at: known.map(|known| known.at) }
    }
}

fn name_of(parcel: &TrackingToken) -> (String, String) {
    (parcel.carrier.clone(), parcel.number.clone())
}

impl Depot {
    /// A provider in this weather, with the planted bug if it is one of its callers'.
    #[must_use]
    pub fn new(
        (chance, notes, weather): (Chance, Notes, Weather),
        clock: FakeClock,
        mutation: Option<&'static Mutation>,
    ) -> Self {
        let bug = mutation.and_then(Mutation::carrier_bug);
        Self { state: Arc::default(), chance, notes, weather, clock, bug }
    }

    /// All purchases by the provider's id.
    #[must_use]
    pub fn purchases(&self) -> BTreeMap<String, Purchase> {
        lock(&self.state).purchases.clone()
    }

    /// Whether a parcel had news already when we asked to be told of it.
    #[must_use]
    pub fn told_at_once(&self, parcel: &TrackingToken) -> bool {
        lock(&self.state).told_at_once.contains(&name_of(parcel))
    }

    /// What happens next to a parcel, or what happened last if nothing does any more.
    #[must_use]
    pub fn go_on(&self, parcel: &TrackingToken, arrives: bool) -> Parcel {
        use CarrierNews::{Delivered, Failed, OutForDelivery, Returned};
        let before = lock(&self.state).parcels.get(&name_of(parcel)).copied();
        let next: &[(u64, CarrierNews)] = match before.map(|before| before.news) {
            Some(Returned | Delivered) => &[],
            _ if arrives => &[(1, Delivered)],
            None => &[(3, OutForDelivery), (1, Failed), (1, Returned), (2, Delivered)],
            Some(OutForDelivery) => &[(2, Failed), (1, Returned), (4, Delivered)],
            Some(Failed) => &[(1, Returned), (2, Delivered)],
        };
        let now = self.clock.now();
        let next = self.chance.weighted(next).map(|news| Parcel { news: *news, at: now });
        let parcel_is = next.or(before).unwrap_or(Parcel { news: Delivered, at: now });
        lock(&self.state).parcels.insert(name_of(parcel), parcel_is);
        parcel_is
    }

    /// One call: others may run before and after it, and either way may fail.
    async fn call<T>(
        &self,
        what: &str,
        lost: fn(BoxError) -> CarrierError,
        effect: impl FnOnce(&mut State) -> Result<T, CarrierError>,
    ) -> Result<T, CarrierError> {
        tokio::task::yield_now().await;
        let level = self.weather.level();
        if self.chance.happens(level.saturating_mul(25)) {
            self.notes.fault("carriers: request lost");
            return Err(CarrierError::Unavailable("told to fail".into()));
        }
        let answer = effect(&mut lock(&self.state));
        let is_lost = self.chance.happens(level.saturating_mul(50));
        let outcome = if answer.is_ok() { "done" } else { "refused" };
        self.notes.say(&format!("  carriers: {what} → {outcome}"));
        tokio::task::yield_now().await;
        if is_lost {
            self.notes.fault("carriers: answer lost");
            return Err(lost("told to fail".into()));
        }
        answer
    }

    /// What a purchase that is under way comes to.
    fn decide(&self, id: &str, number: u64) -> Sale {
        let hurries = self.weather.level() == 0;
        let processing = if hurries { 0 } else { 2 };
        match self.chance.weighted(&[(8, 0), (1, 1), (processing, 2)]) {
            Some(1) => Sale::Refused { code: "out_of_paper".to_owned() },
            Some(2) => Sale::Processing,
            _ => match Tracking::parse("usps", &format!("L{number}")) {
                Ok(tracking) => Sale::Sold(Postage {
                    provider_id: id.to_owned(),
                    tracking,
                    url: format!("https://labels.example.com/{id}.pdf"),
                }),
                Err(_) => Sale::Processing,
            },
        }
    }
}

fn unavailable(source: BoxError) -> CarrierError {
    CarrierError::Unavailable(source)
}

#[async_trait]
impl Carriers for Depot {
    fn provider(&self) -> &'static str {
        "shippo"
    }

    async fn offers(&self, consignment: &Consignment) -> Result<Vec<Offer>, CarrierError> {
        let refused = self.chance.happens(40);
        let prices = [self.chance.between(1, 300), self.chance.between(100, 3_000)];
        // Some carriers have not heard of our currency.
        let currency = if self.chance.happens(30) { Currency::Eur } else { consignment.currency };
        self.call(&format!("offers for {}", consignment.reference), unavailable, |state| {
            if refused {
                return Err(CarrierError::Refused { code: "address_unknown".to_owned() });
            }
            let mut made = Vec::new();
            for minor in prices {
                let rate = format!("rate_{}", state.number());
                let Ok(cost) = Money::try_new(minor, currency) else { continue };
                let offer = Offer {
                    rate: rate.clone(),
                    carrier: "usps".to_owned(),
                    service: "Priority".to_owned(),
                    cost,
                    days: Some(2),
                };
                state.offers.insert(rate, (offer.clone(), consignment.reference.clone()));
                made.push(offer);
            }
            Ok(made)
        })
        .await
    }

    async fn offer(&self, rate: &str) -> Result<Option<(Offer, String)>, CarrierError> {
        let find = |state: &mut State| Ok(state.offers.get(rate).cloned());
        self.call(&format!("look up {rate}"), unavailable, find).await
    }

    async fn buy(&self, order: &LabelOrder) -> Result<Sale, CarrierError> {
        let what = format!("buy {} for {}", order.rate, order.label);
        self.call(&what, CarrierError::OutcomeUnknown, |state| {
            let Some(cost) = state.offers.get(&order.rate).map(|(offer, _)| offer.cost) else {
                return Err(CarrierError::Rejected("no such rate".into()));
            };
            let number = state.number();
            let id = format!("tx_{number:06}");
            let live =
                |made: &&Purchase| made.label == order.label && !matches!(made.sale, Sale::Refused { .. });
            if state.purchases.values().any(|made| live(&made)) {
                self.notes.accuse(format!("{} was bought twice", order.label));
            }
            let sale = self.decide(&id, number);
            let purchase =
                Purchase { label: order.label.clone(), cost, sale: sale.clone(), given_back: None };
            state.purchases.insert(id, purchase);
            Ok(sale)
        })
        .await
    }

    async fn find(&self, order: &LabelOrder) -> Result<Vec<Sale>, CarrierError> {
        let blind = self.bug == Some(CarrierBug::PurchasesAreNotLookedFor);
        self.call(&format!("find {}", order.label), unavailable, |state| {
            let mut found = Vec::new();
            let ids: Vec<String> = state.purchases.keys().cloned().collect();
            for id in ids {
                let number = state.number();
                let Some(made) = state.purchases.get_mut(&id).filter(|made| made.label == order.label) else {
                    continue;
                };
                if made.sale == Sale::Processing {
                    made.sale = self.decide(&id, number);
                }
                found.push(made.sale.clone());
            }
            Ok(if blind { Vec::new() } else { found })
        })
        .await
    }

    async fn void(&self, provider_id: &str) -> Result<Voided, CarrierError> {
        let waits = if self.weather.level() == 0 { 0 } else { 2 };
        let kinds = [(3, Voided::Done), (1, Voided::Refused), (waits, Voided::Pending)];
        let decided = *self.chance.weighted(&kinds).unwrap_or(&Voided::Done);
        self.call(&format!("give {provider_id} back"), unavailable, |state| {
            let Some(made) = state.purchases.get_mut(provider_id) else {
                return Err(CarrierError::Rejected("no such label".into()));
            };
            if !matches!(made.sale, Sale::Sold(_)) {
                return Ok(Voided::Refused);
            }
            if matches!(made.given_back, None | Some(Voided::Pending)) {
                made.given_back = Some(decided);
            }
            Ok(made.given_back.unwrap_or(Voided::Pending))
        })
        .await
    }

    async fn register(&self, parcel: &TrackingToken) -> Result<Option<Track>, CarrierError> {
        self.call(&format!("follow {}", parcel.number), unavailable, |state| {
            let track = state.track(parcel);
            if track.news.is_some() {
                state.told_at_once.insert(name_of(parcel));
            }
            Ok(Some(track))
        })
        .await
    }

    async fn track(&self, parcel: &TrackingToken) -> Result<Option<Track>, CarrierError> {
        let find = |state: &mut State| Ok(Some(state.track(parcel)));
        self.call(&format!("where is {}", parcel.number), unavailable, find).await
    }
}
