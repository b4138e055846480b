//! What is sold: products with their variants, and the categories they are filed in.
//!
//! A listing changes as a whole: every change of a product or of one of its variants moves the product's version,
//! so two changes made from the same state never both happen.

pub mod categories;
pub mod products;
pub mod read;
pub mod variants;

use sutler_domain::{
    ids::{ProductId, SellerId, UserId},
    problem::Problem,
    product::{Product, Variant},
};
use sutler_store::{Versioned, catalog::Listing, users::Seller};

use crate::{App, Error};

/// How often a change is worked out again because another change of the same listing came first.
const RACES_MAX: u32 = 5;

/// A product as it is shown: with what is free of each variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The product.
    pub product: Versioned<Product>,
    /// The variants that are for sale.
    pub variants: Vec<OfferedVariant>,
}

/// A variant as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedVariant {
    /// The variant.
    pub variant: Versioned<Variant>,
    /// How many are free.
    pub available: u32,
}

/// The shop of `user`.
///
/// # Errors
/// [`Problem::SellerRequired`] when the user has none.
pub async fn shop(app: &App, user: &UserId) -> Result<Seller, Error> {
    let found = app.store.seller(&SellerId::of_user(user)).await?;
    Ok(found.ok_or(Problem::SellerRequired)?.value)
}

/// A live listing of `seller`. That of another seller does not exist.
async fn own_listing(app: &App, seller: &SellerId, product: &ProductId) -> Result<Listing, Error> {
    let found = app.store.listing(product).await?;
    let own =
        found.filter(|listing| listing.product.value.seller == *seller && listing.product.value.is_active());
    Ok(own.ok_or(Problem::NotFound)?)
}

/// Ends the collection of findings: everything is fine, or the caller learns all that is not.
pub(crate) fn settle(findings: sutler_domain::product::Findings) -> Result<(), Problem> {
    let errors = findings.into_errors();
    if errors.is_empty() { Ok(()) } else { Err(Problem::Invalid(errors)) }
}
