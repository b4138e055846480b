//! Adding, changing and removing variants.

use sutler_domain::{
    idempotency::{Answer, Once},
    ids::{ProductId, SellerId, VariantId},
    money::Money,
    patch::Patch,
    problem::Problem,
    product::{Findings, ListingState, OptionValue, Product, VARIANTS_MAX, Variant},
    stock::{QUANTITY_MAX, Stock},
};
use sutler_store::{
    StoreError, Transaction, Version, Versioned,
    catalog::{Listing, claim_sku, create_variant, free_sku, replace_product, replace_variant},
    stock,
};

use super::{OfferedVariant, RACES_MAX, own_listing, settle};
use crate::{App, Error};

/// What a seller says about a new variant.
#[derive(Debug, Clone, Default)]
pub struct VariantDraft {
    /// A value for each option of the product.
    pub options: Vec<OptionValue>,
    /// The article number; the variant's id when left out.
    pub sku: Option<String>,
    /// Its own price; the product's when left out.
    pub price: Option<Money>,
    /// Its own picture; the product's when left out.
    pub image: Option<String>,
    /// Weight of one, in grams.
    pub weight_g: u32,
    /// How many there are to begin with.
    pub quantity: u32,
}

/// A change of a variant.
#[derive(Debug, Clone)]
pub struct VariantChange {
    /// New option values.
    pub options: Patch<Vec<OptionValue>>,
    /// New article number.
    pub sku: Patch<String>,
    /// Its own price, or the product's from now on.
    pub price: Patch<Money>,
    /// Its own picture, or the product's from now on.
    pub image: Patch<String>,
    /// New weight.
    pub weight_g: Patch<u32>,
}

impl VariantDraft {
    /// Makes the next variant of `product`.
    pub(super) fn into_variant(
        self,
        app: &App,
        product: &mut Product,
        pointer: &str,
        findings: &mut Findings,
    ) -> Result<Variant, Problem> {
        let id = VariantId::of(&product.id, product.next_index);
        let id = id.ok_or(Problem::InUse { what: "all variant numbers of the product" })?;
        product.next_index = product.next_index.saturating_add(1);
        if self.quantity > QUANTITY_MAX {
            findings.add(format!("{pointer}/quantity"), "out-of-range");
        }
        let variant = Variant {
            product: product.id.clone(),
            seller: product.seller.clone(),
            seller_name: String::new(),
            title: String::new(),
            options: findings.chosen(&format!("{pointer}/options"), &product.options, &self.options),
            sku: self.sku.unwrap_or_else(|| id.to_string()),
            price: self.price.unwrap_or(product.price),
            own_price: self.price.is_some(),
            category: product.category.clone(),
            tax_class: product.tax_class.clone(),
            own_image: self.image.is_some(),
            image: self.image,
            state: ListingState::Active,
            weight_g: self.weight_g,
            flash_sale: None,
            id,
        };
        check(app, &variant, pointer, findings);
        Ok(variant.following(product))
    }
}

/// Checks what is the variant's own; the rest was checked with the product.
fn check(app: &App, variant: &Variant, pointer: &str, findings: &mut Findings) {
    findings.sku(&format!("{pointer}/sku"), &variant.sku);
    findings.weight(&format!("{pointer}/weight_g"), variant.weight_g);
    if variant.own_price {
        findings.price(&format!("{pointer}/price"), variant.price, app.settings.currency);
    }
    if let (true, Some(image)) = (variant.own_image, &variant.image) {
        findings.image(&format!("{pointer}/image"), image);
    }
}

/// The variants that are for sale, beside `except`.
fn others<'a>(listing: &'a Listing, except: &'a VariantId) -> impl Iterator<Item = &'a Variant> {
    let all = listing.variants.iter().map(|found| &found.value);
    all.filter(move |variant| variant.is_active() && variant.id != *except)
}

/// Works a change of a listing out, again and again as long as another change of the listing came first.
macro_rules! until_first {
    ($attempt:expr) => {{
        for _ in 0..RACES_MAX {
            if let Some(answer) = $attempt.await? {
                return Ok(answer);
            }
        }
        Err(Problem::Conflict.into())
    }};
}

/// Adds a variant with its first stock.
///
/// # Errors
/// [`Problem::NotFound`] unless the product is the seller's, [`Problem::Invalid`] naming every field that is not
/// acceptable, [`Problem::Taken`] when the article number or the option values are in use.
pub async fn create(
    app: &App,
    seller: &SellerId,
    product: &ProductId,
    draft: VariantDraft,
    once: &Once<OfferedVariant>,
) -> Result<Answer, Error> {
    until_first!(try_create(app, seller, product, draft.clone(), once))
}

async fn try_create(
    app: &App,
    seller: &SellerId,
    product: &ProductId,
    draft: VariantDraft,
    once: &Once<OfferedVariant>,
) -> Result<Option<Answer>, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(Some(answer));
    }
    let listing = own_listing(app, seller, product).await?;
    let mut product = listing.product.value.clone();
    let mut findings = Findings::default();
    let available = draft.quantity;
    let variant = draft.into_variant(app, &mut product, "", &mut findings)?;
    settle(findings)?;
    if others(&listing, &variant.id).count() >= VARIANTS_MAX {
        return Err(Problem::InUse { what: "all places for variants of the product" }.into());
    }
    if others(&listing, &variant.id).any(|other| other.options == variant.options) {
        return Err(Problem::Taken { what: "options" }.into());
    }
    product.updated_at = app.now();

    let mut transaction = Transaction::new();
    let listed = replace_product(&mut transaction, &product, listing.product.version)?;
    let sku = create_variant(&mut transaction, &variant)?;
    stock::create(&mut transaction, &Stock::new(variant.id.clone(), variant.seller.clone(), available))?;
    let outcome =
        OfferedVariant { variant: Versioned { value: variant, version: Version::FIRST }, available };
    match app.store.commit(transaction, once, &outcome).await {
        Err(StoreError::Refused(refusal)) if refusal.failed(listed) => Ok(None),
        Err(StoreError::Refused(refusal)) if refusal.failed(sku) => {
            Err(Problem::Taken { what: "sku" }.into())
        }
        outcome => Ok(Some(outcome?)),
    }
}

/// Changes a variant.
///
/// # Errors
/// [`Problem::NotFound`] unless it is the seller's, [`Problem::Conflict`] unless it is still at `expected`,
/// [`Problem::Invalid`] naming every field that is not acceptable, [`Problem::Taken`] when the article number or
/// the option values are in use.
pub async fn update(
    app: &App,
    seller: &SellerId,
    variant: &VariantId,
    expected: Version,
    change: VariantChange,
    once: &Once<OfferedVariant>,
) -> Result<Answer, Error> {
    until_first!(try_update(app, seller, variant, expected, change.clone(), once))
}

async fn try_update(
    app: &App,
    seller: &SellerId,
    variant: &VariantId,
    expected: Version,
    change: VariantChange,
    once: &Once<OfferedVariant>,
) -> Result<Option<Answer>, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(Some(answer));
    }
    let product = variant.product();
    let (listing, stock) =
        tokio::try_join!(own_listing(app, seller, &product), async { Ok(app.store.stock(variant).await?) })?;
    let found = live_variant(&listing, variant)?;
    if found.version != expected {
        return Err(Problem::Conflict.into());
    }
    let next = changed(app, &listing.product.value, found.value.clone(), change)?;
    if others(&listing, variant).any(|other| other.options == next.options) {
        return Err(Problem::Taken { what: "options" }.into());
    }

    let mut transaction = Transaction::new();
    let product = Product { updated_at: app.now(), ..listing.product.value.clone() };
    let listed = replace_product(&mut transaction, &product, listing.product.version)?;
    replace_variant(&mut transaction, &next, expected)?;
    let sku = if next.sku == found.value.sku {
        None
    } else {
        free_sku(&mut transaction, &found.value);
        Some(claim_sku(&mut transaction, &next)?)
    };
    let outcome = OfferedVariant {
        variant: Versioned { value: next, version: expected.next() },
        available: stock.map_or(0, |stock| stock.value.available),
    };
    match app.store.commit(transaction, once, &outcome).await {
        Err(StoreError::Refused(refusal)) if refusal.failed(listed) => Ok(None),
        Err(StoreError::Refused(refusal)) if sku.is_some_and(|sku| refusal.failed(sku)) => {
            Err(Problem::Taken { what: "sku" }.into())
        }
        outcome => Ok(Some(outcome?)),
    }
}

fn live_variant<'a>(listing: &'a Listing, variant: &VariantId) -> Result<&'a Versioned<Variant>, Problem> {
    let found = listing.variants.iter().find(|found| found.value.id == *variant);
    found.filter(|found| found.value.is_active()).ok_or(Problem::NotFound)
}

fn changed(
    app: &App,
    product: &Product,
    mut variant: Variant,
    change: VariantChange,
) -> Result<Variant, Problem> {
    let mut findings = Findings::default();
    change.sku.replace(&mut variant.sku, "/sku", &mut findings);
    change.weight_g.replace(&mut variant.weight_g, "/weight_g", &mut findings);
    let mut chosen = variant.options.clone();
    change.options.replace(&mut chosen, "/options", &mut findings);
    variant.options = findings.chosen("/options", &product.options, &chosen);
    match change.price {
        Patch::Absent => {}
        Patch::Null => variant.own_price = false,
        Patch::Value(price) => (variant.price, variant.own_price) = (price, true),
    }
    match change.image {
        Patch::Absent => {}
        Patch::Null => variant.own_image = false,
        Patch::Value(image) => (variant.image, variant.own_image) = (Some(image), true),
    }
    check(app, &variant, "", &mut findings);
    settle(findings)?;
    Ok(variant.following(product))
}

/// Takes a variant off the market; its stock stays, and its article number is free again.
///
/// # Errors
/// [`Problem::NotFound`] unless it is the seller's, [`Problem::InUse`] when it is the last one of its product.
pub async fn delete(
    app: &App,
    seller: &SellerId,
    variant: &VariantId,
    once: &Once<()>,
) -> Result<Answer, Error> {
    until_first!(try_delete(app, seller, variant, once))
}

async fn try_delete(
    app: &App,
    seller: &SellerId,
    variant: &VariantId,
    once: &Once<()>,
) -> Result<Option<Answer>, Error> {
    if let Some(answer) = app.store.replay(once).await? {
        return Ok(Some(answer));
    }
    let listing = own_listing(app, seller, &variant.product()).await?;
    let found = live_variant(&listing, variant)?;
    if others(&listing, variant).next().is_none() {
        return Err(Problem::InUse { what: "the last variant of a product is archived with it" }.into());
    }
    let mut transaction = Transaction::new();
    let product = Product { updated_at: app.now(), ..listing.product.value.clone() };
    let listed = replace_product(&mut transaction, &product, listing.product.version)?;
    let gone = Variant { state: ListingState::Archived, ..found.value.clone() };
    replace_variant(&mut transaction, &gone, found.version)?;
    free_sku(&mut transaction, &found.value);
    match app.store.commit(transaction, once, &()).await {
        Err(StoreError::Refused(refusal)) if refusal.failed(listed) => Ok(None),
        outcome => Ok(Some(outcome?)),
    }
}
