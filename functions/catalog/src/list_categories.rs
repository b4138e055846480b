//! Anyone reads the category tree.

use sutler_http::{
    ApiError, Body, Request, Response, response,
    views::{ListView, ProblemView},
};
use sutler_services::{App, catalog::categories};

use crate::views::CategoryView;

/// Answers all categories at once; each names its parent.
///
/// # Errors
/// 503 when the database does not answer.
#[utoipa::path(
    get,
    path = "/v1/categories",
    operation_id = "list_categories",
    tag = "catalog",
    responses(
        (status = 200, description = "The tree", body = ListView<CategoryView>),
        (status = 503, description = "Try again", body = ProblemView, content_type = "application/problem+json"),
    ),
)]
pub async fn handle(app: &App, _: Request) -> Result<Response<Body>, ApiError> {
    let found = categories::list(app).await?;
    let items = found.iter().map(CategoryView::from).collect();
    Ok(response::ok(&ListView { items, next_cursor: None }))
}
