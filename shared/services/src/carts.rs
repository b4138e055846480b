//! Carts of users and guests.

use aws_lc_rs::hmac;
use sha2::{Digest, Sha256};
use sutler_domain::{
    alert::Alerts,
    cart::{Cart, CartLine, Owner, Quantity},
    idempotency::{Answer, Once, OnceKey},
    ids::{CartId, SellerId, UserId, VariantId},
    problem::{Problem, Shortage},
    product::Variant,
    shards::FIRST_SHARD,
    stock::Stock,
};
use sutler_store::{
    Item, Key, Transaction, Version, Versioned,
    alerts::{self, alerts_key},
    carts,
    catalog::variant_key,
    codec::decode,
    rules::rules_key,
    stock::{self, stock_key},
};

use crate::{App, Error, quotes, rules};

/// Who asks for a cart: a user, a guest with the cart's secret, or both while signing in.
#[derive(Debug, Clone, Default)]
pub struct CartAccess {
    /// The signed-in user.
    pub user: Option<UserId>,
    /// Hex SHA-256 of the guest token that came with the request.
    pub token_hash: Option<String>,
}

impl CartAccess {
    fn owns(&self, owner: &Owner) -> bool {
        match owner {
            Owner::User { user } => self.user.as_ref() == Some(user),
            Owner::Guest { token_hash } => self.token_hash.as_ref() == Some(token_hash),
        }
    }

    /// Where it is what is held for the caller.
    pub(crate) fn alerts_key(&self) -> Option<Key> {
        self.user.as_ref().map(alerts_key)
    }

    /// What is held for the caller, by the item under that key.
    pub(crate) fn alerts(&self, item: Option<&Item>) -> Result<Option<Alerts>, Error> {
        self.user.as_ref().map(|user| Ok(alerts::read(user, item)?.value)).transpose()
    }
}

/// A cart with what its lines are and cost now.
#[derive(Debug, Clone)]
pub struct CartPage {
    /// The cart.
    pub cart: Cart,
    /// Each line with its variant (if it still exists) and how many are free.
    pub lines: Vec<PricedLine>,
    /// When the cart was asked for: the hash of what all of it costs before it is said where to send it. `None` while
    /// that cannot be bought as it is.
    pub quote_hash: Option<String>,
}

impl CartPage {
    /// What a cart is after a change of it.
    pub(crate) fn changed(cart: Cart, lines: Vec<PricedLine>) -> Self {
        Self { cart, lines, quote_hash: None }
    }
}

/// A line as it is now.
#[derive(Debug, Clone)]
pub struct PricedLine {
    /// The line.
    pub line: CartLine,
    /// What it is; `None` when it is gone or not for sale any more.
    pub variant: Option<Variant>,
    /// How many are free for this caller: what is held for them is.
    pub available: u32,
}

impl PricedLine {
    /// Whether the line can be bought as it is.
    #[must_use]
    pub fn is_buyable(&self) -> bool {
        self.variant.is_some() && self.line.quantity.get() <= self.available
    }
}

/// The shortest idempotency key that opens a guest's cart: a UUID without its dashes.
const GUEST_KEY_LEN_MIN: usize = 32;

/// A new guest cart with the secret that opens it.
#[derive(Debug, Clone)]
pub struct OpenedCart {
    /// The cart.
    pub id: CartId,
    /// The guest's secret; `None` for a user's cart.
    pub token: Option<String>,
}

/// Hashes a guest token for comparison with the stored hash.
#[must_use]
pub fn token_hash(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

/// Opens a cart: the user's one cart, or a new guest cart, which a repetition under the same key finds again.
///
/// # Errors
/// [`Problem::Invalid`] when a guest's key is so short that another guest may have it too.
pub async fn open(app: &App, user: Option<&UserId>, once: &Once<CartId>) -> Result<OpenedCart, Error> {
    // A user's cart is empty until something is put into it: there is nothing to write.
    if let Some(user) = user {
        return Ok(OpenedCart { id: CartId::of_user(user), token: None });
    }
    let (token, once) = guest_token(app, once)?;
    let cart = match app.store.replay(&once).await? {
        Some(answer) => answer.body,
        None => create_for_guest(app, &token, &once).await?.body,
    };
    let id = CartId::parse(&cart).map_err(|e| Error::Internal(e.into()))?;
    Ok(OpenedCart { id, token: Some(token) })
}

/// The secret of a guest's cart. A repetition has to find it again though it is stored nowhere, so it is made of
/// the guest's key, of which only the hash is remembered.
fn guest_token(app: &App, once: &Once<CartId>) -> Result<(String, Once<CartId>), Error> {
    let Some(key) = &once.key else {
        return Ok((format!("{:032x}{:032x}", app.ids.random(), app.ids.random()), once.clone()));
    };
    if key.key.len() < GUEST_KEY_LEN_MIN {
        return Err(Problem::field("idempotency-key", "too-short").into());
    }
    let secret = hmac::Key::new(hmac::HMAC_SHA256, key.key.as_bytes());
    let token = hex::encode(hmac::sign(&secret, b"sutler-cart-token"));
    let hashed = OnceKey { key: hex::encode(Sha256::digest(&key.key)), ..key.clone() };
    Ok((token, Once { key: Some(hashed), ..once.clone() }))
}

async fn create_for_guest(app: &App, token: &str, once: &Once<CartId>) -> Result<Answer, Error> {
    let owner = Owner::Guest { token_hash: token_hash(token) };
    let cart = Cart::new(CartId::generate(app.ids.as_ref(), app.now()), owner, app.now());
    let mut transaction = Transaction::new();
    carts::create(&mut transaction, &cart)?;
    Ok(app.store.commit(transaction, once, &cart.id).await?)
}

/// Reads a cart of the caller's, and what is held for them. A user's own cart is empty until something is put into it.
async fn load(app: &App, id: &CartId, access: &CartAccess) -> Result<(ReadCart, Option<Alerts>), Error> {
    let mut keys = vec![carts::cart_key(id)];
    keys.extend(access.alerts_key());
    let items = app.store.get_many(&keys).await?;
    let item = |index: usize| items.get(index).and_then(Option::as_ref);
    Ok((read(app, id, access, item(0))?, access.alerts(item(1))?))
}

/// A cart as read; `version` is absent while a user's cart has never been written.
#[derive(Debug, Clone)]
pub struct ReadCart {
    /// The cart.
    pub value: Cart,
    /// The version it was read at.
    pub version: Option<Version>,
}

/// Makes sense of the item under a cart's key.
///
/// # Errors
/// [`Problem::NotFound`] unless it is the caller's.
pub fn read(app: &App, id: &CartId, access: &CartAccess, item: Option<&Item>) -> Result<ReadCart, Error> {
    match (item, &access.user) {
        (Some(item), _) => {
            let cart: Versioned<Cart> = decode(item)?;
            let own = access.owns(&cart.value.owner);
            if own {
                Ok(ReadCart { value: cart.value, version: Some(cart.version) })
            } else {
                Err(Problem::NotFound.into())
            }
        }
        (None, Some(user)) if *id == CartId::of_user(user) => {
            let cart = Cart::new(id.clone(), Owner::User { user: user.clone() }, app.now());
            Ok(ReadCart { value: cart, version: None })
        }
        (None, _) => Err(Problem::NotFound.into()),
    }
}

/// A cart with what its lines are and cost now.
///
/// # Errors
/// [`Problem::NotFound`] unless it is the caller's.
pub async fn get(app: &App, id: &CartId, access: &CartAccess) -> Result<CartPage, Error> {
    let mut keys = vec![carts::cart_key(id), rules_key()];
    keys.extend(access.alerts_key());
    let items = app.store.get_many(&keys).await?;
    let item = |index: usize| items.get(index).and_then(Option::as_ref);
    let cart = read(app, id, access, item(0))?.value;
    let (rules, own) = (rules::read(app, item(1))?.value, access.alerts(item(2))?);
    let (lines, quote_hash) = tokio::try_join!(
        price(app, &cart.lines, own.as_ref()),
        quotes::estimate_hash(app, &cart, access.user.as_ref(), &rules)
    )?;
    Ok(CartPage { cart, lines, quote_hash })
}

/// Reads what the lines are and how many of each the caller can have, in one round trip. `own` is what is held for them.
pub(crate) async fn price(
    app: &App,
    lines: &[CartLine],
    own: Option<&Alerts>,
) -> Result<Vec<PricedLine>, Error> {
    let keys: Vec<Key> = lines
        .iter()
        .flat_map(|line| [variant_key(&line.variant), stock_key(&line.variant, FIRST_SHARD)])
        .collect();
    let mut items = app.store.get_many(&keys).await?.into_iter();
    let mut priced = Vec::with_capacity(lines.len());
    for line in lines {
        let (variant, stock) = (items.next().flatten(), items.next().flatten());
        let variant = variant.map(|item| decode::<Variant>(&item)).transpose()?;
        let stock = stock::read(stock.as_ref())?;
        priced.push(PricedLine {
            line: line.clone(),
            variant: variant.map(|read| read.value).filter(Variant::is_active),
            available: stock.map_or(0, |read| read.value.available),
        });
    }
    let held = |variant: &VariantId| own.and_then(|own| own.held(variant, app.now()));
    for line in priced.iter_mut().filter(|line| held(&line.line.variant).is_some()) {
        line.available = line.available.saturating_add(1);
    }
    add_shards(app, &mut priced).await?;
    Ok(priced)
}

/// Adds what is free in the other shards of what is spread, all of it in one more round trip.
async fn add_shards(app: &App, lines: &mut [PricedLine]) -> Result<(), Error> {
    let mut keys = Vec::new();
    for line in lines.iter() {
        let spread =
            line.variant.as_ref().and_then(|variant| variant.flash_sale).map_or(1, |sale| sale.spread);
        let others = FIRST_SHARD.saturating_add(1)..spread;
        keys.extend(others.map(|shard| stock_key(&line.line.variant, shard)));
    }
    for item in app.store.get_all(&keys).await?.iter().flatten() {
        let stock = decode::<Stock>(item)?.value;
        for line in lines.iter_mut().filter(|line| line.line.variant == stock.variant) {
            line.available = line.available.saturating_add(stock.available);
        }
    }
    Ok(())
}

/// Sets how many of a variant are in the cart.
///
/// # Errors
/// [`Problem`] when it is not for sale, the caller's own, or more than is free.
pub async fn put_line(
    app: &App,
    id: &CartId,
    access: &CartAccess,
    variant: &VariantId,
    quantity: Quantity,
    once: &Once<CartPage>,
) -> Result<Answer, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(answer);
    }
    let (mut cart, own) = load(app, id, access).await?;
    cart.value.put(variant, quantity, app.now())?;
    let lines = price(app, &cart.value.lines, own.as_ref()).await?;
    let changed = lines.iter().find(|priced| priced.line.variant == *variant).ok_or(Problem::NotFound)?;
    let found = changed.variant.as_ref().ok_or_else(|| Problem::NotForSale { variant: variant.clone() })?;
    if access.user.as_ref().is_some_and(|user| SellerId::of_user(user) == found.seller) {
        return Err(Problem::OwnGoods.into());
    }
    let limit = found.flash_sale.and_then(|sale| sale.per_buyer_limit);
    if let Some(limit) = limit.filter(|limit| quantity.get() > *limit) {
        return Err(Problem::BuyerLimit { variant: variant.clone(), limit, bought: 0 }.into());
    }
    if quantity.get() > changed.available {
        let shortage =
            Shortage { variant: variant.clone(), requested: quantity.get(), available: changed.available };
        return Err(Problem::InsufficientStock(vec![shortage]).into());
    }
    note_sellers(&mut cart.value, &lines);
    let mut transaction = Transaction::new();
    carts::save(&mut transaction, &cart.value, cart.version)?;
    Ok(app.store.commit(transaction, once, &CartPage::changed(cart.value, lines)).await?)
}

/// Notes whose each line is, so that checkout knows without a read of its own.
fn note_sellers(cart: &mut Cart, lines: &[PricedLine]) {
    for variant in lines.iter().filter_map(|priced| priced.variant.as_ref()) {
        cart.note_seller(&variant.id, &variant.seller);
    }
}

/// Takes a variant out of the cart; one that is not in it is no error.
///
/// # Errors
/// [`Problem::NotFound`] unless the cart is the caller's.
pub async fn remove_line(
    app: &App,
    id: &CartId,
    access: &CartAccess,
    variant: &VariantId,
    once: &Once<CartPage>,
) -> Result<Answer, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(answer);
    }
    let (mut cart, own) = load(app, id, access).await?;
    let removed = cart.value.remove(variant, app.now());
    let lines = price(app, &cart.value.lines, own.as_ref()).await?;
    let mut transaction = Transaction::new();
    if removed {
        carts::save(&mut transaction, &cart.value, cart.version)?;
    }
    Ok(app.store.commit(transaction, once, &CartPage::changed(cart.value, lines)).await?)
}

/// Deletes a cart.
///
/// # Errors
/// [`Problem::NotFound`] unless it is the caller's.
pub async fn delete(app: &App, id: &CartId, access: &CartAccess, once: &Once<()>) -> Result<Answer, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(answer);
    }
    let item = app.store.get(&carts::cart_key(id)).await?;
    let cart = read(app, id, access, item.as_ref())?;
    let mut transaction = Transaction::new();
    if let Some(version) = cart.version {
        carts::delete(&mut transaction, &Versioned { value: cart.value, version });
    }
    Ok(app.store.commit(transaction, once, &()).await?)
}

/// Moves a guest's cart into the user's at sign-in; the guest's cart ends in the same step. Goods of the user's
/// own stay out.
///
/// # Errors
/// [`Problem::NotFound`] unless the guest's token came with the request.
pub async fn merge(
    app: &App,
    guest: &CartId,
    user: &UserId,
    access: &CartAccess,
    once: &Once<CartPage>,
) -> Result<Answer, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(answer);
    }
    let own_id = CartId::of_user(user);
    let mut keys = vec![carts::cart_key(guest), carts::cart_key(&own_id)];
    keys.extend(access.alerts_key());
    let items = app.store.get_many(&keys).await?;
    let item = |index: usize| items.get(index).and_then(Option::as_ref);
    let guest = read(app, guest, access, item(0))?;
    let mut own = read(app, &own_id, access, item(1))?;
    let alerts = access.alerts(item(2))?;
    let Owner::Guest { .. } = guest.value.owner else { return Err(Problem::NotFound.into()) };
    own.value.merge(&guest.value, app.now());
    let mut lines = price(app, &own.value.lines, alerts.as_ref()).await?;
    // A guest could put in what turns out to be the user's own.
    let seller = SellerId::of_user(user);
    lines.retain(|priced| priced.variant.as_ref().is_none_or(|variant| variant.seller != seller));
    own.value.lines = lines.iter().map(|priced| priced.line.clone()).collect();
    note_sellers(&mut own.value, &lines);
    let mut transaction = Transaction::new();
    carts::save(&mut transaction, &own.value, own.version)?;
    if let Some(version) = guest.version {
        carts::delete(&mut transaction, &Versioned { value: guest.value, version });
    }
    Ok(app.store.commit(transaction, once, &CartPage::changed(own.value, lines)).await?)
}
