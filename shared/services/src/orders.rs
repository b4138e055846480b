//! Placing, reading and giving up orders.

use sutler_domain::{
    address::Address,
    event::{Event, EventKind},
    idempotency::{Answer, Once},
    ids::{AddressId, CartId, OrderId, SellerId, UserId},
    ledger::{LedgerTx, Purpose, order_refund},
    order::{CancelReason, Change, Order, OrderState, Part, PartState},
    payment::{PaymentState, RefundReason},
    problem::Problem,
    quote::Rules,
    shipping::Choices,
    stock::StockOp,
    tax::Destination,
};
use sutler_store::{
    StoreError, Transaction, Versioned, carts,
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
}

/// Places an order: stock reserved, coupon used, order written, cart emptied, answer remembered, all in one step.
/// Three round trips whatever the size of the cart, and no provider is asked.
///
/// # Errors
/// [`Problem::QuoteChanged`] with the new quote, [`Problem::InsufficientStock`] naming every short line,
/// [`Problem::Coupon`] when another order was faster to use it up, and the refusals of a cart.
pub async fn place(app: &App, command: &PlaceOrder, once: &Once<PlacedOrder>) -> Result<Answer, Error> {
    let checkout = match read_checkout(app, command, once).await? {
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
    let mut cart = checkout.cart.clone();
    let placed = draft(app, command, &checkout, &quote);
    let sales = reservations::sales(&basket.lines);
    let mut held = Reservation::new(&placed.order.id, &command.buyer, &placed.parts, &sales)?;
    let used = basket.coupon.as_ref().zip(quote.quote.used_coupon());
    cart.value.lines.clear();
    cart.value.coupon = None;
    cart.value.last_order = Some(placed.order.id.clone());
    cart.value.updated_at = app.now();
    // As a rule once; again while units that are not at their first place are found elsewhere.
    loop {
        let mut placed = placed.clone();
        held.note(&mut placed.parts);
        let mut transaction = Transaction::new();
        let guards = held.hold(&mut transaction);
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

/// The first round trip: cart, stored answer, user, address and the marketplace's rules at once.
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
    ];
    keys.extend(once.key.as_ref().map(idempotency::once_key));
    let items = app.store.get_many(&keys).await?;
    let item = |index: usize| items.get(index).and_then(Option::as_ref);
    if let Some(key) = &once.key
        && let Some(answer) = idempotency::stored_answer(key, item(4), once.at)?
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
    Ok(Ok(Checkout { cart, user: user.value, address, rules }))
}

fn draft(app: &App, command: &PlaceOrder, checkout: &Checkout, quote: &CartQuote) -> PlacedOrder {
    let now = app.now();
    let id = OrderId::generate(app.ids.as_ref(), now);
    let parts: Vec<Part> = quote
        .quote
        .parts
        .iter()
        .map(|part| Part {
            order: id.clone(),
            seller: part.seller.clone(),
            seller_name: part.seller_name.clone(),
            lines: part.lines.clone(),
            totals: part.totals,
            discount_by: quote.quote.discount_by(),
            delivery: Some(part.shipping.delivery.clone()),
            commission: app.settings.commission,
            state: PartState::AwaitingPayment,
        })
        .collect();
    let order = Order {
        id,
        buyer: command.buyer.clone(),
        guest: None,
        email: checkout.user.email.as_str().to_owned(),
        address: checkout.address.clone(),
        totals: quote.quote.totals,
        coupon: quote.quote.used_coupon().cloned(),
        state: OrderState::AwaitingPayment { expires_at: now.plus_seconds(app.settings.order_expiry_s) },
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
    let part =
        aggregate.parts.into_iter().find(|part| part.value.seller == seller).ok_or(Problem::NotFound)?;
    Ok(OrderPage::Seller { order: Box::new(aggregate.order.value), part: Box::new(part.value) })
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
        if page.take(found, |order| order.value.id.clone(), |order| in_state(order.value.state.name())) {
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
        EventKind::PartShipped { seller } | EventKind::PartDelivered { seller } => seller == own,
        EventKind::OrderPlaced { .. }
        | EventKind::OrderPaid { .. }
        | EventKind::OrderCancelled { .. }
        | EventKind::OrderRefunded { .. }
        | EventKind::OrderCompleted {} => true,
        EventKind::OrderClaimed {}
        | EventKind::PaymentFailed { .. }
        | EventKind::RefundRequested { .. }
        | EventKind::PaymentRefunded { .. }
        | EventKind::UserVerified { .. }
        | EventKind::VerificationRequested { .. } => false,
    }
}

/// The buyer gives an order up: unpaid, its stock is released; paid and not shipped, its money goes back.
///
/// # Errors
/// [`Problem::NotFound`] unless it is the caller's, [`Problem::OrderState`] once a part is shipped.
pub async fn cancel(
    app: &App,
    id: &OrderId,
    buyer: &UserId,
    once: &Once<OrderAggregate>,
) -> Result<Answer, Error> {
    change(app, id, once, |aggregate| {
        if aggregate.order.value.buyer != *buyer {
            return Err(Problem::NotFound.into());
        }
        match &aggregate.order.value.state {
            OrderState::Paid { .. } | OrderState::Refunded { .. } => decide_refund(app, aggregate),
            OrderState::AwaitingPayment { .. }
            | OrderState::Cancelled { .. }
            | OrderState::Completed { .. } => decide_cancel(app, aggregate, CancelReason::Buyer),
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

/// Releases the stock and the coupon of an unpaid order; nothing to write when it is already cancelled.
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
            reservations::give_up(&mut transaction, StockOp::Release, order.placed_by(), line, &order.id);
        }
        orders::save_part(&mut transaction, part)?;
    }
    coupons::give_back(&mut transaction, order);
    let event = EventKind::OrderCancelled { reason, open_attempt };
    events::append(&mut transaction, order, event, now, app.ids.as_ref())?;
    orders::save(&mut transaction, &aggregate.order)?;
    Ok((transaction, aggregate))
}

/// Takes a paid order back as long as nothing was shipped: goods to the shelf, money on its way.
fn decide_refund(app: &App, mut aggregate: OrderAggregate) -> Result<(Transaction, OrderAggregate), Error> {
    let now = app.now();
    let mut transaction = Transaction::new();
    let (change, attempt) = aggregate.order.value.refund(now)?;
    if change == Change::AlreadyApplied {
        return Ok((transaction, aggregate));
    }
    let order = &mut aggregate.order.value;
    for part in &mut aggregate.parts {
        part.value.cancel(now)?;
        for line in &part.value.lines {
            reservations::give_up(&mut transaction, StockOp::Restock, order.placed_by(), line, &order.id);
        }
        orders::save_part(&mut transaction, part)?;
    }
    coupons::give_back(&mut transaction, order);
    let amount = order.totals.total;
    let reason = RefundReason::Cancelled;
    let paid = aggregate.payments.iter_mut().find(|payment| payment.value.attempt == attempt);
    let payment = paid.ok_or_else(|| Error::Internal("the paying attempt has no record".into()))?;
    payment.value.state = PaymentState::RefundPending { since: now, amount, reason };
    orders::save_payment(&mut transaction, &payment.value, Some(payment.version))?;
    let parts: Vec<Part> = aggregate.parts.iter().map(|part| part.value.clone()).collect();
    post(app, &mut transaction, &order.id, Purpose::OrderRefund, order_refund(amount, &parts)?)?;
    let refunded = EventKind::OrderRefunded { amount };
    events::append(&mut transaction, order, refunded, now, app.ids.as_ref())?;
    let requested = EventKind::RefundRequested { attempt, amount, reason };
    events::append(&mut transaction, order, requested, now, app.ids.as_ref())?;
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
