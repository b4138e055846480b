//! Buys a label for a parcel of the seller's own part, at a rate that was offered for it.

use serde::Deserialize;
use sutler_domain::{
    ids::{OrderId, SellerId},
    problem::Problem,
};
use sutler_http::{
    ApiError, Body, Request, Response, label_view::LabelView, request, response, views::ProblemView,
};
use sutler_services::{App, labels};
use utoipa::ToSchema;

use crate::views;

/// What is to be bought.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelInput {
    /// A rate, as it was offered for this part; at most 140 characters.
    #[schema(example = "7c2e5b1f4a.9d0c3f8e6b")]
    pub rate: String,
}

impl LabelInput {
    /// The rate.
    ///
    /// # Errors
    /// 422 when it is none.
    fn rate(&self) -> Result<&str, Problem> {
        let is_one = (1..=140).contains(&self.rate.len()) && self.rate.bytes().all(|b| b.is_ascii_graphic());
        Some(self.rate.as_str()).filter(|_| is_one).ok_or_else(|| Problem::field("/rate", "invalid"))
    }
}

/// Buys a label for a parcel of the seller's own part. What it costs is taken off the seller's next payout. A rate is
/// bought once: asking for it again answers the same label. While the provider does not say what became of it, its state
/// is `buying`; it is found out in minutes, and the order shows it.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/orders/{order}/parts/{part}/labels",
    operation_id = "buy_label",
    tag = "shipping",
    security(("token" = [])),
    params(("order" = String, Path, description = "Id of the order"), ("part" = String, Path, description = "Id of the part, which is its seller's"), ("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same")),
    request_body = LabelInput,
    responses(
        (status = 201, body = LabelView),
        (status = 401, description = "Not signed in", body = ProblemView),
        (status = 404, description = "Not found, or not the caller's", body = ProblemView),
        (status = 409, description = "The state does not allow it, or the label costs more than is left of the part", body = ProblemView),
        (status = 422, description = "Some fields are not valid, or labels are not sold here", body = ProblemView),
        (status = 503, description = "The provider does not answer; repeat the call", body = ProblemView),
    )
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let caller = request::verified_user(app, &request).await?.sub;
    let id = request::path(&request, "order", OrderId::parse)?;
    let part = request::path(&request, "part", SellerId::parse)?;
    let seller = Some(SellerId::of_user(&caller)).filter(|own| *own == part).ok_or(Problem::NotFound)?;
    let body: LabelInput = request::json(&request)?;
    let once = request::once(app, &request, caller.as_str(), "buy_label", views::bought)?;
    Ok(response::answer(labels::buy(app, &id, &seller, body.rate()?, &once).await?))
}
