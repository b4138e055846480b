//! The category tree.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::ids::CategoryId;

/// The most categories there are: the whole tree is read at once.
pub const CATEGORIES_MAX: usize = 900;

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// Its id.
    pub id: CategoryId,
    /// What it is called.
    pub name: String,
    /// Its name in addresses, unique among the children of its parent.
    pub slug: String,
    /// What it is part of; none at the top.
    pub parent: Option<CategoryId>,
}

/// `root` and everything below it, breadth first.
#[must_use]
pub fn subtree<'a>(categories: impl IntoIterator<Item = &'a Category>, root: &CategoryId) -> Vec<CategoryId> {
    let mut children: HashMap<&CategoryId, Vec<&CategoryId>> = HashMap::new();
    for category in categories {
        if let Some(parent) = &category.parent {
            children.entry(parent).or_default().push(&category.id);
        }
    }
    let mut found = vec![root];
    let mut seen = HashSet::from([root]);
    let mut next = 0;
    while let Some(category) = found.get(next).copied() {
        next = next.saturating_add(1);
        // `seen` ends the walk even on a tree that somehow got a cycle.
        let below = children.get(category).into_iter().flatten().copied();
        found.extend(below.filter(|child| seen.insert(child)));
    }
    found.into_iter().cloned().collect()
}

/// Whether another child of the same parent has this slug.
#[must_use]
pub fn slug_is_taken<'a>(categories: impl IntoIterator<Item = &'a Category>, category: &Category) -> bool {
    categories.into_iter().any(|other| {
        other.id != category.id && other.parent == category.parent && other.slug == category.slug
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> CategoryId {
        CategoryId::parse(&format!("cat_01J8ZQ5K3N0V7X2Y4T6B8D9F{n:02}")).unwrap()
    }

    fn category(n: u8, parent: Option<u8>) -> Category {
        Category { id: id(n), name: format!("c{n}"), slug: format!("c{n}"), parent: parent.map(id) }
    }

    #[test]
    fn a_subtree_holds_every_descendant_once() {
        let tree = [category(1, None), category(2, Some(1)), category(3, Some(2)), category(4, None)];
        assert_eq!(subtree(&tree, &id(1)), [id(1), id(2), id(3)]);
        assert_eq!(subtree(&tree, &id(4)), [id(4)]);
        let cycle = [category(1, Some(2)), category(2, Some(1))];
        assert_eq!(subtree(&cycle, &id(1)), [id(1), id(2)]);
    }

    #[test]
    fn a_slug_is_unique_per_parent() {
        let tree = [category(1, None), category(2, Some(1))];
        let twin = |parent| Category { id: id(9), slug: "c2".to_owned(), ..category(9, parent) };
        assert!(slug_is_taken(&tree, &twin(Some(1))));
        assert!(!slug_is_taken(&tree, &twin(None)));
        assert!(!slug_is_taken(&tree, &tree[1]));
    }
}
