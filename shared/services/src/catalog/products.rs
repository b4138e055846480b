//! Listing, changing and archiving products.

use std::collections::HashSet;

use sutler_domain::{
    idempotency::{Answer, Once},
    ids::{CategoryId, ProductId, SellerId, UserId},
    money::Money,
    patch::Patch,
    problem::Problem,
    product::{
        Findings, ListingState, OptionValue, Product, ProductOption, VARIANTS_AT_CREATION_MAX, product_slug,
    },
    stock::Stock,
    tax::TaxClass,
};
use sutler_store::{
    StoreError, Transaction, Version, Versioned,
    catalog::{Listing, create_product, create_variant, replace_product, replace_variant},
    categories::{file_product, unfile_product},
    stock,
};

use super::{Offer, OfferedVariant, own_listing, settle, shop, variants::VariantDraft};
use crate::{App, Error};

/// What a seller says about a new product.
#[derive(Debug, Clone)]
pub struct ProductDraft {
    /// What it is called.
    pub title: String,
    /// What it is.
    pub description: String,
    /// Who makes it.
    pub brand: Option<String>,
    /// Where to file it.
    pub category: CategoryId,
    /// What kind of goods it is for the tax office, unless it is taxed as usual.
    pub tax_class: Option<TaxClass>,
    /// What its variants cost unless they say otherwise.
    pub price: Money,
    /// Its picture.
    pub image: Option<String>,
    /// What the buyer chooses.
    pub options: Vec<ProductOption>,
    /// Its variants; none means the one of a product without options.
    pub variants: Vec<VariantDraft>,
}

/// A change of a product.
#[derive(Debug, Clone)]
pub struct ProductChange {
    /// New title; the slug stays.
    pub title: Patch<String>,
    /// New description.
    pub description: Patch<String>,
    /// New brand.
    pub brand: Patch<String>,
    /// New category.
    pub category: Patch<CategoryId>,
    /// New kind of goods for the tax office, or the usual; its variants follow.
    pub tax_class: Patch<TaxClass>,
    /// New base price; variants without a price of their own follow.
    pub price: Patch<Money>,
    /// New picture; variants without a picture of their own follow.
    pub image: Patch<String>,
    /// New options; every variant must still fit them.
    pub options: Patch<Vec<ProductOption>>,
}

fn check(app: &App, product: &Product) -> Findings {
    let mut findings = Findings::default();
    findings.title("/title", &product.title);
    findings.description("/description", &product.description);
    if let Some(brand) = &product.brand {
        findings.brand("/brand", brand);
    }
    if let Some(image) = &product.image {
        findings.image("/image", image);
    }
    findings.price("/price", product.price, app.settings.currency);
    findings.options("/options", &product.options);
    findings
}

/// Lists a product with its first variants and their stock.
///
/// # Errors
/// [`Problem::SellerRequired`] without a shop, [`Problem::Invalid`] naming every field that is not acceptable,
/// [`Problem::Taken`] when an article number is in use in the shop.
pub async fn create(
    app: &App,
    user: &UserId,
    draft: ProductDraft,
    once: &Once<Offer>,
) -> Result<Answer, Error> {
    let seller = shop(app, user).await?;
    let now = app.now();
    let id = ProductId::generate(&*app.ids, now);
    let mut product = Product {
        slug: product_slug(&draft.title, &id),
        id,
        seller: seller.id,
        seller_name: seller.name,
        title: draft.title,
        description: draft.description,
        brand: draft.brand,
        category: draft.category,
        tax_class: draft.tax_class,
        price: draft.price,
        image: draft.image,
        options: draft.options,
        state: ListingState::Active,
        next_index: 0,
        created_at: now,
        updated_at: now,
    };
    let drafts = if draft.variants.is_empty() && product.options.is_empty() {
        vec![VariantDraft::default()]
    } else {
        draft.variants
    };
    let variants = first_variants(app, &mut product, drafts)?;

    let mut transaction = Transaction::new();
    let category = file_product(&mut transaction, &product.category);
    create_product(&mut transaction, &product)?;
    let mut skus = Vec::with_capacity(variants.len());
    for OfferedVariant { variant, available } in &variants {
        skus.push(create_variant(&mut transaction, &variant.value)?);
        let first = Stock::new(variant.value.id.clone(), product.seller.clone(), *available);
        stock::create(&mut transaction, &first)?;
    }
    let offer = Offer { product: Versioned { value: product, version: Version::FIRST }, variants };
    match app.store.commit(transaction, once, &offer).await {
        Err(StoreError::Refused(refusal)) if refusal.failed(category) => {
            Err(Problem::field("/category", "unknown").into())
        }
        Err(StoreError::Refused(refusal)) if skus.iter().any(|sku| refusal.failed(*sku)) => {
            Err(Problem::Taken { what: "sku" }.into())
        }
        outcome => Ok(outcome?),
    }
}

fn first_variants(
    app: &App,
    product: &mut Product,
    drafts: Vec<VariantDraft>,
) -> Result<Vec<OfferedVariant>, Problem> {
    let mut findings = check(app, product);
    if drafts.is_empty() {
        findings.add("/variants", "missing");
    }
    if drafts.len() > VARIANTS_AT_CREATION_MAX {
        findings.add("/variants", "too-many");
        settle(findings)?;
        return Ok(Vec::new());
    }
    let mut variants = Vec::with_capacity(drafts.len());
    for (at, draft) in drafts.into_iter().enumerate() {
        let available = draft.quantity;
        let variant = draft.into_variant(app, product, &format!("/variants/{at}"), &mut findings)?;
        variants.push(OfferedVariant {
            variant: Versioned { value: variant, version: Version::FIRST },
            available,
        });
    }
    let mut skus = HashSet::new();
    let mut chosen: Vec<&[OptionValue]> = Vec::new();
    for (at, OfferedVariant { variant, .. }) in variants.iter().enumerate() {
        if !skus.insert(&variant.value.sku) {
            findings.add(format!("/variants/{at}/sku"), "duplicate");
        }
        if chosen.contains(&variant.value.options.as_slice()) {
            findings.add(format!("/variants/{at}/options"), "duplicate");
        }
        chosen.push(&variant.value.options);
    }
    settle(findings)?;
    Ok(variants)
}

/// Changes a product, and in the same step everything its variants show of it.
///
/// # Errors
/// [`Problem::NotFound`] unless it is the seller's, [`Problem::Conflict`] unless it is still at `expected`,
/// [`Problem::Invalid`] naming every field that is not acceptable.
pub async fn update(
    app: &App,
    seller: &SellerId,
    product: &ProductId,
    expected: Version,
    change: ProductChange,
    once: &Once<Offer>,
) -> Result<Answer, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(answer);
    }
    let (listing, stock) = tokio::try_join!(own_listing(app, seller, product), async {
        Ok(app.store.product_stock(product).await?)
    })?;
    if listing.product.version != expected {
        return Err(Problem::Conflict.into());
    }
    let old_category = listing.product.value.category.clone();
    let (changed, dirty) = changed(app, listing, change)?;

    let mut transaction = Transaction::new();
    let product = &changed.product.value;
    replace_product(&mut transaction, product, expected)?;
    for (found, is_dirty) in changed.variants.iter().zip(&dirty) {
        if *is_dirty {
            replace_variant(&mut transaction, &found.value, found.version)?;
        }
    }
    let filed = (product.category != old_category).then(|| {
        unfile_product(&mut transaction, &old_category);
        file_product(&mut transaction, &product.category)
    });
    let offer = Offer::after(&changed, &dirty, &stock, expected.next());
    match app.store.commit(transaction, once, &offer).await {
        Err(StoreError::Refused(refusal)) if filed.is_some_and(|guard| refusal.failed(guard)) => {
            Err(Problem::field("/category", "unknown").into())
        }
        outcome => Ok(outcome?),
    }
}

/// The listing after a change, and which of its variants changed with it. Versions are those that were read.
fn changed(app: &App, listing: Listing, change: ProductChange) -> Result<(Listing, Vec<bool>), Problem> {
    let mut nulls = Findings::default();
    let Versioned { value: mut product, version } = listing.product;
    change.title.replace(&mut product.title, "/title", &mut nulls);
    change.description.replace(&mut product.description, "/description", &mut nulls);
    change.category.replace(&mut product.category, "/category", &mut nulls);
    change.price.replace(&mut product.price, "/price", &mut nulls);
    change.options.replace(&mut product.options, "/options", &mut nulls);
    change.brand.apply_to(&mut product.brand);
    change.tax_class.apply_to(&mut product.tax_class);
    change.image.apply_to(&mut product.image);
    product.updated_at = app.now();
    settle(nulls)?;

    let mut findings = check(app, &product);
    let mut variants = Vec::with_capacity(listing.variants.len());
    let mut dirty = Vec::with_capacity(listing.variants.len());
    for found in listing.variants {
        let mut next = found.value.clone();
        if next.is_active() {
            next = next.following(&product);
            next.options = findings.chosen("/options", &product.options, &found.value.options);
        }
        dirty.push(next != found.value);
        variants.push(Versioned { value: next, version: found.version });
    }
    settle(findings)?;
    Ok((Listing { product: Versioned { value: product, version }, variants }, dirty))
}

/// Takes a product off the market with all its variants. Orders keep their snapshots, stock stays where it is,
/// and its article numbers stay taken.
///
/// # Errors
/// [`Problem::NotFound`] unless it is the seller's.
pub async fn archive(
    app: &App,
    seller: &SellerId,
    product: &ProductId,
    once: &Once<()>,
) -> Result<Answer, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(answer);
    }
    let listing = own_listing(app, seller, product).await?;
    let mut transaction = Transaction::new();
    let Versioned { value: mut product, version } = listing.product;
    product.state = ListingState::Archived;
    product.updated_at = app.now();
    replace_product(&mut transaction, &product, version)?;
    unfile_product(&mut transaction, &product.category);
    for Versioned { value: mut variant, version } in listing.variants {
        if variant.is_active() {
            variant.state = ListingState::Archived;
            replace_variant(&mut transaction, &variant, version)?;
        }
    }
    Ok(app.store.commit(transaction, once, &()).await?)
}
