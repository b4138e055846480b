//! Opens the caller's shop.

use serde::Deserialize;
use sutler_domain::{account::ShopDraft, idempotency::Answer, problem::Problem};
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{App, identity};
use sutler_store::users::Seller;
use utoipa::ToSchema;

use crate::views::SellerView;

/// A new shop.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSellerInput {
    /// Name, 2 to 80 characters.
    #[schema(example = "North Star Crafts")]
    pub name: String,
    /// What it is called in addresses: 3 to 40 of `a-z`, `0-9` and single `-` between them.
    #[schema(example = "north-star-crafts")]
    pub slug: String,
    /// What it promises about returns, at most 5,000 characters.
    #[schema(example = "30 days, unused")]
    #[serde(default)]
    pub return_policy: String,
}

fn opened(seller: &Seller) -> Answer {
    response::created_answer(&SellerView::from(seller))
}

/// Opens the caller's shop.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    post,
    path = "/v1/sellers",
    operation_id = "create_seller",
    tag = "identity",
    security(("token" = [])),
    params(("idempotency-key" = Option<String>, Header, description = "Makes a repeated call answer the same")),
    request_body = CreateSellerInput,
    responses(
        (status = 201, body = SellerView),
        (status = 400, description = "Not readable", body = ProblemView),
        (status = 401, description = "Not signed in", body = ProblemView),
        (status = 403, description = "The e-mail address is not verified", body = ProblemView),
        (status = 409, description = "The slug is taken, or the caller has a shop", body = ProblemView),
        (status = 422, description = "Some fields are not valid", body = ProblemView),
    )
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let user = request::verified_user(app, &request).await?.sub;
    let once = request::once(app, &request, user.as_str(), "create_seller", opened)?;
    let input: CreateSellerInput = request::json(&request)?;
    let shop = ShopDraft::parse(&input.name, &input.slug, &input.return_policy);
    let answer = identity::create_seller(app, &user, &shop.map_err(Problem::Invalid)?, &once).await?;
    Ok(response::answer(answer))
}
