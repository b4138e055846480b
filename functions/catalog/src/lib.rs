//! The catalogue: products, variants and categories.

pub mod archive_product;
pub mod create_category;
pub mod create_product;
pub mod create_variant;
pub mod delete_category;
pub mod delete_variant;
pub mod get_product;
pub mod list_categories;
pub mod list_products;
pub mod update_category;
pub mod update_product;
pub mod update_variant;
pub mod views;

use sutler_domain::{
    ids::{ProductId, VariantId},
    problem::Problem,
};
use sutler_http::{ApiError, Request, request};

/// The variant a path names. Below another product it does not exist.
fn variant_of_path(request: &Request) -> Result<VariantId, ApiError> {
    let product = request::path(request, "product", ProductId::parse)?;
    let variant = request::path(request, "variant", VariantId::parse)?;
    if variant.product() == product { Ok(variant) } else { Err(Problem::NotFound.into()) }
}

/// The part of the API description that these endpoints make up.
#[derive(Debug, utoipa::OpenApi)]
#[openapi(paths(
    create_product::handle,
    update_product::handle,
    archive_product::handle,
    get_product::handle,
    list_products::handle,
    create_variant::handle,
    update_variant::handle,
    delete_variant::handle,
    create_category::handle,
    list_categories::handle,
    update_category::handle,
    delete_category::handle
))]
pub struct ApiDoc;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_hostile;
