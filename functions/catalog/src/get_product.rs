//! Anyone looks at a product.

use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{
    App,
    catalog::read::{self, ProductName},
};

use crate::views::ProductView;

/// Answers a product by id or slug, with what is free of each variant.
///
/// # Errors
/// 404 when there is none or it is archived.
#[utoipa::path(
    get,
    path = "/v1/products/{product}",
    operation_id = "get_product",
    tag = "catalog",
    params(
        ("product" = String, Path, description = "Product id or slug"),
    ),
    responses(
        (status = 200, description = "The product", body = ProductView),
        (status = 404, description = "No such product", body = ProblemView, content_type = "application/problem+json"),
    ),
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let name = request::path(&request, "product", ProductName::parse)?;
    let offer = read::product(app, &name).await?;
    Ok(response::versioned(&ProductView::from(&offer), offer.product.version))
}
