//! Catalog: `PRODUCT#<product>` / `PRODUCT` with its `VARIANT#<variant>`s; `SLUG#product#<slug>` / `SLUG` and
//! `SKU#<seller>#<sku>` / `SKU` make names unique. Live products are in the indexes `by_category`, `newest` and
//! `by_seller`; these only find candidates.

use serde::{Deserialize, Serialize};
use sutler_domain::{
    ids::{CategoryId, ProductId, SellerId, VariantId},
    product::{Product, Variant},
};

use crate::{
    codec::{Version, Versioned, decode, encode, number, text},
    db::{Query, Range, Store, key_part},
    error::{Guard, Item, StoreError},
    keys::{Key, Table},
    write::{Expression, Transaction},
};

/// A product with its variants, read at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The product.
    pub product: Versioned<Product>,
    /// Its variants in the order of their numbers, archived ones included.
    pub variants: Vec<Versioned<Variant>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SlugRecord {
    product: ProductId,
}

#[derive(Debug, Serialize, Deserialize)]
struct SkuRecord {
    variant: VariantId,
}

fn partition(product: &ProductId) -> String {
    format!("PRODUCT#{product}")
}

/// Where a product is.
#[must_use]
pub fn product_key(product: &ProductId) -> Key {
    Key::new(Table::Catalog, partition(product), "PRODUCT")
}

/// Where a variant is.
#[must_use]
pub fn variant_key(variant: &VariantId) -> Key {
    Key::new(Table::Catalog, partition(&variant.product()), format!("VARIANT#{variant}"))
}

fn slug_key(slug: &str) -> Key {
    Key::new(Table::Catalog, format!("SLUG#product#{slug}"), "SLUG")
}

fn sku_key(seller: &SellerId, sku: &str) -> Key {
    Key::new(Table::Catalog, format!("SKU#{seller}#{sku}"), "SKU")
}

/// The item of a product. An archived one has no index attributes, which takes it out of every list.
fn product_item(product: &Product, version: Version) -> Result<Item, StoreError> {
    let mut item = encode(&product_key(&product.id), "product", version, product)?;
    if product.is_active() {
        for (name, value) in [
            ("gsi1pk", format!("CAT#{}", product.category)),
            ("gsi2pk", "LIVE".to_owned()),
            ("gsi3pk", format!("SELLER#{}", product.seller)),
        ] {
            item.insert(name.to_owned(), text(value));
        }
        for name in ["gsi1sk", "gsi2sk", "gsi3sk"] {
            item.insert(name.to_owned(), text(product.id.as_str()));
        }
    }
    Ok(item)
}

fn variant_item(variant: &Variant, version: Version) -> Result<Item, StoreError> {
    encode(&variant_key(&variant.id), "variant", version, variant)
}

/// Creates a product and claims its slug; answers the guard of the slug.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn create_product(transaction: &mut Transaction, product: &Product) -> Result<Guard, StoreError> {
    transaction.create(product_key(&product.id), product_item(product, Version::FIRST)?);
    let key = slug_key(&product.slug);
    let record = SlugRecord { product: product.id.clone() };
    let item = encode(&key, "slug", Version::FIRST, &record)?;
    Ok(transaction.create(key, item))
}

/// Replaces a product that is still at `expected`.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn replace_product(
    transaction: &mut Transaction,
    product: &Product,
    expected: Version,
) -> Result<Guard, StoreError> {
    let item = product_item(product, expected.next())?;
    Ok(transaction.replace(product_key(&product.id), item, expected))
}

/// Creates a variant and claims its article number; answers the guard of the number.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn create_variant(transaction: &mut Transaction, variant: &Variant) -> Result<Guard, StoreError> {
    transaction.create(variant_key(&variant.id), variant_item(variant, Version::FIRST)?);
    claim_sku(transaction, variant)
}

/// Replaces a variant that is still at `expected`.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn replace_variant(
    transaction: &mut Transaction,
    variant: &Variant,
    expected: Version,
) -> Result<Guard, StoreError> {
    let item = variant_item(variant, expected.next())?;
    Ok(transaction.replace(variant_key(&variant.id), item, expected))
}

/// Claims the article number of `variant`; the guard fails when another variant of the shop has it.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn claim_sku(transaction: &mut Transaction, variant: &Variant) -> Result<Guard, StoreError> {
    claim_number(transaction, &variant.seller, &variant.sku, &variant.id)
}

/// Claims an article number of a shop for a variant.
///
/// # Errors
/// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
pub fn claim_number(
    transaction: &mut Transaction,
    seller: &SellerId,
    sku: &str,
    variant: &VariantId,
) -> Result<Guard, StoreError> {
    let key = sku_key(seller, sku);
    let item = encode(&key, "sku", Version::FIRST, &SkuRecord { variant: variant.clone() })?;
    Ok(transaction.create(key, item))
}

/// Gives up the article number that `variant` holds.
pub fn free_sku(transaction: &mut Transaction, variant: &Variant) -> Guard {
    let held = Expression::when("#variant = :variant").with(":variant", text(variant.id.as_str()));
    transaction.delete(sku_key(&variant.seller, &variant.sku), held)
}

/// Lets all fail unless the variant is still at `version`: what was read of it stays true until the commit.
pub fn check_variant(transaction: &mut Transaction, variant: &VariantId, version: Version) -> Guard {
    let unchanged = Expression::when("#version = :expected").with(":expected", number(version.0));
    transaction.check(variant_key(variant), unchanged)
}

/// Which products to list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProductList {
    /// All of them.
    Newest,
    /// Those filed in this very category.
    Category(CategoryId),
    /// Those of a shop.
    Seller(SellerId),
}

impl Store {
    /// A product with all its variants, in one round trip.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn listing(&self, product: &ProductId) -> Result<Option<Listing>, StoreError> {
        let query = Query {
            table: Table::Catalog,
            index: None,
            pk: partition(product),
            range: Range::All,
            descending: false,
            limit: 101,
            consistent: true,
        };
        let items = self.query(&query).await?;
        // The product sorts before its variants; half a listing is an error.
        let Some((first, rest)) = items.split_first() else { return Ok(None) };
        let variants = rest.iter().map(decode).collect::<Result<_, _>>()?;
        Ok(Some(Listing { product: decode(first)?, variants }))
    }

    /// The product that has `slug`.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn product_of_slug(&self, slug: &str) -> Result<Option<ProductId>, StoreError> {
        let item = self.get(&slug_key(slug)).await?;
        Ok(item.as_ref().map(decode::<SlugRecord>).transpose()?.map(|found| found.value.product))
    }

    /// A variant.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn variant(&self, variant: &VariantId) -> Result<Option<Versioned<Variant>>, StoreError> {
        self.get(&variant_key(variant)).await?.as_ref().map(decode).transpose()
    }

    /// Ids of products that were in `list` a moment ago, newest first, older than `before`.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn product_candidates(
        &self,
        list: &ProductList,
        before: Option<&ProductId>,
        limit: u16,
    ) -> Result<Vec<ProductId>, StoreError> {
        let (index, sk, pk) = match list {
            ProductList::Category(id) => (("by_category", "gsi1pk", "gsi1sk"), "gsi1sk", format!("CAT#{id}")),
            ProductList::Newest => (("newest", "gsi2pk", "gsi2sk"), "gsi2sk", "LIVE".to_owned()),
            ProductList::Seller(id) => (("by_seller", "gsi3pk", "gsi3sk"), "gsi3sk", format!("SELLER#{id}")),
        };
        let query = Query {
            table: Table::Catalog,
            index: Some(index),
            pk,
            range: before.map_or(Range::All, |id| Range::Before(id.to_string())),
            descending: true,
            limit: i32::from(limit),
            consistent: false,
        };
        let items = self.query(&query).await?;
        let read = |item: &Item| {
            ProductId::parse(&key_part(item, sk)).map_err(|source| StoreError::Corrupt {
                key: format!("{}/{}", key_part(item, "pk"), key_part(item, "sk")),
                source: source.into(),
            })
        };
        items.iter().map(read).collect()
    }

    /// The products themselves, in the order asked (at most 100); `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn products(&self, ids: &[ProductId]) -> Result<Vec<Option<Versioned<Product>>>, StoreError> {
        let keys: Vec<Key> = ids.iter().map(product_key).collect();
        self.get_many(&keys).await?.iter().map(|item| item.as_ref().map(decode).transpose()).collect()
    }

    /// Variants, in the order asked; `None` where there is none. The caller bounds how many.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn variants(&self, ids: &[VariantId]) -> Result<Vec<Option<Versioned<Variant>>>, StoreError> {
        let keys: Vec<Key> = ids.iter().map(variant_key).collect();
        self.get_all(&keys).await?.iter().map(|item| item.as_ref().map(decode).transpose()).collect()
    }

    /// The variants of a shop that have these article numbers (at most 100), in the order asked.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn variants_of_skus(
        &self,
        seller: &SellerId,
        skus: &[&str],
    ) -> Result<Vec<Option<VariantId>>, StoreError> {
        let keys: Vec<Key> = skus.iter().map(|sku| sku_key(seller, sku)).collect();
        let read = |item: &Item| decode::<SkuRecord>(item).map(|found| found.value.variant);
        self.get_many(&keys).await?.iter().map(|item| item.as_ref().map(read).transpose()).collect()
    }

    /// Live products of a shop as they were a moment ago, newest first, older than `before`. There are no more only when
    /// there is none.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn products_of_seller(
        &self,
        seller: &SellerId,
        before: Option<&ProductId>,
        limit: u16,
    ) -> Result<Vec<Product>, StoreError> {
        let query = Query {
            table: Table::Catalog,
            index: Some(("by_seller", "gsi3pk", "gsi3sk")),
            pk: format!("SELLER#{seller}"),
            range: before.map_or(Range::All, |id| Range::Before(id.to_string())),
            descending: true,
            limit: i32::from(limit),
            consistent: false,
        };
        let items = self.query(&query).await?;
        items.iter().map(|item| decode::<Product>(item).map(|found| found.value)).collect()
    }
}
