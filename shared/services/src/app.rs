//! What every use case needs, built once per process.

use std::{fmt, sync::Arc};

use sutler_domain::{
    ids::IdGen,
    money::{BasisPoints, Currency},
    time::{Clock, Timestamp},
};
use sutler_store::Store;

use crate::{addresses::Surveyor, auth::KeyCache, identity::Doorkeeper, labels::Forwarder};

/// How this marketplace trades. Read once at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The currency everything is priced in.
    pub currency: Currency,
    /// Tax on goods and shipping, on top of prices.
    pub tax: BasisPoints,
    /// Shipping per seller, in minor units.
    pub shipping_flat_minor: u64,
    /// The platform's share of the goods, frozen on each order.
    pub commission: BasisPoints,
    /// How long an unpaid order holds its stock.
    pub order_expiry_s: i64,
    /// Whether people buy without an account.
    pub guest_checkout: bool,
    /// How long a refresh token can be used.
    pub refresh_expiry_s: i64,
    /// Where people open the shop; links in mails start with it.
    pub frontend_url: String,
    /// Where this API is reached; payment providers send buyers back there. Empty while nobody has said.
    pub api_url: String,
}

/// Everything a use case works with.
#[derive(Clone)]
pub struct App {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids and tokens.
    pub ids: Arc<dyn IdGen>,
    /// How this marketplace trades.
    pub settings: Arc<Settings>,
    /// Public keys that verify access tokens.
    pub keys: Arc<KeyCache>,
    /// Who keeps programs out of the calls that only people make. Open unless a function is given one.
    pub door: Doorkeeper,
    /// Who is asked whether goods arrive at an address. Nobody unless a function is given one.
    pub surveyor: Surveyor,
    /// Who is asked for labels and about parcels. Nobody unless a function is given one.
    pub forwarder: Forwarder,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl App {
    /// Puts the parts together.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>, ids: Arc<dyn IdGen>, settings: Settings) -> Self {
        Self {
            store,
            clock,
            ids,
            settings: Arc::new(settings),
            keys: Arc::new(KeyCache::new()),
            door: Doorkeeper::new(None),
            surveyor: Surveyor::new(None),
            forwarder: Forwarder::new(None),
        }
    }

    /// The current instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
