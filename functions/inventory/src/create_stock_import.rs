//! A seller is about to send a table of counts.

use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{catalog, stock_imports};

use crate::table_views::{NewStockImportView, StockImportInput, Tables};

/// Prepares an import of counts. The answer says where to upload the table: CSV in UTF-8 with the columns `sku`,
/// `quantity` (how many are in the warehouse, those held and paid for included) and, if you like, `reason`; others are
/// ignored. It is carried out as soon as it is uploaded, row by row, each once. The same counts again change nothing.
///
/// # Errors
/// 403 without a shop, 422 when no file may have that size.
#[utoipa::path(
    post,
    path = "/v1/inventory/imports",
    operation_id = "create_stock_import",
    tag = "inventory",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call answer with the same import"),
    ),
    request_body = StockImportInput,
    responses(
        (status = 201, description = "Upload the file now", body = NewStockImportView),
        (status = 400, description = "Not JSON", body = ProblemView, content_type = "application/problem+json"),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "E-mail address not verified, or no shop", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "Invalid fields", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(state: &Tables, request: Request) -> Result<Response<Body>, ApiError> {
    let (app, files) = (&state.app, state.files.as_ref());
    let user = request::verified_user(app, &request).await?.sub;
    let input: StockImportInput = request::json(&request)?;
    let once = request::once(app, &request, user.as_str(), "create_stock_import", stock_imports::remembered)?;
    let shop = catalog::shop(app, &user).await?;
    let import = stock_imports::create(app, &shop.id, input.bytes, &once).await?;
    let link = stock_imports::upload(app, files, &import)?;
    Ok(response::created(&NewStockImportView::new(&import, link, app.now())))
}
