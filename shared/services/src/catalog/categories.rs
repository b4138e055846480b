//! The category tree, which only staff change.

use sutler_domain::{
    category::{CATEGORIES_MAX, Category, slug_is_taken, subtree},
    idempotency::{Answer, Once},
    ids::CategoryId,
    patch::Patch,
    problem::Problem,
    product::{Findings, slugify},
};
use sutler_store::{StoreError, Transaction, Version, Versioned, categories::CategoryTree};

use super::{RACES_MAX, settle};
use crate::{App, Error};

const SLUG_CHARS_MAX: usize = 60;

/// A new category.
#[derive(Debug, Clone)]
pub struct CategoryDraft {
    /// What it is called.
    pub name: String,
    /// Its name in addresses; made from the name when left out.
    pub slug: Option<String>,
    /// What it is part of; nothing at the top.
    pub parent: Option<CategoryId>,
}

/// A change of a category.
#[derive(Debug, Clone)]
pub struct CategoryChange {
    /// New name; the slug stays.
    pub name: Patch<String>,
    /// New slug.
    pub slug: Patch<String>,
    /// New parent, or none.
    pub parent: Patch<CategoryId>,
}

/// All categories, ordered by id: parents are not always before their children.
///
/// # Errors
/// [`Error`] when the database does not answer.
pub async fn list(app: &App) -> Result<Vec<Versioned<Category>>, Error> {
    Ok(app.store.category_tree().await?.categories)
}

/// Adds a category.
///
/// # Errors
/// [`Problem::Invalid`] naming every field that is not acceptable, [`Problem::Taken`] when the parent has a child
/// of this slug.
pub async fn create(
    app: &App,
    draft: CategoryDraft,
    once: &Once<Versioned<Category>>,
) -> Result<Answer, Error> {
    let id = CategoryId::generate(&*app.ids, app.now());
    let slug = draft.slug.unwrap_or_else(|| slugify(&draft.name, SLUG_CHARS_MAX));
    let category = Category { id, name: draft.name, slug, parent: draft.parent };
    for _ in 0..RACES_MAX {
        let (replayed, tree) = tokio::try_join!(app.store.replay(once), app.store.category_tree())?;
        if let Some(answer) = replayed {
            return Ok(answer);
        }
        if tree.categories.len() >= CATEGORIES_MAX {
            return Err(Problem::InUse { what: "all places for categories" }.into());
        }
        check(&tree, &category)?;
        let created = Versioned { value: category.clone(), version: Version::FIRST };
        if let Some(answer) = committed(app, tree.create(&category)?, once, &created).await? {
            return Ok(answer);
        }
    }
    Err(Problem::Conflict.into())
}

/// Renames or moves a category.
///
/// # Errors
/// [`Problem::NotFound`] when there is none, [`Problem::Conflict`] unless it is still at `expected`,
/// [`Problem::Invalid`] naming every field that is not acceptable, a move below itself among them,
/// [`Problem::Taken`] when the parent has a child of this slug.
pub async fn update(
    app: &App,
    id: &CategoryId,
    expected: Version,
    change: CategoryChange,
    once: &Once<Versioned<Category>>,
) -> Result<Answer, Error> {
    for _ in 0..RACES_MAX {
        let (replayed, tree) = tokio::try_join!(app.store.replay(once), app.store.category_tree())?;
        if let Some(answer) = replayed {
            return Ok(answer);
        }
        let found = tree.find(id).ok_or(Problem::NotFound)?;
        if found.version != expected {
            return Err(Problem::Conflict.into());
        }
        let category = changed(found.value.clone(), change.clone())?;
        check(&tree, &category)?;
        let transaction = tree.replace(&category, expected)?;
        let updated = Versioned { value: category, version: expected.next() };
        if let Some(answer) = committed(app, transaction, once, &updated).await? {
            return Ok(answer);
        }
    }
    Err(Problem::Conflict.into())
}

/// Deletes a category that nothing is filed in.
///
/// # Errors
/// [`Problem::NotFound`] when there is none, [`Problem::InUse`] while it has children or products.
pub async fn delete(app: &App, id: &CategoryId, once: &Once<()>) -> Result<Answer, Error> {
    for _ in 0..RACES_MAX {
        let (replayed, tree) = tokio::try_join!(app.store.replay(once), app.store.category_tree())?;
        if let Some(answer) = replayed {
            return Ok(answer);
        }
        let found = tree.find(id).ok_or(Problem::NotFound)?;
        if tree.values().any(|other| other.parent.as_ref() == Some(id)) {
            return Err(Problem::InUse { what: "subcategories" }.into());
        }
        let (transaction, empty) = tree.delete(found)?;
        match app.store.commit(transaction, once, &()).await {
            Err(StoreError::Refused(refusal)) if refusal.failed(empty) => {
                return Err(Problem::InUse { what: "products" }.into());
            }
            Err(StoreError::Refused(_)) => {}
            outcome => return Ok(outcome?),
        }
    }
    Err(Problem::Conflict.into())
}

/// The answer, or nothing when the tree changed meanwhile.
async fn committed<T>(
    app: &App,
    transaction: Transaction,
    once: &Once<T>,
    outcome: &T,
) -> Result<Option<Answer>, Error> {
    match app.store.commit(transaction, once, outcome).await {
        Err(StoreError::Refused(_)) => Ok(None),
        outcome => Ok(Some(outcome?)),
    }
}

fn changed(mut category: Category, change: CategoryChange) -> Result<Category, Problem> {
    let mut findings = Findings::default();
    change.name.replace(&mut category.name, "/name", &mut findings);
    change.slug.replace(&mut category.slug, "/slug", &mut findings);
    change.parent.apply_to(&mut category.parent);
    settle(findings)?;
    Ok(category)
}

fn check(tree: &CategoryTree, category: &Category) -> Result<(), Problem> {
    let mut findings = Findings::default();
    findings.brand("/name", &category.name);
    if category.slug.is_empty()
        || category.slug.len() > SLUG_CHARS_MAX
        || slugify(&category.slug, SLUG_CHARS_MAX) != category.slug
    {
        findings.add("/slug", "invalid");
    }
    if let Some(parent) = &category.parent {
        if tree.find(parent).is_none() {
            findings.add("/parent", "unknown");
        } else if subtree(tree.values(), &category.id).contains(parent) {
            findings.add("/parent", "cycle");
        }
    }
    settle(findings)?;
    if slug_is_taken(tree.values(), category) { Err(Problem::Taken { what: "slug" }) } else { Ok(()) }
}
