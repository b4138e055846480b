//! Placing, reading and giving up orders.

use sutler_domain::{
    address::Address,
    cart::CartLine,
    event::{Event, EventKind},
    idempotency::{Answer, Once},
    ids::{AddressId, CartId, OrderId, SellerId, UserId},
    ledger::{LedgerTx, Purpose},
    money::Money,
    order::{CancelReason, Change, Order, OrderState, Part, Units},
    problem::{Problem, Shortage},
    product::Variant,
    returns::Return,
};
use sutler_store::{
    Guard, StoreError, Transaction, Versioned, carts,
    catalog::variant_key,
    codec::decode,
    events, idempotency, ledger,
    orders::{self, OrderAggregate},
    stock,
    users::{AddressEntry, User, address_key, user_key},
};

use crate::{
    App, Error,
    carts::{CartAccess, CartQuote, ReadCart, cost, read},
    refunds::{give_up_paid, give_up_units},
};

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
}

/// Places an order: stock reserved, order written, cart emptied, answer remembered, all in one step. Three
/// round trips whatever the size of the cart, and no provider is asked.
///
/// # Errors
/// [`Problem::QuoteChanged`] with the new quote, [`Problem::InsufficientStock`] naming every short line, and the
/// refusals of a cart.
pub async fn place(app: &App, command: &PlaceOrder, once: &Once<PlacedOrder>) -> Result<Answer, Error> {
    let checkout = match read_checkout(app, command, once).await? {
        Ok(checkout) => checkout,
        Err(answer) => return Ok(answer),
    };
    let wanted = variants(app, &command.buyer, &checkout.cart.value.lines).await?;
    let quote = cost(&app.settings, &command.cart, Some(command.address.clone()), wanted)?;
    if quote.hash != command.quote_hash {
        return Err(Problem::QuoteChanged { quote: (command.render_quote)(&quote).into() }.into());
    }
    let mut placed = draft(app, command, &checkout, &quote);
    let mut transaction = Transaction::new();
    let mut reservations: Vec<(Guard, &sutler_domain::order::OrderLine)> = Vec::new();
    for line in quote.quote.parts.iter().flat_map(|part| &part.lines) {
        let (key, change) = stock::reserve(&line.variant, line.quantity, placed.order.id.as_str());
        reservations.push((transaction.update(key, change), line));
    }
    let placed_event = EventKind::OrderPlaced {
        total: placed.order.totals.total,
        expires_at: app.now().plus_seconds(app.settings.order_expiry_s),
    };
    events::append(&mut transaction, &mut placed.order, placed_event, app.now(), app.ids.as_ref())?;
    orders::create(&mut transaction, &placed.order, &placed.parts)?;
    let mut cart = checkout.cart;
    cart.value.lines.clear();
    cart.value.last_order = Some(placed.order.id.clone());
    cart.value.updated_at = app.now();
    carts::save(&mut transaction, &cart.value, cart.version)?;
    match app.store.commit(transaction, once, &placed).await {
        Ok(answer) => {
            tracing::info!(order.id = %placed.order.id, "Placed order {}", placed.order.id);
            Ok(answer)
        }
        Err(StoreError::Refused(refusal)) => {
            let mut short = Vec::new();
            for (guard, line) in reservations.iter().filter(|(guard, _)| refusal.failed(*guard)) {
                let found = stock::read(refusal.found(*guard))?;
                short.push(Shortage {
                    variant: line.variant.clone(),
                    requested: line.quantity,
                    available: found.map_or(0, |read| read.value.available),
                });
            }
            Err(if short.is_empty() { Problem::Conflict } else { Problem::InsufficientStock(short) }.into())
        }
        Err(other) => Err(other.into()),
    }
}

/// The first round trip: cart, stored answer, user and address at once.
async fn read_checkout(
    app: &App,
    command: &PlaceOrder,
    once: &Once<PlacedOrder>,
) -> Result<Result<Checkout, Answer>, Error> {
    let mut keys = vec![
        carts::cart_key(&command.cart),
        user_key(&command.buyer),
        address_key(&command.buyer, &command.address),
    ];
    keys.extend(once.key.as_ref().map(idempotency::once_key));
    let items = app.store.get_many(&keys).await?;
    let item = |index: usize| items.get(index).and_then(Option::as_ref);
    if let Some(key) = &once.key
        && let Some(answer) = idempotency::stored_answer(key, item(3), once.at)?
    {
        return Ok(Err(answer));
    }
    let access = CartAccess { user: Some(command.buyer.clone()), token_hash: None };
    let cart = read(app, &command.cart, &access, item(0))?;
    let user: Versioned<User> = decode(item(1).ok_or(Problem::Unauthenticated)?)?;
    let address = item(2).ok_or_else(|| Problem::field("/address", "unknown"))?;
    let address: Versioned<AddressEntry> = decode(address)?;
    Ok(Ok(Checkout { cart, user: user.value, address: address.value.address }))
}

/// The second round trip: what the lines are and cost now.
async fn variants(app: &App, buyer: &UserId, lines: &[CartLine]) -> Result<Vec<(CartLine, Variant)>, Error> {
    let keys: Vec<_> = lines.iter().map(|line| variant_key(&line.variant)).collect();
    let items = app.store.get_many(&keys).await?;
    let mut wanted = Vec::with_capacity(lines.len());
    for (line, item) in lines.iter().zip(items) {
        let variant = item.map(|item| decode::<Variant>(&item)).transpose()?.map(|read| read.value);
        let active = variant.filter(Variant::is_active);
        let variant = active.ok_or_else(|| Problem::NotForSale { variant: line.variant.clone() })?;
        if variant.seller == SellerId::of_user(buyer) {
            return Err(Problem::OwnGoods.into());
        }
        wanted.push((line.clone(), variant));
    }
    Ok(wanted)
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
            Part::new(id.clone(), seller, part.lines.clone(), part.totals, app.settings.commission)
        })
        .collect();
    let order = Order {
        id,
        buyer: command.buyer.clone(),
        email: checkout.user.email.as_str().to_owned(),
        address: checkout.address.clone(),
        totals: quote.quote.totals,
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

/// An order as one of the people in it sees it.
#[derive(Debug, Clone)]
pub enum OrderPage {
    /// The buyer (and staff) see all of it.
    Buyer(Box<OrderAggregate>),
    /// A seller sees only their part.
    Seller {
        /// The order.
        order: Box<Order>,
        /// Their part.
        part: Box<Part>,
        /// What of it goes back or came back.
        returns: Vec<Return>,
    },
}

/// An order of the caller's, as buyer or as seller.
///
/// # Errors
/// [`Problem::NotFound`] when the caller has no part in it.
pub async fn get(app: &App, id: &OrderId, caller: &UserId, staff: bool) -> Result<OrderPage, Error> {
    let aggregate = app.store.order(id).await?.ok_or(Problem::NotFound)?;
    if staff || aggregate.order.value.buyer == *caller {
        return Ok(OrderPage::Buyer(Box::new(aggregate)));
    }
    let seller = SellerId::of_user(caller);
    let OrderAggregate { order, parts, returns, .. } = aggregate;
    let part = parts.into_iter().find(|part| part.value.seller == seller).ok_or(Problem::NotFound)?;
    let returns = returns.into_iter().map(|read| read.value).filter(|sent_back| sent_back.seller == seller);
    Ok(OrderPage::Seller {
        order: Box::new(order.value),
        part: Box::new(part.value),
        returns: returns.collect(),
    })
}

/// One page of orders and where the next one starts.
#[derive(Debug, Clone)]
pub enum Listing {
    /// What the caller bought.
    Bought(Vec<Order>, Option<OrderId>),
    /// What the caller sold.
    Sold(Vec<Part>, Option<OrderId>),
}

/// Which orders a list is to show.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Those that the caller sold rather than bought.
    pub selling: bool,
    /// Only those in the state of this name.
    pub state: Option<String>,
    /// Only those older than this one.
    pub before: Option<OrderId>,
    /// How many at most.
    pub limit: u16,
}

/// How many items are read at once where not all of them are shown.
const FILTERED_READ: u16 = 100;
/// How often a page that is not full yet is read on. A longer search ends with a short page and its cursor.
const READS_MAX: usize = 10;

/// A page that is filled by as many reads as it takes to find enough of what is wanted.
struct Page<T, C> {
    items: Vec<T>,
    next: Option<C>,
    limit: usize,
    at_once: u16,
}

impl<T, C> Page<T, C> {
    fn new(after: Option<C>, limit: u16, at_once: u16) -> Self {
        Self { items: Vec::new(), next: after, limit: usize::from(limit), at_once }
    }

    /// Takes what is wanted of a read, each item being at the place that `place` says. Answers whether that is all.
    fn take(&mut self, found: Vec<T>, place: fn(&T) -> C, wanted: impl Fn(&T) -> bool) -> bool {
        let at_the_end = found.len() < usize::from(self.at_once);
        for item in found {
            self.next = Some(place(&item));
            if wanted(&item) {
                self.items.push(item);
                if self.items.len() >= self.limit {
                    return true;
                }
            }
        }
        if at_the_end {
            self.next = None;
        }
        at_the_end
    }
}

/// The caller's orders, or the caller's parts in those of others, newest first.
///
/// # Errors
/// [`Error`] when the database does not answer.
pub async fn list(app: &App, caller: &UserId, wanted: &Wanted) -> Result<Listing, Error> {
    let Wanted { before, limit, .. } = wanted.clone();
    let at_once = if wanted.state.is_some() { FILTERED_READ } else { limit };
    let in_state = |name: &str| wanted.state.as_ref().is_none_or(|state| state == name);
    if wanted.selling {
        let seller = SellerId::of_user(caller);
        let mut page = Page::new(before, limit, at_once);
        for _ in 0..READS_MAX {
            let found = app.store.parts_of_seller(&seller, page.next.as_ref(), at_once).await?;
            if page.take(found, |part| part.value.order.clone(), |part| in_state(part.value.state.name())) {
                break;
            }
        }
        return Ok(Listing::Sold(page.items.into_iter().map(|part| part.value).collect(), page.next));
    }
    let mut page = Page::new(before, limit, at_once);
    for _ in 0..READS_MAX {
        let found = app.store.orders_of_buyer(caller, page.next.as_ref(), at_once).await?;
        if page.take(found, |order| order.value.id.clone(), |order| in_state(order.value.state_name())) {
            break;
        }
    }
    Ok(Listing::Bought(page.items.into_iter().map(|order| order.value).collect(), page.next))
}

/// What somebody may know of an order's history.
#[derive(Debug, Clone)]
pub enum History {
    /// Everything: its buyer and staff.
    Whole(Vec<Event>),
    /// That something happened to the whole or to the seller's part, and no amounts.
    OfPart(Vec<Event>),
}

/// An order's history after event number `after`, and where to go on.
///
/// # Errors
/// [`Problem::NotFound`] when the caller has no part in it.
pub async fn history(
    app: &App,
    id: &OrderId,
    caller: &UserId,
    staff: bool,
    after: Option<u64>,
    limit: u16,
) -> Result<(History, Option<u64>), Error> {
    let seller = match get(app, id, caller, staff).await? {
        OrderPage::Buyer(_) => None,
        OrderPage::Seller { part, .. } => Some(part.seller),
    };
    let at_once = if seller.is_some() { FILTERED_READ } else { limit };
    let mut page = Page::new(after, limit, at_once);
    for _ in 0..READS_MAX {
        let found = app.store.events(id, page.next.unwrap_or(0), at_once).await?;
        let shown =
            |event: &Event| seller.as_ref().is_none_or(|seller| concerns_seller(&event.event, seller));
        if page.take(found, |event| event.seq, shown) {
            break;
        }
    }
    let history = if seller.is_some() { History::OfPart(page.items) } else { History::Whole(page.items) };
    Ok((history, page.next))
}

fn concerns_seller(event: &EventKind, own: &SellerId) -> bool {
    match event {
        EventKind::PartShipped { seller, .. }
        | EventKind::PartDelivered { seller, .. }
        | EventKind::UnitsCancelled { seller, .. }
        | EventKind::ReturnRequested { seller, .. }
        | EventKind::ReturnApproved { seller, .. }
        | EventKind::ReturnRejected { seller, .. }
        | EventKind::ReturnReceived { seller, .. } => seller == own,
        EventKind::OrderPlaced { .. }
        | EventKind::OrderPaid { .. }
        | EventKind::OrderCancelled { .. }
        | EventKind::OrderRefunded { .. }
        | EventKind::OrderCompleted {} => true,
        EventKind::PaymentFailed { .. }
        | EventKind::RefundRequested { .. }
        | EventKind::PaymentRefunded { .. }
        | EventKind::RefundFailed { .. }
        | EventKind::VerificationRequested { .. } => false,
    }
}

/// The buyer gives an order up: unpaid, its stock is released; paid and not shipped, its money goes back. Of a paid
/// order some units that are not shipped can be given up alone.
///
/// # Errors
/// [`Problem::NotFound`] unless it is the caller's, [`Problem::OrderState`] once a part is shipped or when units are
/// named before it is paid, [`Problem::TooManyUnits`] when fewer are open.
pub async fn cancel(
    app: &App,
    id: &OrderId,
    buyer: &UserId,
    lines: Option<&[Units]>,
    once: &Once<OrderAggregate>,
) -> Result<Answer, Error> {
    change(app, id, once, |aggregate| {
        if aggregate.order.value.buyer != *buyer {
            return Err(Problem::NotFound.into());
        }
        match (&aggregate.order.value.state, lines) {
            (_, Some(lines)) => give_up_units(app, aggregate, lines),
            (OrderState::Paid { .. } | OrderState::Refunded { .. }, None) => give_up_paid(app, aggregate),
            (
                OrderState::AwaitingPayment { .. }
                | OrderState::Cancelled { .. }
                | OrderState::Completed { .. },
                None,
            ) => decide_cancel(app, aggregate, CancelReason::Buyer),
        }
    })
    .await
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

/// Releases an order whose time is over; an order that was paid meanwhile is left alone.
///
/// # Errors
/// [`Error`] when the database does not answer.
pub async fn expire(app: &App, id: &OrderId) -> Result<Change, Error> {
    let Some(aggregate) = app.store.order(id).await? else { return Ok(Change::AlreadyApplied) };
    let decided = decide_cancel(app, aggregate, CancelReason::Expired);
    let (transaction, _) = match decided {
        Err(Error::Problem(Problem::OrderState { .. })) => return Ok(Change::AlreadyApplied),
        other => other?,
    };
    if transaction.is_empty() {
        return Ok(Change::AlreadyApplied);
    }
    match app.store.transact(transaction).await {
        Ok(()) => {
            tracing::info!(order.id = %id, "Released expired order {id}");
            Ok(Change::Applied)
        }
        // Somebody paid, cancelled or released it first. The next sweep looks again if it has to.
        Err(StoreError::Refused(_)) => Ok(Change::AlreadyApplied),
        Err(other) => Err(other.into()),
    }
}

/// Releases the stock of an unpaid order; nothing to write when it is already cancelled.
fn decide_cancel(
    app: &App,
    mut aggregate: OrderAggregate,
    reason: CancelReason,
) -> Result<(Transaction, OrderAggregate), Error> {
    let now = app.now();
    let mut transaction = Transaction::new();
    let order = &mut aggregate.order.value;
    let open_attempt = order.open_attempt_number();
    if order.cancel(reason, now)? == Change::AlreadyApplied {
        return Ok((transaction, aggregate));
    }
    for part in &mut aggregate.parts {
        part.value.cancel(now)?;
        for line in &part.value.lines {
            let (key, change) = stock::release(&line.variant, line.quantity, order.id.as_str());
            transaction.update(key, change);
        }
        orders::save_part(&mut transaction, part)?;
    }
    let event = EventKind::OrderCancelled { reason, open_attempt };
    events::append(&mut transaction, order, event, now, app.ids.as_ref())?;
    orders::save(&mut transaction, &aggregate.order)?;
    Ok((transaction, aggregate))
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

/// Releases a bounded number of overdue orders of every shard. One that cannot be released does not keep the
/// others from it.
///
/// # Errors
/// The first failure, after all the others were tried; what was released stays released.
pub async fn sweep(app: &App) -> Result<u32, Error> {
    /// How many orders of a shard one sweep looks at; the next sweep goes on.
    const PER_SHARD_MAX: u16 = 200;
    let (mut released, mut failure) = (0_u32, None);
    for shard in 0..orders::DUE_SHARDS {
        for id in app.store.overdue(shard, app.now(), PER_SHARD_MAX).await? {
            match expire(app, &id).await {
                Ok(Change::Applied) => released = released.saturating_add(1),
                Ok(Change::AlreadyApplied) => {}
                Err(error) => {
                    tracing::error!(order.id = %id, "Order {id} could not be released");
                    failure.get_or_insert(error);
                }
            }
        }
    }
    failure.map_or(Ok(released), Err)
}
