//! The caller's address book.

use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, identity};

use crate::views::AddressBookView;

/// The caller's address book.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    get,
    path = "/v1/users/me/addresses",
    operation_id = "list_addresses",
    tag = "identity",
    security(("token" = [])),
    responses(
        (status = 200, body = AddressBookView),
        (status = 401, description = "Not signed in", body = ProblemView),
        (status = 403, description = "The e-mail address is not verified", body = ProblemView),
    )
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::buyer(app, &request).await?.sub;
    let (entries, default) = identity::addresses(app, &user).await?;
    Ok(response::ok(&AddressBookView::new(&entries, default.as_ref())))
}
