//! Placing orders, and changing them.

mod ending;
mod reading;

use std::collections::HashMap;

use sutler_domain::{
    address::Address,
    alert::{Alerts, HeldUnit},
    event::EventKind,
    idempotency::{Answer, Once},
    ids::{AddressId, CartId, OrderId, SellerId, UserId, VariantId},
    ledger::{LedgerTx, Purpose},
    money::Money,
    order::{Order, OrderState, Part},
    problem::Problem,
    quote::Rules,
    shipping::Choices,
    tax::Destination,
    time::Timestamp,
};
use sutler_store::{
    StoreError, Transaction, Versioned, alerts, carts,
    codec::decode,
    events, idempotency, ledger,
    orders::{self, OrderAggregate},
    rules::rules_key,
    users,
    users::{AddressEntry, User, address_key, user_key},
};

use crate::{
    App, Error, addresses,
    carts::{CartAccess, ReadCart, read},
    coupons,
    quotes::{CartQuote, cost, fill},
    reservations::{self, Reservation},
    rules,
};

pub use ending::{cancel, expire, sweep};
pub use reading::{History, Listing, OrderPage, Wanted, get, history, list};

/// How often a change is decided anew after losing a race.
const RACES_MAX: usize = 6;

/// What a buyer agrees to.
#[derive(Debug, Clone)]
pub struct PlaceOrder {
    /// Who buys.
    pub buyer: UserId,
    /// What.
    pub cart: CartId,
    /// Where to.
    pub address: AddressId,
    /// How, as far as the buyer chose.
    pub shipping: Choices,
    /// The hash of the quote the buyer saw.
    pub quote_hash: String,
    /// Renders a quote for the refusal that carries a new one.
    pub render_quote: fn(&CartQuote) -> String,
}

/// An order with its parts.
#[derive(Debug, Clone)]
pub struct PlacedOrder {
    /// The order.
    pub order: Order,
    /// Its parts.
    pub parts: Vec<Part>,
}

struct Checkout {
    cart: ReadCart,
    user: User,
    address: Address,
    rules: Rules,
    alerts: Versioned<Alerts>,
}

impl Checkout {
    /// The cart after everything in it was ordered.
    fn emptied(&self, order: &OrderId, now: Timestamp) -> ReadCart {
        let mut cart = self.cart.clone();
        cart.value.lines.clear();
        cart.value.coupon = None;
        cart.value.last_order = Some(order.clone());
        cart.value.updated_at = now;
        cart
    }

    /// Orders what is held for the buyer.
    fn take_held(&mut self, parts: &[Part], now: Timestamp) -> HashMap<VariantId, HeldUnit> {
        let alerts = &mut self.alerts.value;
        let lines = parts.iter().flat_map(|part| &part.lines);
        lines.filter_map(|line| Some((line.variant.clone(), alerts.take(&line.variant, now)?))).collect()
    }
}

/// Places an order: stock reserved, coupon used, order written, cart emptied, answer remembered, all in one step. What is
/// held for the buyer comes first, and the hold ends in that step. Three round trips whatever the size of the cart, and no
/// provider is asked.
///
/// # Errors
/// [`Problem::QuoteChanged`] with the new quote, [`Problem::InsufficientStock`] naming every short line,
/// [`Problem::Coupon`] when another order was faster to use it up, and the refusals of a cart.
pub async fn place(app: &App, command: &PlaceOrder, once: &Once<PlacedOrder>) -> Result<Answer, Error> {
    let mut checkout = match read_checkout(app, command, once).await? {
        Ok(checkout) => checkout,
        Err(answer) => return Ok(answer),
    };
    let basket = fill(app, &checkout.cart.value, Some(&command.buyer)).await?;
    let own = SellerId::of_user(&command.buyer);
    if basket.lines.iter().any(|(_, variant)| variant.seller == own) {
        return Err(Problem::OwnGoods.into());
    }
    let (address, to) = (Some(command.address.clone()), Destination::from(&checkout.address));
    let quote = cost(app, &command.cart, address, Some(&to), &basket, &checkout.rules, &command.shipping)?;
    if quote.hash != command.quote_hash {
        return Err(Problem::QuoteChanged { quote: (command.render_quote)(&quote).into() }.into());
    }
    if quote.quote.totals.total.is_zero() {
        return Err(Problem::NothingToPay.into());
    }
    let placed = draft(app, command, &checkout, &quote);
    let cart = checkout.emptied(&placed.order.id, placed.order.placed_at);
    let given = checkout.take_held(&placed.parts, placed.order.placed_at);
    let sales = reservations::sales(&basket.lines);
    let mut held = Reservation::new(&placed.order.id, &command.buyer, &placed.parts, &sales, &given)?;
    let used = basket.coupon.as_ref().zip(quote.quote.used_coupon());
    // As a rule once; again while units that are not at their first place are found elsewhere.
    loop {
        let mut placed = placed.clone();
        held.note(&mut placed.parts);
        let mut transaction = Transaction::new();
        let guards = held.hold(&mut transaction);
        if !given.is_empty() {
            alerts::save(&mut transaction, &checkout.alerts.value, checkout.alerts.version)?;
        }
        let placed_event = EventKind::OrderPlaced {
            total: placed.order.totals.total,
            expires_at: app.now().plus_seconds(app.settings.order_expiry_s),
        };
        events::append(&mut transaction, &mut placed.order, placed_event, app.now(), app.ids.as_ref())?;
        orders::create(&mut transaction, &placed.order, &placed.parts)?;
        if checkout.user.guest.is_some() {
            // An account that claims what a guest bought ends that guest first, and then finds every order in this list.
            users::check_guest(&mut transaction, &command.buyer);
            orders::list_for_claim(&mut transaction, &placed.order)?;
        }
        let taking = used.map(|(found, used)| {
            coupons::take(&mut transaction, found, &command.buyer, used.discount, app.now())
        });
        carts::save(&mut transaction, &cart.value, cart.version)?;
        match app.store.commit(transaction, once, &placed).await {
            Ok(answer) => {
                tracing::info!(order.id = %placed.order.id, "Placed order {}", placed.order.id);
                return Ok(answer);
            }
            Err(StoreError::Refused(refusal)) => {
                if !guards.failed(&refusal) {
                    let coupon = taking.map_or(Ok(None), |taking| taking.refused(&refusal))?;
                    return Err(coupon.map_or(Problem::Conflict, Problem::Coupon).into());
                }
                held.look_elsewhere(app, &refusal, &guards).await?;
            }
            Err(other) => return Err(other.into()),
        }
    }
}

/// The first round trip: cart, stored answer, user, address, the marketplace's rules and what is held for the buyer at
/// once.
async fn read_checkout(
    app: &App,
    command: &PlaceOrder,
    once: &Once<PlacedOrder>,
) -> Result<Result<Checkout, Answer>, Error> {
    let mut keys = vec![
        carts::cart_key(&command.cart),
        user_key(&command.buyer),
        address_key(&command.buyer, &command.address),
        rules_key(),
        alerts::alerts_key(&command.buyer),
    ];
    keys.extend(once.key.as_ref().map(idempotency::once_key));
    let items = app.store.get_many(&keys).await?;
    let item = |index: usize| items.get(index).and_then(Option::as_ref);
    if let Some(key) = &once.key
        && let Some(answer) = idempotency::stored_answer(key, item(5), once.at)?
    {
        return Ok(Err(answer));
    }
    let access = CartAccess { user: Some(command.buyer.clone()), token_hash: None };
    let cart = read(app, &command.cart, &access, item(0))?;
    let user: Versioned<User> = decode(item(1).ok_or(Problem::Unauthenticated)?)?;
    if user.value.is_claimed() {
        return Err(Problem::Unauthenticated.into());
    }
    let address = item(2).ok_or_else(|| Problem::field("/address", "unknown"))?;
    let address = addresses::destination(decode::<AddressEntry>(address)?.value)?;
    let rules = rules::read(app, item(3))?.value;
    let alerts = alerts::read(&command.buyer, item(4))?;
    Ok(Ok(Checkout { cart, user: user.value, address, rules, alerts }))
}

fn draft(app: &App, command: &PlaceOrder, checkout: &Checkout, quote: &CartQuote) -> PlacedOrder {
    let now = app.now();
    let id = OrderId::generate(app.ids.as_ref(), now);
    let parts: Vec<Part> = quote
        .quote
        .parts
        .iter()
        .map(|part| {
            let seller = (part.seller.clone(), part.seller_name.clone());
            let bare =
                Part::new(id.clone(), seller, part.lines.clone(), part.totals, app.settings.commission);
            let delivery = Some(part.shipping.delivery.clone());
            Part { discount_by: quote.quote.discount_by(), delivery, ..bare }
        })
        .collect();
    let order = Order {
        id,
        buyer: command.buyer.clone(),
        guest: checkout.user.guest.as_ref().map(|_| command.buyer.clone()),
        email: checkout.user.email.as_str().to_owned(),
        address: checkout.address.clone(),
        totals: quote.quote.totals,
        coupon: quote.quote.used_coupon().cloned(),
        state: OrderState::AwaitingPayment { expires_at: now.plus_seconds(app.settings.order_expiry_s) },
        refunded: Money::zero(quote.quote.totals.total.currency()),
        placed_at: now,
        sellers: parts.iter().map(|part| part.seller.clone()).collect(),
        attempts: 0,
        open_attempt: None,
        events: 0,
        last_hash: String::new(),
    };
    PlacedOrder { order, parts }
}

/// Changes an order as `decide` says: decided on what is there, written on the condition that it still is, together
/// with the answer, and decided anew after a lost race.
///
/// # Errors
/// Those of `decide`, and [`Problem::Conflict`] after too many lost races.
pub(crate) async fn change<T>(
    app: &App,
    id: &OrderId,
    once: &Once<T>,
    decide: impl Fn(OrderAggregate) -> Result<(Transaction, T), Error>,
) -> Result<Answer, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(answer);
    }
    for _ in 0..RACES_MAX {
        let aggregate = app.store.order(id).await?.ok_or(Problem::NotFound)?;
        let (transaction, changed) = decide(aggregate)?;
        match app.store.commit(transaction, once, &changed).await {
            Err(StoreError::Refused(_)) => tracing::warn!(order.id = %id, "Lost a race to change order {id}"),
            outcome => return Ok(outcome?),
        }
    }
    Err(Problem::Conflict.into())
}

/// Posts balanced legs in the transaction of the change they belong to.
pub(crate) fn post(
    app: &App,
    transaction: &mut Transaction,
    order: &OrderId,
    purpose: Purpose,
    legs: Vec<sutler_domain::ledger::Leg>,
) -> Result<(), Error> {
    let now = app.now();
    let id = sutler_domain::ids::LedgerTxId::generate(app.ids.as_ref(), now);
    let balanced = LedgerTx::try_new(id, order.clone(), purpose, now, legs);
    ledger::post(transaction, &balanced.map_err(|e| Error::Internal(e.into()))?)?;
    Ok(())
}
