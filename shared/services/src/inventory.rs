//! Stock as its seller sees and corrects it, and its history.

use std::collections::HashMap;

use sutler_domain::{
    idempotency::{Answer, Once},
    ids::{ProductId, SellerId, VariantId},
    movement::{ChainError, Movement},
    problem::{Problem, Shortage},
    product::Variant,
    shards::{FIRST_SHARD, Piece, choose},
    stock::{QUANTITY_MAX, Stock},
    time::Timestamp,
};
use sutler_store::{
    Guard, StoreError, Transaction, Versioned,
    catalog::ProductList,
    flash_sales,
    movements::StockImage,
    stock::{self, ShardedStock},
};
use tokio::task::JoinSet;

pub use sutler_store::movements::ChainId;

use crate::{App, Error, reservations::Lookout};

/// The most products on one page of the inventory: each takes two reads, all at the same time.
pub const PRODUCTS_PER_PAGE_MAX: u16 = 25;

/// How often an absolute count is worked out again because the stock moved meanwhile.
const RACES_MAX: u32 = 8;

/// A variant with its stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockedVariant {
    /// The variant.
    pub variant: Variant,
    /// Its stock.
    pub stock: Versioned<Stock>,
}

/// One page of the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryPage {
    /// All variants of the products on this page, removed ones that still have stock included.
    pub variants: Vec<StockedVariant>,
    /// Where the next page starts.
    pub next: Option<ProductId>,
}

/// What the seller counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// So many more or fewer.
    Delta(i64),
    /// So many in the warehouse, those held and paid for included.
    OnHand(u32),
}

/// A correction of stock, as it was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    /// The variant.
    pub variant: VariantId,
    /// How many more or fewer there are.
    pub delta: i64,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// The stock of the seller's live products, newest product first.
///
/// # Errors
/// [`Error`] when the database does not answer.
pub async fn list(
    app: &App,
    seller: &SellerId,
    before: Option<&ProductId>,
    limit: u16,
) -> Result<InventoryPage, Error> {
    let limit = limit.min(PRODUCTS_PER_PAGE_MAX);
    let list = ProductList::Seller(seller.clone());
    let mut ids = app.store.product_candidates(&list, before, limit.saturating_add(1)).await?;
    let more = ids.len() > usize::from(limit);
    ids.truncate(usize::from(limit));
    let next = if more { ids.last().cloned() } else { None };
    let mut reads = JoinSet::new();
    for (place, id) in ids.into_iter().enumerate() {
        let store = app.store.clone();
        reads.spawn(async move {
            let found = tokio::try_join!(store.listing(&id), store.product_stock(&id))?;
            Ok::<_, StoreError>((place, found))
        });
    }
    let mut found = Vec::new();
    while let Some(read) = reads.join_next().await {
        found.push(read.map_err(|e| Error::Internal(e.into()))??);
    }
    found.sort_unstable_by_key(|(place, _)| *place);
    let mut variants = Vec::new();
    for (_, (listing, stock)) in found {
        let listing = listing
            .filter(|listing| listing.product.value.seller == *seller && listing.product.value.is_active());
        let mut stock: HashMap<_, _> = stock.into_iter().map(|s| (s.value.variant.clone(), s)).collect();
        for found in listing.into_iter().flat_map(|listing| listing.variants) {
            let variant = found.value;
            let stock = stock.remove(&variant.id);
            let shown = |stock: &Versioned<Stock>| variant.is_active() || stock.value.on_hand() > 0;
            if let Some(stock) = stock.filter(shown) {
                variants.push(StockedVariant { variant, stock });
            }
        }
    }
    Ok(InventoryPage { variants, next })
}

/// The stock of a variant of the seller's, for sale or not.
///
/// # Errors
/// [`Problem::NotFound`] unless it is the seller's.
pub async fn get(app: &App, seller: &SellerId, variant: &VariantId) -> Result<StockedVariant, Error> {
    let (listed, stock) = tokio::try_join!(app.store.variant(variant), app.store.stock(variant))?;
    let own = listed.zip(stock).filter(|(_, stock)| stock.value.seller == *seller);
    let (listed, stock) = own.ok_or(Problem::NotFound)?;
    Ok(StockedVariant { variant: listed.value, stock })
}

/// Corrects how many there are. What is held for orders or paid for stays.
///
/// # Errors
/// [`Problem::NotFound`] unless the variant is the seller's, [`Problem::InsufficientStock`] when fewer are free
/// than are to be taken away, [`Problem::Invalid`] when the numbers or the reason are not acceptable.
pub async fn adjust(
    app: &App,
    seller: &SellerId,
    variant: &VariantId,
    count: Count,
    reason: &str,
    once: &Once<Adjustment>,
) -> Result<Answer, Error> {
    if let Some(code) = reason_problem(reason) {
        return Err(Problem::field("/reason", code).into());
    }
    let adjustment =
        |delta| Adjustment { variant: variant.clone(), delta, reason: reason.to_owned(), at: app.now() };
    match count {
        Count::Delta(delta) => {
            if delta == 0 || delta.unsigned_abs() > u64::from(QUANTITY_MAX) {
                return Err(Problem::field("/delta", "out-of-range").into());
            }
            add(app, seller, &adjustment(delta), once).await
        }
        Count::OnHand(target) => {
            if target > QUANTITY_MAX {
                return Err(Problem::field("/on_hand", "out-of-range").into());
            }
            for _ in 0..RACES_MAX {
                if let Some(answer) = recount(app, seller, target, adjustment, once).await? {
                    return Ok(answer);
                }
            }
            Err(Problem::Conflict.into())
        }
    }
}

/// What is wrong with a seller's reason for a correction.
pub(crate) fn reason_problem(reason: &str) -> Option<&'static str> {
    let length = reason.chars().count();
    let is_line = reason.trim() == reason && !reason.chars().any(char::is_control);
    match length {
        1..=200 if is_line => None,
        0..=200 => Some("invalid"),
        _ => Some("too-long"),
    }
}

/// A relative change needs no reading first: its condition alone decides. Only what is not in the first shard is
/// looked for in the others.
async fn add(
    app: &App,
    seller: &SellerId,
    adjustment: &Adjustment,
    once: &Once<Adjustment>,
) -> Result<Answer, Error> {
    let Adjustment { variant, delta, reason, .. } = adjustment;
    let mut transaction = Transaction::new();
    let (key, change) = stock::adjust(variant, FIRST_SHARD, seller, *delta, reason);
    let guard = transaction.update(key, change);
    match app.store.commit(transaction, once, adjustment).await {
        Err(StoreError::Refused(refusal)) if refusal.failed(guard) => {
            let found = stock::read(refusal.found(guard))?.filter(|found| found.value.seller == *seller);
            let found = found.ok_or(Problem::NotFound)?;
            if *delta > 0 {
                return Err(refused(adjustment, &found.value).into());
            }
            remove_anywhere(app, adjustment, found, once).await
        }
        outcome => Ok(outcome?),
    }
}

/// Takes units away from whatever shards have them, once they are known not to be in the first.
async fn remove_anywhere(
    app: &App,
    adjustment: &Adjustment,
    found: Versioned<Stock>,
    once: &Once<Adjustment>,
) -> Result<Answer, Error> {
    let seller = found.value.seller.clone();
    let mut lookout = Lookout::default();
    lookout.found(found);
    let mut spread = 1;
    for _ in 0..RACES_MAX {
        let looks = lookout.look(app, &[(adjustment.variant.clone(), spread)]).await?;
        let (stock, is_settled) = looks.into_iter().next().ok_or(Problem::NotFound)?;
        spread = stock.sale().spread;
        let mut transaction = Transaction::new();
        if let Some(guards) = remove(&mut transaction, &seller, adjustment, &stock) {
            match app.store.commit(transaction, once, adjustment).await {
                Err(StoreError::Refused(refusal)) if guards.iter().any(|guard| refusal.failed(*guard)) => {}
                outcome => return Ok(outcome?),
            }
        } else if is_settled {
            let total = stock.total().ok_or(Problem::NotFound)?;
            return Err(refused(adjustment, &total.value).into());
        }
    }
    Err(Problem::Conflict.into())
}

/// Takes units from as few shards as possible; nothing when there are too few in all.
fn remove(
    transaction: &mut Transaction,
    seller: &SellerId,
    adjustment: &Adjustment,
    stock: &ShardedStock,
) -> Option<Vec<Guard>> {
    let wanted = u32::try_from(adjustment.delta.unsigned_abs()).ok()?;
    let pieces = choose(&stock.available(), FIRST_SHARD, wanted)?;
    let mut guards = Vec::with_capacity(pieces.len());
    for Piece { shard, quantity } in pieces {
        let delta = i64::from(quantity).saturating_neg();
        let (key, change) = stock::adjust(&adjustment.variant, shard, seller, delta, &adjustment.reason);
        guards.push(transaction.update(key, change));
    }
    Some(guards)
}

/// Why a correction of `stock` was refused.
fn refused(adjustment: &Adjustment, stock: &Stock) -> Problem {
    if adjustment.delta > 0 {
        return Problem::field("/delta", "out-of-range");
    }
    Problem::InsufficientStock(vec![Shortage {
        variant: adjustment.variant.clone(),
        requested: u32::try_from(adjustment.delta.unsigned_abs()).unwrap_or(u32::MAX),
        available: stock.available,
    }])
}

/// An absolute count holds for the version it was compared with; nothing when the stock moved meanwhile.
async fn recount(
    app: &App,
    seller: &SellerId,
    target: u32,
    adjustment: impl Fn(i64) -> Adjustment,
    once: &Once<Adjustment>,
) -> Result<Option<Answer>, Error> {
    let variant = adjustment(0).variant;
    let (replayed, stock) = tokio::try_join!(app.store.replay(once), app.store.shards_of(&variant))?;
    if let Some(answer) = replayed {
        return Ok(Some(answer));
    }
    let stock = stock.ok_or(Problem::NotFound)?;
    let total = stock.total().filter(|found| found.value.seller == *seller).ok_or(Problem::NotFound)?;
    let on_hand = i64::try_from(total.value.on_hand()).unwrap_or(i64::MAX);
    let adjustment = adjustment(i64::from(target).saturating_sub(on_hand));
    if i64::from(total.value.available).saturating_add(adjustment.delta) < 0 {
        return Err(refused(&adjustment, &total.value).into());
    }
    let mut transaction = Transaction::new();
    let guards = count(&mut transaction, seller, &adjustment, &stock);
    match app.store.commit(transaction, once, &adjustment).await {
        Err(StoreError::Refused(refusal)) if guards.iter().any(|guard| refusal.failed(*guard)) => Ok(None),
        outcome => Ok(Some(outcome?)),
    }
}

/// Makes the stock what was counted, on the condition that nothing of it moved: each shard is changed or checked at
/// the version that was read.
pub(crate) fn count(
    transaction: &mut Transaction,
    seller: &SellerId,
    adjustment: &Adjustment,
    stock: &ShardedStock,
) -> Vec<Guard> {
    let Adjustment { variant, delta, reason, .. } = adjustment;
    let quantity = u32::try_from(delta.unsigned_abs()).unwrap_or(u32::MAX);
    let pieces = match delta.signum() {
        1 => vec![Piece { shard: FIRST_SHARD, quantity }],
        -1 => choose(&stock.available(), FIRST_SHARD, quantity).unwrap_or_default(),
        _ => Vec::new(),
    };
    let mut guards = Vec::new();
    for read in &stock.shards {
        let piece = pieces.iter().find(|piece| piece.shard == read.value.shard);
        guards.push(match piece {
            Some(piece) => {
                let units = i64::from(piece.quantity).saturating_mul(delta.signum());
                let (key, change) = stock::adjust(variant, piece.shard, seller, units, reason);
                transaction.update(key, stock::at(change, read.version))
            }
            None => stock::check(transaction, read),
        });
    }
    // The shards are not read at one instant: without this, units that were moved to a new shard meanwhile would be
    // counted as missing.
    guards.push(flash_sales::check(transaction, variant, stock.flash.as_ref().map(|flash| flash.version)));
    guards
}

/// The history of a shard of a variant's stock, newest first.
///
/// # Errors
/// [`Problem::NotFound`] unless there is such a shard and it is the seller's.
pub async fn movements(
    app: &App,
    seller: &SellerId,
    chain: &ChainId,
    before: Option<u64>,
    limit: u16,
) -> Result<(Vec<Movement>, Option<u64>), Error> {
    let (stock, mut found) = tokio::try_join!(
        app.store.shard(chain),
        app.store.movements_before(chain, before, limit.saturating_add(1))
    )?;
    stock.filter(|found| found.value.seller == *seller).ok_or(Problem::NotFound)?;
    let more = found.len() > usize::from(limit);
    found.truncate(usize::from(limit));
    let next = if more { found.last().map(|movement| movement.number) } else { None };
    Ok((found, next))
}

/// One version of a stock item, as the stream hands it over.
#[derive(Debug, Clone)]
pub struct StockChange {
    /// The item before; none when it was created.
    pub before: Option<StockImage>,
    /// The item after.
    pub after: StockImage,
    /// When.
    pub at: Timestamp,
}

impl StockChange {
    /// The variant, when this shard has units of it and had none.
    #[must_use]
    pub fn back_in_stock(&self) -> Option<&VariantId> {
        let had_none = self.before.as_ref().is_some_and(|before| before.available() == 0);
        (had_none && self.after.available() > 0).then(|| self.after.variant())
    }
}

/// Appends a movement for each version of stock, in order. Doing it again changes nothing.
///
/// # Errors
/// When the movement before one is missing: the stream then hands the records over again, with the missing one.
pub async fn record_movements(app: &App, changes: Vec<StockChange>) -> Result<(), Error> {
    let mut latest: HashMap<ChainId, Movement> = HashMap::new();
    for StockChange { before, after, at } in changes {
        let movement = after.movement(before.as_ref(), at);
        let previous = match latest.remove(&ChainId::of(&movement)) {
            Some(known) if known.number.checked_add(1) == Some(movement.number) => Some(known),
            Some(_) | None => previous(app, &movement).await?,
        };
        let movement = movement.sealed(previous.as_ref().map_or("", |movement| movement.hash.as_str()));
        let broken = |error: ChainError| {
            Error::Internal(format!("movement {} of {}: {error}", movement.number, movement.variant).into())
        };
        movement.check_after(previous.as_ref()).map_err(broken)?;
        let recorded = match app.store.append_movement(&movement).await? {
            None => movement,
            Some(known) if known.tells_the_same(&movement) => known,
            Some(_) => return Err(broken(ChainError::Hash)),
        };
        latest.insert(ChainId::of(&recorded), recorded);
    }
    Ok(())
}

async fn previous(app: &App, movement: &Movement) -> Result<Option<Movement>, Error> {
    match movement.number.checked_sub(1) {
        None | Some(0) => Ok(None),
        Some(number) => Ok(app.store.movement(&ChainId::of(movement), number).await?),
    }
}
