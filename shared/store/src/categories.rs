//! `CATEGORIES` / `CATEGORY#<category>` and `CATEGORIES` / `TREE` in Catalog: the category tree, read as a whole.
//!
//! Every change of the tree moves the version of `TREE`, so changes happen one after another and each is checked
//! against the whole tree it was read with: no cycle, no twin slug, no orphan can appear by a race.
//! `CATEGORY#<category>` / `PRODUCTS` counts the live products of a category apart from it, so that listing a
//! product neither waits for the tree nor changes the version an editor has read.

use serde::{Deserialize, Serialize};
use sutler_domain::{category::Category, ids::CategoryId};

use crate::{
    codec::{Version, Versioned, decode, encode, number},
    db::{Query, Range, Store, key_part},
    error::{Guard, StoreError},
    keys::{Key, Table},
    write::{Expression, Transaction},
};

/// The whole tree as it was at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CategoryTree {
    /// All categories.
    pub categories: Vec<Versioned<Category>>,
    version: Option<Version>,
}

#[derive(Debug, Serialize, Deserialize)]
struct TreeRecord {}

#[derive(Debug, Serialize, Deserialize)]
struct ProductCount {
    products: u64,
}

const PARTITION: &str = "CATEGORIES";

fn category_key(category: &CategoryId) -> Key {
    Key::new(Table::Catalog, PARTITION, format!("CATEGORY#{category}"))
}

fn tree_key() -> Key {
    Key::new(Table::Catalog, PARTITION, "TREE")
}

fn count_key(category: &CategoryId) -> Key {
    Key::new(Table::Catalog, format!("CATEGORY#{category}"), "PRODUCTS")
}

impl CategoryTree {
    /// The categories without their versions.
    pub fn values(&self) -> impl Iterator<Item = &Category> {
        self.categories.iter().map(|found| &found.value)
    }

    /// A category.
    #[must_use]
    pub fn find(&self, category: &CategoryId) -> Option<&Versioned<Category>> {
        self.categories.iter().find(|found| found.value.id == *category)
    }

    /// Claims the next step of the tree: it fails when the tree changed since it was read.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
    fn step(&self, transaction: &mut Transaction) -> Result<(), StoreError> {
        let next = self.version.map_or(Version::FIRST, Version::next);
        let item = encode(&tree_key(), "category_tree", next, &TreeRecord {})?;
        match self.version {
            None => transaction.create(tree_key(), item),
            Some(version) => transaction.replace(tree_key(), item, version),
        };
        Ok(())
    }

    /// The writes that add `category`.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
    pub fn create(&self, category: &Category) -> Result<Transaction, StoreError> {
        let mut transaction = Transaction::new();
        self.step(&mut transaction)?;
        let key = category_key(&category.id);
        let item = encode(&key, "category", Version::FIRST, category)?;
        transaction.create(key, item);
        let key = count_key(&category.id);
        let item = encode(&key, "product_count", Version::FIRST, &ProductCount { products: 0 })?;
        transaction.create(key, item);
        Ok(transaction)
    }

    /// The writes that change `category`, which was read at `expected`.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
    pub fn replace(&self, category: &Category, expected: Version) -> Result<Transaction, StoreError> {
        let mut transaction = Transaction::new();
        self.step(&mut transaction)?;
        let key = category_key(&category.id);
        let item = encode(&key, "category", expected.next(), category)?;
        transaction.replace(key, item, expected);
        Ok(transaction)
    }

    /// The writes that delete `category`; the guard fails when products are filed in it.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] when it cannot be represented, which is a bug.
    pub fn delete(&self, category: &Versioned<Category>) -> Result<(Transaction, Guard), StoreError> {
        let mut transaction = Transaction::new();
        self.step(&mut transaction)?;
        let id = &category.value.id;
        transaction.delete(category_key(id), Expression::at_version(category.version));
        let empty = Expression::when("#products = :none").with(":none", number(0));
        let guard = transaction.delete(count_key(id), empty);
        Ok((transaction, guard))
    }
}

/// Counts one product more; the guard fails when there is no such category.
pub fn file_product(transaction: &mut Transaction, category: &CategoryId) -> Guard {
    let change = Expression::when("attribute_exists(#pk)")
        .then("SET #products = #products + :one, #version = #version + :one")
        .with(":one", number(1));
    transaction.update(count_key(category), change)
}

/// Counts one product less.
pub fn unfile_product(transaction: &mut Transaction, category: &CategoryId) -> Guard {
    let change = Expression::when("#products >= :one")
        .then("SET #products = #products - :one, #version = #version + :one")
        .with(":one", number(1));
    transaction.update(count_key(category), change)
}

impl Store {
    /// The whole category tree, in one round trip.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn category_tree(&self) -> Result<CategoryTree, StoreError> {
        let query = Query {
            table: Table::Catalog,
            index: None,
            pk: PARTITION.to_owned(),
            range: Range::All,
            descending: true,
            limit: 1_000,
            consistent: true,
        };
        // `TREE` sorts last, so reading backwards starts with it. Its limit of categories leaves room for it.
        let items = self.query(&query).await?;
        let (trees, categories): (Vec<_>, Vec<_>) =
            items.iter().partition(|item| key_part(item, "sk") == "TREE");
        let version = trees.first().map(|item| decode::<TreeRecord>(item)).transpose()?.map(|t| t.version);
        let categories = categories.into_iter().rev().map(decode).collect::<Result<_, _>>()?;
        Ok(CategoryTree { categories, version })
    }
}
