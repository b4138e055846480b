//! Checks that stock, orders, payments and ledger agree.

use serde::Serialize;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{
    App,
    auth::Role,
    invariants::{self, Findings},
};
use utoipa::ToSchema;

/// What the check found.
#[derive(Debug, Serialize, ToSchema)]
pub struct FindingsView {
    /// Whether everything was read and nothing was found.
    pub clean: bool,
    /// Whether everything was read.
    pub complete: bool,
    /// How many orders were looked at.
    pub orders: usize,
    /// How many variants' stock was looked at.
    pub stocks: usize,
    /// How many ledger transactions were looked at.
    pub ledger_transactions: usize,
    /// What does not agree, in words.
    pub problems: Vec<String>,
}

impl From<Findings> for FindingsView {
    fn from(found: Findings) -> Self {
        Self {
            clean: found.complete && found.problems.is_empty(),
            complete: found.complete,
            orders: found.orders,
            stocks: found.stocks,
            ledger_transactions: found.ledger_transactions,
            problems: found.problems,
        }
    }
}

/// Reads all books and checks them against each other. For finance and administrators.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    get,
    path = "/v1/admin/invariants",
    operation_id = "check_invariants",
    tag = "system",
    security(("token" = [])),
    responses(
        (status = 200, body = FindingsView),
        (status = 401, description = "Not signed in", body = ProblemView),
        (status = 403, description = "Not finance or administrator", body = ProblemView),
    )
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    request::staff(app, &request, Role::Finance).await?;
    Ok(response::ok(&FindingsView::from(invariants::check(app).await?)))
}
