//! What a cart costs, to whoever asks and to an order that is placed: the same reads, the same sums, the same hash.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha2::{Digest, Sha256};
use sutler_domain::{
    cart::{Cart, CartLine, SELLERS_MAX},
    coupon::UsedCoupon,
    ids::{AddressId, CartId, SellerId, UserId},
    money::Money,
    order::{OrderLine, Progress, Totals},
    problem::Problem,
    product::Variant,
    quote::{Circumstances, Quote, Rules, WantedLine, quote},
    shards::Origin,
    shipping::{Choices, Delivery, ShippingProfile},
    tax::Destination,
};
use sutler_store::{
    Item, carts,
    catalog::variant_key,
    codec::decode,
    coupons::{self, FoundCoupon, coupon_key, use_key},
    profiles::shipping_key,
    rules::rules_key,
    users::{AddressEntry, address_key},
};

use crate::{
    App, Error,
    carts::{CartAccess, read},
    rules,
};

/// What a cart costs when it is sent to an address. The hash covers everything the buyer agrees to.
#[derive(Debug, Clone)]
pub struct CartQuote {
    /// The cart.
    pub cart: CartId,
    /// Where to.
    pub address: Option<AddressId>,
    /// The costs.
    pub quote: Quote,
    /// What the order has to repeat.
    pub hash: String,
}

/// What costs depend on besides the cart's own lines.
#[derive(Debug, Clone)]
pub(crate) struct Basket {
    /// The lines that are for sale.
    pub(crate) lines: Vec<(CartLine, Variant)>,
    /// How those sellers send things who said so.
    pub(crate) profiles: BTreeMap<SellerId, ShippingProfile>,
    /// The coupon in the cart.
    pub(crate) coupon: Option<FoundCoupon>,
}

/// Computes the costs of a cart, in two round trips.
///
/// # Errors
/// [`Problem::CartEmpty`], [`Problem::NotForSale`], [`Problem::NotShippable`] or [`Problem::NotFound`];
/// [`Problem::Invalid`] for an address or a way to send things that there is not.
pub async fn quote_cart(
    app: &App,
    id: &CartId,
    access: &CartAccess,
    address: Option<AddressId>,
    choices: &Choices,
) -> Result<CartQuote, Error> {
    let mut keys = vec![carts::cart_key(id), rules_key()];
    // A guest has no address book.
    let book = access.user.as_ref().zip(address.as_ref());
    keys.extend(book.map(|(user, address)| address_key(user, address)));
    let items = app.store.get_many(&keys).await?;
    let item = |index: usize| items.get(index).and_then(Option::as_ref);
    let cart = read(app, id, access, item(0))?.value;
    let rules = rules::read(app, item(1))?.value;
    let to = match (&address, item(2)) {
        (None, _) => None,
        (Some(_), None) => return Err(Problem::field("/address", "unknown").into()),
        (Some(_), Some(entry)) => Some(Destination::from(&decode::<AddressEntry>(entry)?.value.address)),
    };
    let basket = fill(app, &cart, access.user.as_ref()).await?;
    let quote = cost(app, &cart.id, address, to.as_ref(), &basket, &rules, choices)?;
    refuse_unknown(&quote.quote, choices)?;
    Ok(quote)
}

/// The hash of what a cart costs before it is said where to send it: it changes when any of that does. `None` while the
/// cart cannot be bought as it is.
pub(crate) async fn estimate_hash(
    app: &App,
    cart: &Cart,
    buyer: Option<&UserId>,
    rules: &Rules,
) -> Result<Option<String>, Error> {
    let estimate = async {
        let basket = fill(app, cart, buyer).await?;
        cost(app, &cart.id, None, None, &basket, rules, &Choices::default())
    };
    match estimate.await {
        Ok(quote) => Ok(Some(quote.hash)),
        Err(Error::Problem(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Names each choice that is none of the seller's offers.
fn refuse_unknown(quote: &Quote, choices: &Choices) -> Result<(), Problem> {
    let is_taken = |seller: &SellerId, id: &_| {
        quote.parts.iter().any(|part| part.seller == *seller && part.shipping.delivery.id == *id)
    };
    match choices.iter().find(|(seller, id)| !is_taken(seller, id)) {
        None => Ok(()),
        Some((seller, _)) => Err(Problem::field(format!("/shipping/{seller}"), "unknown")),
    }
}

fn too_many_sellers() -> Problem {
    Problem::field("/lines", "too-many-sellers")
}

/// Reads what the lines are, how their sellers send things, and the coupon: one round trip, and a second one when
/// lines were put into the cart before lines knew their sellers.
pub(crate) async fn fill(app: &App, cart: &Cart, buyer: Option<&UserId>) -> Result<Basket, Error> {
    let known: BTreeSet<SellerId> = cart.lines.iter().filter_map(|line| line.seller.clone()).collect();
    if known.len() > SELLERS_MAX {
        return Err(too_many_sellers().into());
    }
    let mut keys: Vec<_> = cart.lines.iter().map(|line| variant_key(&line.variant)).collect();
    keys.extend(known.iter().map(shipping_key));
    if let Some(code) = &cart.coupon {
        keys.push(coupon_key(code));
        keys.extend(buyer.map(|buyer| use_key(code, buyer)));
    }
    let items = app.store.get_many(&keys).await?;
    let (variants, rest) = items.split_at_checked(cart.lines.len()).unwrap_or((&items, &[]));
    let (own, rest) = rest.split_at_checked(known.len()).unwrap_or((rest, &[]));
    let coupon = rest.first().and_then(Option::as_ref);
    let coupon = coupons::read(coupon, rest.get(1).and_then(Option::as_ref))?;
    let lines = for_sale(&cart.lines, variants)?;
    let mut profiles = profiles(&known, own)?;
    let all: BTreeSet<SellerId> = lines.iter().map(|(_, variant)| variant.seller.clone()).collect();
    if all.len() > SELLERS_MAX {
        return Err(too_many_sellers().into());
    }
    let late: BTreeSet<SellerId> = all.difference(&known).cloned().collect();
    let keys: Vec<_> = late.iter().map(shipping_key).collect();
    profiles.extend(self::profiles(&late, &app.store.get_many(&keys).await?)?);
    Ok(Basket { lines, profiles, coupon })
}

fn for_sale(lines: &[CartLine], items: &[Option<Item>]) -> Result<Vec<(CartLine, Variant)>, Error> {
    let mut found = Vec::with_capacity(lines.len());
    for (line, item) in lines.iter().zip(items) {
        let variant = item.as_ref().map(decode::<Variant>).transpose()?.map(|read| read.value);
        let active = variant.filter(Variant::is_active);
        let variant = active.ok_or_else(|| Problem::NotForSale { variant: line.variant.clone() })?;
        found.push((line.clone(), variant));
    }
    Ok(found)
}

fn profiles(
    sellers: &BTreeSet<SellerId>,
    items: &[Option<Item>],
) -> Result<BTreeMap<SellerId, ShippingProfile>, Error> {
    let mut found = BTreeMap::new();
    for (seller, item) in sellers.iter().zip(items) {
        if let Some(item) = item {
            found.insert(seller.clone(), decode::<ShippingProfile>(item)?.value);
        }
    }
    Ok(found)
}

/// Adds everything up into a quote with its hash. A way to send things that there is not any more is replaced by
/// the cheapest, which makes another hash.
///
/// # Errors
/// [`Problem::CartEmpty`] without lines, [`Problem::NotShippable`] naming a seller.
pub(crate) fn cost(
    app: &App,
    cart: &CartId,
    address: Option<AddressId>,
    to: Option<&Destination>,
    basket: &Basket,
    rules: &Rules,
    choices: &Choices,
) -> Result<CartQuote, Error> {
    if basket.lines.is_empty() {
        return Err(Problem::CartEmpty.into());
    }
    let wanted = basket.lines.iter().map(|(line, variant)| wanted(line, variant));
    let around = Circumstances {
        currency: app.settings.currency,
        rules,
        profiles: &basket.profiles,
        to,
        choices,
        coupon: basket.coupon.as_ref().map(|found| (&found.coupon, found.used)),
        now: app.now(),
    };
    let quote = quote(wanted.collect::<Result<_, _>>()?, &around)?;
    let hash = hash(app, address.as_ref(), &quote)?;
    Ok(CartQuote { cart: cart.clone(), address, quote, hash })
}

fn wanted(line: &CartLine, variant: &Variant) -> Result<WantedLine, Error> {
    let zero = Money::zero(variant.price.currency());
    let order_line = OrderLine {
        variant: variant.id.clone(),
        seller: variant.seller.clone(),
        title: variant.title.clone(),
        options: variant.options.clone(),
        sku: variant.sku.clone(),
        unit_price: variant.price,
        quantity: line.quantity.get(),
        total: variant.price.try_mul(line.quantity.get())?,
        discount: zero,
        tax: zero,
        origin: Origin::default(),
        progress: Progress::default(),
    };
    Ok(WantedLine {
        line: order_line,
        seller_name: variant.seller_name.clone(),
        weight_g: variant.weight_g,
        tax_class: variant.tax_class.clone(),
    })
}

fn hash(app: &App, address: Option<&AddressId>, quote: &Quote) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Agreed<'a> {
        address: Option<&'a AddressId>,
        commission: u16,
        parts: Vec<(&'a SellerId, &'a [OrderLine], &'a Delivery, &'a Totals)>,
        totals: &'a Totals,
        coupon: Option<&'a UsedCoupon>,
    }
    let agreed = Agreed {
        address,
        commission: app.settings.commission.into(),
        parts: quote
            .parts
            .iter()
            .map(|part| (&part.seller, part.lines.as_slice(), &part.shipping.delivery, &part.totals))
            .collect(),
        totals: &quote.totals,
        coupon: quote.used_coupon(),
    };
    let text = serde_json::to_vec(&agreed).map_err(|e| Error::Internal(e.into()))?;
    Ok(hex::encode(Sha256::digest(text)))
}
