//! A seller looks at the stock of a variant.

use sutler_domain::ids::{SellerId, VariantId};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, inventory};

use crate::views::StockView;

/// Answers the stock of a variant.
///
/// # Errors
/// 404 unless it is the caller's.
#[utoipa::path(
    get,
    path = "/v1/inventory/{variant}",
    operation_id = "get_stock",
    tag = "inventory",
    params(
        ("variant" = String, Path, description = "Variant id"),
    ),
    responses(
        (status = 200, description = "The stock", body = StockView),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "E-mail address not verified", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "Missing or not yours", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::verified_user(app, &request).await?.sub;
    let variant = request::path(&request, "variant", VariantId::parse)?;
    let found = inventory::get(app, &SellerId::of_user(&user), &variant).await?;
    Ok(response::versioned(&StockView::from(&found), found.stock.version))
}
