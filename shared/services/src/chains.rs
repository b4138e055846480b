//! Whether the history of stock is what it was: each link of each chain recomputed, and held against the stock.

use std::collections::BTreeSet;

use sutler_domain::{
    ids::VariantId,
    movement::{ChainError, Movement},
    problem::Problem,
    shards::FIRST_SHARD,
    stock::Stock,
};
use sutler_store::{Item, StoreError, Table, Version, Versioned, db::key_part};

pub use sutler_store::movements::ChainId;

use crate::{App, Error};

/// How many movements are read at a time.
const PAGE: u16 = 1_000;
/// How many such pages one chain may have.
const CHAIN_PAGES_MAX: u32 = 1_000;

/// How many reads a check may still make, so that it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads(u32);

impl Reads {
    /// At most so many.
    #[must_use]
    pub fn at_most(reads: u32) -> Self {
        Self(reads)
    }

    fn take(&mut self) -> bool {
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

/// What a check of a shard's history found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// How many movements there are up to the first that is wrong.
    pub movements: u64,
    /// How many versions of the stock the stream has not turned into movements yet.
    pub behind: u64,
    /// The number of the first movement that is wrong, and why.
    pub broken: Option<(u64, ChainError)>,
}

/// What a check of many histories found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// How many histories were walked to their ends, or to their first wrong movement.
    pub chains: u64,
    /// How many movements hold.
    pub movements: u64,
    /// The histories that the stream has not brought up to date, and by how many versions. That is no tampering: a
    /// later check finds them caught up.
    pub behind: Vec<(ChainId, u64)>,
    /// The first wrong movement of each history that does not hold.
    pub broken: Vec<(ChainId, u64, ChainError)>,
    /// Whether everything was read.
    pub complete: bool,
}

impl Audit {
    /// Whether everything was read and every history holds.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.complete && self.broken.is_empty()
    }
}

/// Checks the whole history of a shard: every seal, every step, and that it ends where the stock is.
///
/// # Errors
/// [`Error`] when the database does not answer, or when the history is longer than can be checked.
pub async fn verify_chain(app: &App, chain: &ChainId) -> Result<Chain, Error> {
    let found = walk(app, chain, &mut Reads::at_most(CHAIN_PAGES_MAX)).await?;
    found.ok_or_else(|| {
        Error::Internal(format!("the history of {} is longer than can be checked", chain.variant).into())
    })
}

/// Checks the history of every shard of a variant, within so many `reads`.
///
/// # Errors
/// [`Problem::NotFound`] when there is no such variant; [`Error`] when the database does not answer.
pub async fn verify_variant(app: &App, variant: &VariantId, reads: Reads) -> Result<Audit, Error> {
    let stock = app.store.shards_of(variant).await?.ok_or(Problem::NotFound)?;
    // Those that were given up as well: their histories stay.
    let shards = FIRST_SHARD..stock.sale().made.max(1);
    let chains = shards.map(|shard| ChainId { variant: variant.clone(), shard }).collect();
    verify(app, chains, reads, true).await
}

/// Checks every history there is, within so many `reads`. It goes through the whole table to find them, by the stock
/// and by the movements, so that neither can hide the other.
///
/// # Errors
/// [`Error`] when the database does not answer.
pub async fn verify_all(app: &App, mut reads: Reads) -> Result<Audit, Error> {
    let (mut chains, mut cursor, mut complete) = (BTreeSet::new(), None, false);
    while !complete && reads.take() {
        let (items, next) = app.store.scan(Table::Commerce, cursor).await?;
        chains.extend(items.iter().filter_map(chain_of));
        complete = next.is_none();
        cursor = next;
    }
    verify(app, chains, reads, complete).await
}

/// The history that an item belongs to, by its keys: what they lead to is what counts.
fn chain_of(item: &Item) -> Option<ChainId> {
    let (pk, sk) = (key_part(item, "pk"), key_part(item, "sk"));
    let (variant, shard) = if let Some(variant) = sk.strip_prefix("STOCK#") {
        (variant, pk.strip_prefix("SKU#")?.split_once('#')?.1)
    } else {
        let place = pk.strip_prefix("MOVES#")?;
        place.split_once('#').unwrap_or((place, "0"))
    };
    Some(ChainId { variant: VariantId::parse(variant).ok()?, shard: shard.parse().ok()? })
}

async fn verify(
    app: &App,
    chains: BTreeSet<ChainId>,
    mut reads: Reads,
    all_found: bool,
) -> Result<Audit, Error> {
    let mut audit = Audit { complete: all_found, ..Audit::default() };
    for chain in chains {
        let Some(Chain { movements, behind, broken }) = walk(app, &chain, &mut reads).await? else {
            audit.complete = false;
            break;
        };
        audit.chains = audit.chains.saturating_add(1);
        audit.movements = audit.movements.saturating_add(movements);
        match broken {
            Some((number, error)) => audit.broken.push((chain, number, error)),
            None if behind > 0 => audit.behind.push((chain, behind)),
            None => {}
        }
    }
    Ok(audit)
}

/// Walks a chain from its first movement on; nothing when it is longer than may be read.
async fn walk(app: &App, chain: &ChainId, reads: &mut Reads) -> Result<Option<Chain>, Error> {
    // Read first: movements that come in meanwhile can only be newer than it.
    let stock = app.store.shard(chain).await?;
    let mut last: Option<Movement> = None;
    let mut at_once = PAGE;
    while reads.take() {
        let here = number_of(last.as_ref());
        let page = match app.store.movements_after(chain, here, at_once).await {
            Ok(page) => page,
            // One by one, to find out which.
            Err(StoreError::Corrupt { .. }) if at_once > 1 => {
                at_once = 1;
                continue;
            }
            Err(StoreError::Corrupt { .. }) => return Ok(Some(broken(here, ChainError::Unreadable))),
            Err(error) => return Err(error.into()),
        };
        if page.is_empty() {
            return ended(app, chain, stock.as_ref(), here).await.map(Some);
        }
        for movement in page {
            if let Err(error) = check(chain, &movement, last.as_ref(), stock.as_ref()) {
                return Ok(Some(broken(number_of(last.as_ref()), error)));
            }
            last = Some(movement);
        }
    }
    Ok(None)
}

/// A chain that holds for so many movements and no further.
fn broken(movements: u64, error: ChainError) -> Chain {
    Chain { movements, behind: 0, broken: Some((movements.saturating_add(1), error)) }
}

/// One link: of this chain, in its place behind the last, and what the stock was if that is the stock's version.
fn check(
    chain: &ChainId,
    movement: &Movement,
    last: Option<&Movement>,
    stock: Option<&Versioned<Stock>>,
) -> Result<(), ChainError> {
    if ChainId::of(movement) != *chain {
        return Err(ChainError::Elsewhere);
    }
    movement.check_after(last)?;
    let ends = stock.filter(|stock| stock.version.0 == movement.number);
    if ends.is_some_and(|stock| stock.value.quantities() != movement.after) {
        return Err(ChainError::Quantities);
    }
    Ok(())
}

/// A chain that holds up to its end at `movements`, held against the version of the stock.
async fn ended(
    app: &App,
    chain: &ChainId,
    stock: Option<&Versioned<Stock>>,
    movements: u64,
) -> Result<Chain, Error> {
    let version = |stock: Option<&Versioned<Stock>>| stock.map_or(Version::NONE, |stock| stock.version).0;
    let known = version(stock);
    if movements <= known {
        return Ok(Chain { movements, behind: known.saturating_sub(movements), broken: None });
    }
    // As a rule the stock went on meanwhile. A movement that it never made is none.
    let now = version(app.store.shard(chain).await?.as_ref());
    if movements > now {
        return Ok(broken(now, ChainError::Ahead));
    }
    Ok(Chain { movements, behind: now.saturating_sub(movements), broken: None })
}

fn number_of(movement: Option<&Movement>) -> u64 {
    movement.map_or(0, |movement| movement.number)
}
