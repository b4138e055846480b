//! A seller takes all counts home as a table.

use sutler_domain::ids::ProductId;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{catalog, stock_exports};

use crate::table_views::{ExportView, LAYOUT, Tables};

/// Writes the stock of everything the caller has for sale to a CSV file, and answers where to fetch it. It begins with
/// the columns that an import reads, so it can be corrected and sent back; what was not corrected changes nothing.
///
/// # Errors
/// 403 without a shop.
#[utoipa::path(
    get,
    path = "/v1/inventory/export",
    operation_id = "export_inventory",
    tag = "inventory",
    params(
        ("cursor" = Option<String>, Query, description = "Where the table starts: `next_cursor` of the one before"),
    ),
    responses(
        (status = 200, description = "The table is written", body = ExportView),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "E-mail address not verified, or no shop", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "Invalid fields", body = ProblemView, content_type = "application/problem+json"),
        (status = 503, description = "Repeat the call", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(state: &Tables, request: Request) -> Result<Response<Body>, ApiError> {
    let (app, files) = (&state.app, state.files.as_ref());
    let user = request::verified_user(app, &request).await?.sub;
    let after = request::query(&request, "cursor", ProductId::parse)?;
    let shop = catalog::shop(app, &user).await?;
    let export = stock_exports::write(app, files, &shop.id, after, LAYOUT).await?;
    Ok(response::ok(&ExportView::new(export, app.now())))
}
