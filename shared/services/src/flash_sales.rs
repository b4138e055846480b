//! Variants in great demand: over how many shards their units are spread, and how many one buyer may have.
//!
//! Units move between shards by transactions that take as many from one as they give to the other, and only while
//! the variant is sold as it was when that was decided.

use sutler_domain::{
    cart::QUANTITY_MAX,
    idempotency::{Answer, Once},
    ids::{SellerId, VariantId},
    problem::{FieldError, Problem},
    product::Variant,
    shards::{FlashSale, SHARDS_MAX, Shift, even_out},
};
use sutler_store::{
    StoreError, Transaction, Version, Versioned,
    catalog::replace_variant,
    flash_sales::{self, FlashRecord},
    orders::DUE_SHARDS,
    stock::{self, ShardedStock},
};

use crate::{App, Error};

/// How often a change is decided anew after losing a race.
const RACES_MAX: u32 = 8;
/// How often one run looks at the shards of a variant again, because orders go on meanwhile.
const PASSES_MAX: u32 = 3;
/// How many variants are found at a time.
const FOUND_AT_ONCE: u16 = 100;
/// How often one run finds more of them per partition.
const FINDS_MAX: u32 = 10;

/// How a seller wants a variant to be sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Over how many shards; one is like any other variant.
    pub shards: u8,
    /// How many one buyer may have.
    pub per_buyer_limit: Option<u32>,
}

/// How a variant is sold from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermsSet {
    /// The variant.
    pub variant: VariantId,
    /// How.
    pub sale: FlashSale,
}

/// Sets how a variant is sold. Its units are spread at once as far as possible, and by the rebalancer.
///
/// # Errors
/// [`Problem::NotFound`] unless it is the seller's, [`Problem::Invalid`] naming the fields that are not acceptable.
pub async fn set(
    app: &App,
    seller: &SellerId,
    variant: &VariantId,
    terms: Terms,
    once: &Once<TermsSet>,
) -> Result<Answer, Error> {
    let mut invalid = Vec::new();
    if !(1..=SHARDS_MAX).contains(&terms.shards) {
        invalid.push(FieldError::new("/shards", "out-of-range"));
    }
    if terms.per_buyer_limit.is_some_and(|limit| !(1..=QUANTITY_MAX).contains(&limit)) {
        invalid.push(FieldError::new("/per_buyer_limit", "out-of-range"));
    }
    if !invalid.is_empty() {
        return Err(Problem::Invalid(invalid).into());
    }
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(answer);
    }
    for _ in 0..RACES_MAX {
        let (listed, stock) = tokio::try_join!(app.store.variant(variant), app.store.shards_of(variant))?;
        let own = listed.zip(stock).filter(|(listed, _)| listed.value.seller == *seller);
        let (listed, stock) = own.ok_or(Problem::NotFound)?;
        let before = stock.sale();
        let sale = before.changed(terms.shards, terms.per_buyer_limit);
        let mut transaction = Transaction::new();
        save(&mut transaction, &listed, &stock, sale)?;
        for shard in before.made..sale.made {
            stock::create_shard(&mut transaction, variant, seller, shard)?;
        }
        match app.store.commit(transaction, once, &TermsSet { variant: variant.clone(), sale }).await {
            Ok(answer) => {
                tracing::info!(variant.id = %variant, shards = sale.shards, "Set how {variant} is sold");
                if let Err(error) = balance(app, variant).await {
                    tracing::warn!(variant.id = %variant, error.chain = %error, "The rebalancer has to go on");
                }
                return Ok(answer);
            }
            Err(StoreError::Refused(_)) => {
                tracing::warn!(variant.id = %variant, "Lost a race to set how {variant} is sold");
            }
            Err(other) => return Err(other.into()),
        }
    }
    Err(Problem::Conflict.into())
}

/// Writes how a variant is sold beside its stock, and to the variant for those who place orders.
fn save(
    transaction: &mut Transaction,
    listed: &Versioned<Variant>,
    stock: &ShardedStock,
    sale: FlashSale,
) -> Result<(), StoreError> {
    let (variant, seller) = (listed.value.id.clone(), listed.value.seller.clone());
    let read = stock.flash.as_ref().map(|flash| flash.version);
    flash_sales::save(transaction, &FlashRecord { variant, seller, sale }, read)?;
    let flash_sale = (!sale.is_over()).then_some(sale);
    replace_variant(transaction, &Variant { flash_sale, ..listed.value.clone() }, listed.version)?;
    Ok(())
}

/// Moves units from one shard to another, if they are there and the variant is sold as it was at `version`.
/// Answers whether it did.
pub(crate) async fn shift(
    app: &App,
    variant: &VariantId,
    step: Shift,
    version: Version,
) -> Result<bool, Error> {
    let mut transaction = Transaction::new();
    stock::shift(&mut transaction, variant, step);
    flash_sales::check(&mut transaction, variant, Some(version));
    match app.store.transact(transaction).await {
        Ok(()) => Ok(true),
        Err(StoreError::Refused(_)) => Ok(false),
        Err(other) => Err(other.into()),
    }
}

/// Evens out the shards of a variant, and gives up those that are not needed and empty. Answers how many units moved
/// between shards.
///
/// # Errors
/// [`Error`] when the database does not answer; the next run goes on.
pub async fn balance(app: &App, variant: &VariantId) -> Result<u64, Error> {
    let mut moved = 0_u64;
    for _ in 0..PASSES_MAX {
        let Some(stock) = app.store.shards_of(variant).await? else { return Ok(moved) };
        let Some(flash) = &stock.flash else { return Ok(moved) };
        let steps = even_out(&stock.available(), flash.value.sale.shards);
        if steps.is_empty() {
            give_up_shards(app, &stock, flash).await?;
            return Ok(moved);
        }
        for step in steps {
            if shift(app, variant, step, flash.version).await? {
                moved = moved.saturating_add(u64::from(step.quantity));
            }
        }
    }
    Ok(moved)
}

/// Stops looking into the last shards once nothing is in them any more. Orders hold nothing there either, so
/// nothing comes back to them.
async fn give_up_shards(
    app: &App,
    stock: &ShardedStock,
    flash: &Versioned<FlashRecord>,
) -> Result<(), Error> {
    let sale = flash.value.sale;
    let used =
        (1..).zip(&stock.shards).filter(|(_, shard)| shard.value.on_hand() > 0).map(|(count, _)| count);
    let spread = used.max().unwrap_or(1).max(sale.shards);
    if spread >= sale.spread {
        return Ok(());
    }
    let variant = &flash.value.variant;
    let Some(listed) = app.store.variant(variant).await? else { return Ok(()) };
    let mut transaction = Transaction::new();
    save(&mut transaction, &listed, stock, FlashSale { spread, ..sale })?;
    for shard in stock.shards.iter().filter(|shard| shard.value.shard >= spread) {
        stock::check(&mut transaction, shard);
    }
    match app.store.transact(transaction).await {
        // Refused: something came into one of them, or the seller changed the terms.
        Ok(()) | Err(StoreError::Refused(_)) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

/// Evens out the shards of everything that is spread. One failure does not keep the others from it.
///
/// # Errors
/// The first failure, after all the others were tried; what was moved stays moved.
pub async fn balance_all(app: &App) -> Result<u64, Error> {
    let (mut moved, mut failure) = (0_u64, None);
    for partition in 0..DUE_SHARDS {
        let mut last = None;
        for _ in 0..FINDS_MAX {
            let found = app.store.spread_variants(partition, last.as_ref(), FOUND_AT_ONCE).await?;
            last = found.last().cloned();
            for variant in &found {
                match balance(app, variant).await {
                    Ok(units) => moved = moved.saturating_add(units),
                    Err(error) => {
                        tracing::error!(
                            variant.id = %variant, error.chain = %error, "The shards of {variant} were not evened out"
                        );
                        failure.get_or_insert(error);
                    }
                }
            }
            if found.len() < usize::from(FOUND_AT_ONCE) {
                break;
            }
        }
    }
    failure.map_or(Ok(moved), Err)
}
