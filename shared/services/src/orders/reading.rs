//! Orders as the people in them see them.

use sutler_domain::{
    event::{Event, EventKind},
    ids::{OrderId, SellerId, UserId},
    order::{Order, Part},
    problem::Problem,
    returns::Return,
};
use sutler_store::orders::OrderAggregate;

use crate::{App, Error};

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
        | EventKind::OutForDelivery { seller, .. }
        | EventKind::DeliveryFailed { seller, .. }
        | EventKind::LabelBought { seller, .. }
        | EventKind::LabelVoided { seller, .. }
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
        EventKind::OrderClaimed {}
        | EventKind::PaymentFailed { .. }
        | EventKind::RefundRequested { .. }
        | EventKind::PaymentRefunded { .. }
        | EventKind::RefundFailed { .. }
        | EventKind::UserVerified { .. }
        | EventKind::VerificationRequested { .. }
        | EventKind::AlertHeld { .. } => false,
    }
}
