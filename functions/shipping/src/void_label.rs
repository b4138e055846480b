//! Gives a label back that nothing was sent with.

use sutler_domain::{
    ids::{LabelId, OrderId, SellerId},
    problem::Problem,
};
use sutler_http::{
    ApiError, Body, Request, Response, label_view::LabelView, request, response, views::ProblemView,
};
use sutler_services::{App, labels};

use crate::views;

/// Gives a label back that nothing was sent with. Carriers may take weeks to agree; until then its state is `voiding`, and
/// its price is owed.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    delete,
    path = "/v1/orders/{order}/parts/{part}/labels/{label}",
    operation_id = "void_label",
    tag = "shipping",
    security(("token" = [])),
    params(("order" = String, Path, description = "Id of the order"), ("part" = String, Path, description = "Id of the part, which is its seller's"), ("label" = String, Path, description = "Id of the label"), ("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same")),
    responses(
        (status = 200, body = LabelView),
        (status = 401, description = "Not signed in", body = ProblemView),
        (status = 404, description = "Not found, or not the caller's", body = ProblemView),
        (status = 409, description = "It is not there to be given back, or something was sent with it", body = ProblemView),
        (status = 422, description = "Labels are not sold here", body = ProblemView),
    )
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let caller = request::verified_user(app, &request).await?.sub;
    let id = request::path(&request, "order", OrderId::parse)?;
    let part = request::path(&request, "part", SellerId::parse)?;
    let label = request::path(&request, "label", LabelId::parse)?;
    let seller = Some(SellerId::of_user(&caller)).filter(|own| *own == part).ok_or(Problem::NotFound)?;
    let once = request::once(app, &request, caller.as_str(), "void_label", views::given_back)?;
    Ok(response::answer(labels::void(app, &label, (&id, &seller), &once).await?))
}
