//! Showing products. Indexes only find candidates; what is shown comes from the products themselves.

use std::collections::HashSet;

use sutler_domain::{
    category::subtree,
    ids::{CategoryId, ProductId, SellerId},
    problem::Problem,
    product::Product,
    stock::Stock,
};
use sutler_store::{
    Version, Versioned,
    catalog::{Listing, ProductList},
};
use tokio::task::JoinSet;

use super::{Offer, OfferedVariant};
use crate::{App, Error};

/// The most categories one list covers; a broader one is asked for by its parts.
pub const SUBTREE_MAX: usize = 50;

/// How a product is named in an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProductName {
    /// By its id.
    Id(ProductId),
    /// By its slug.
    Slug(String),
}

impl ProductName {
    /// Reads an id or a slug.
    ///
    /// # Errors
    /// [`Problem::NotFound`] when nothing can have this name.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let slug =
            |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        match ProductId::parse(text) {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) if (1..=80).contains(&text.len()) && slug(text) => Ok(Self::Slug(text.to_owned())),
            Err(_) => Err(Problem::NotFound),
        }
    }
}

/// Which products to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those in this category or below it.
    pub category: Option<CategoryId>,
    /// Only those of this shop.
    pub seller: Option<SellerId>,
}

/// One page of products, newest first. It may be short although there are more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductPage {
    /// The products.
    pub products: Vec<Product>,
    /// Where the next page starts.
    pub next: Option<ProductId>,
}

impl Offer {
    /// What a product and its stock look like to a buyer.
    #[must_use]
    pub fn of(listing: &Listing, stock: &[Versioned<Stock>]) -> Self {
        let live = listing.variants.iter().filter(|found| found.value.is_active());
        let variants = live.map(|found| OfferedVariant {
            variant: found.clone(),
            available: stock
                .iter()
                .find(|stock| stock.value.variant == found.value.id)
                .map_or(0, |stock| stock.value.available),
        });
        Self { product: listing.product.clone(), variants: variants.collect() }
    }
}

/// A product by id or slug, with what is free of each variant.
///
/// # Errors
/// [`Problem::NotFound`] when there is none or it is archived.
pub async fn product(app: &App, name: &ProductName) -> Result<Offer, Error> {
    let id = match name {
        ProductName::Id(id) => id.clone(),
        ProductName::Slug(slug) => app.store.product_of_slug(slug).await?.ok_or(Problem::NotFound)?,
    };
    let (listing, stock) = tokio::try_join!(app.store.listing(&id), app.store.product_stock(&id))?;
    let listing = listing.filter(|found| found.product.value.is_active()).ok_or(Problem::NotFound)?;
    Ok(Offer::of(&listing, &stock))
}

/// Live products, newest first.
///
/// # Errors
/// [`Problem::Invalid`] when the category is unknown or has more than [`SUBTREE_MAX`] categories below it.
pub async fn products(
    app: &App,
    filter: &Filter,
    before: Option<ProductId>,
    limit: u16,
) -> Result<ProductPage, Error> {
    let categories = match &filter.category {
        Some(root) => Some(covered(app, root).await?),
        None => None,
    };
    let lists = match (&filter.seller, &categories) {
        (Some(seller), _) => vec![ProductList::Seller(seller.clone())],
        (None, Some(categories)) => categories.iter().cloned().map(ProductList::Category).collect(),
        (None, None) => vec![ProductList::Newest],
    };
    let mut ids = candidates(app, lists, before, limit).await?;
    let more = ids.len() > usize::from(limit);
    ids.truncate(usize::from(limit));
    let next = if more { ids.last().cloned() } else { None };
    let found = app.store.products(&ids).await?.into_iter().flatten().map(|found| found.value);
    let wanted = |product: &Product| {
        product.is_active()
            && filter.seller.as_ref().is_none_or(|seller| *seller == product.seller)
            && categories.as_ref().is_none_or(|covered| covered.contains(&product.category))
    };
    Ok(ProductPage { products: found.filter(wanted).collect(), next })
}

async fn covered(app: &App, root: &CategoryId) -> Result<HashSet<CategoryId>, Error> {
    let tree = app.store.category_tree().await?;
    if tree.find(root).is_none() {
        return Err(Problem::field("category", "unknown").into());
    }
    let covered = subtree(tree.values(), root);
    if covered.len() > SUBTREE_MAX {
        return Err(Problem::field("category", "too-broad").into());
    }
    Ok(covered.into_iter().collect())
}

/// Merges the newest candidates of all lists; one more than `limit` when there are more.
async fn candidates(
    app: &App,
    lists: Vec<ProductList>,
    before: Option<ProductId>,
    limit: u16,
) -> Result<Vec<ProductId>, Error> {
    let mut queries = JoinSet::new();
    for list in lists {
        let (store, before) = (app.store.clone(), before.clone());
        queries.spawn(async move {
            store.product_candidates(&list, before.as_ref(), limit.saturating_add(1)).await
        });
    }
    let mut ids = Vec::new();
    while let Some(found) = queries.join_next().await {
        ids.extend(found.map_err(|e| Error::Internal(e.into()))??);
    }
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids.dedup();
    ids.truncate(usize::from(limit).saturating_add(1));
    Ok(ids)
}

impl Offer {
    /// What a change leaves: the listing with the versions that were read, and the product's next one.
    #[must_use]
    pub(super) fn after(
        listing: &Listing,
        dirty: &[bool],
        stock: &[Versioned<Stock>],
        version: Version,
    ) -> Self {
        let bumped = |(found, is_dirty): (&Versioned<_>, &bool)| {
            let mut found = found.clone();
            if *is_dirty {
                found.version = found.version.next();
            }
            found
        };
        let variants = listing.variants.iter().zip(dirty).map(bumped).collect();
        let product = Versioned { value: listing.product.value.clone(), version };
        Self::of(&Listing { product, variants }, stock)
    }
}
