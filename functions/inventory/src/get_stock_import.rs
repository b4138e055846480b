//! A seller sees what became of a table of counts.

use sutler_domain::ids::{ImportId, SellerId};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{
    App,
    stock_imports::{self, Which},
};

use crate::table_views::{RowResultView, StockImportResultsView, StockImportView, results_csv};

/// Answers how far an import is, with a page of results in the order of the file. With `Accept: text/csv` the page is a
/// table, and the header `x-next-cursor` says where the next one starts.
///
/// # Errors
/// 404 unless it is the caller's.
#[utoipa::path(
    get,
    path = "/v1/inventory/imports/{import}",
    operation_id = "get_stock_import",
    tag = "inventory",
    params(
        ("import" = String, Path, description = "Import id"),
        ("outcome" = Option<String>, Query, description = "`refused` for the refused rows alone"),
        ("limit" = Option<u16>, Query, description = "1 to 100, 20 by default; a page can be short although there are more"),
        ("cursor" = Option<String>, Query, description = "Where the page starts: `next_cursor` of the one before"),
    ),
    responses(
        (status = 200, description = "The import and one page", content(
            (StockImportResultsView = "application/json"),
            (String = "text/csv"),
        )),
        (status = 401, description = "No valid access token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "E-mail address not verified", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "Missing or not yours", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "Invalid fields", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::verified_user(app, &request).await?.sub;
    let id = request::path(&request, "import", ImportId::parse)?;
    let page = request::page(&request)?;
    let after = request::query(&request, "cursor", str::parse::<u32>)?.unwrap_or(0);
    let refused = |text: &str| if text == "refused" { Ok(Which::Refused) } else { Err(()) };
    let which = request::query(&request, "outcome", refused)?.unwrap_or(Which::All);
    let import = stock_imports::get(app, &SellerId::of_user(&user), &id).await?;
    let (found, next) = stock_imports::results(app, &import, which, after, page.limit).await?;
    let next_cursor = next.map(|line| line.to_string());
    let items: Vec<RowResultView> = found.iter().map(RowResultView::from).collect();
    if request::wants_csv(&request) {
        return Ok(response::csv("import.csv", results_csv(&items), next_cursor.as_deref()));
    }
    let import = StockImportView::new(&import, app.now());
    Ok(response::ok(&StockImportResultsView { import, items, next_cursor }))
}
