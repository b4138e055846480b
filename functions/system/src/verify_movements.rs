//! Checks that the history of a variant's stock is what it was.

use serde::Serialize;
use sutler_domain::ids::VariantId;
use sutler_http::{ApiError, Body, Request, Response, request, response, views::ProblemView};
use sutler_services::{
    App,
    auth::Role,
    chains::{self, Audit, Reads},
};
use utoipa::ToSchema;

/// How many pages of movements one call reads: what fits into its time.
const READS_MAX: u32 = 200;

/// What the check found.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovementsAuditView {
    /// Whether everything was read and every history holds.
    pub clean: bool,
    /// Whether everything was read; a longer history is for `cargo xtask verify-movements`.
    pub complete: bool,
    /// How many shards' histories were walked.
    pub histories: u64,
    /// How many movements hold.
    pub movements: u64,
    /// Shards whose latest changes are not recorded yet. That is late, not wrong.
    pub behind: Vec<BehindView>,
    /// The first movement of each shard that does not hold.
    pub broken: Vec<BrokenView>,
}

/// A history that the stream has not brought up to date.
#[derive(Debug, Serialize, ToSchema)]
pub struct BehindView {
    /// In which shard.
    pub shard: u8,
    /// How many versions of the stock are not recorded yet.
    pub versions: u64,
}

/// A history that does not hold.
#[derive(Debug, Serialize, ToSchema)]
pub struct BrokenView {
    /// In which shard.
    pub shard: u8,
    /// The number of the first movement that does not hold.
    pub number: u64,
    /// What is wrong with it.
    #[schema(example = "the hash does not match")]
    pub problem: String,
}

impl From<Audit> for MovementsAuditView {
    fn from(audit: Audit) -> Self {
        Self {
            clean: audit.is_clean(),
            complete: audit.complete,
            histories: audit.chains,
            movements: audit.movements,
            behind: audit
                .behind
                .into_iter()
                .map(|(chain, versions)| BehindView { shard: chain.shard, versions })
                .collect(),
            broken: audit
                .broken
                .into_iter()
                .map(|(chain, number, error)| BrokenView {
                    shard: chain.shard,
                    number,
                    problem: error.to_string(),
                })
                .collect(),
        }
    }
}

/// Recomputes every movement of a variant's stock and holds the last against the stock. For finance and administrators.
///
/// # Errors
/// The problems of the operation's description.
#[utoipa::path(
    get,
    path = "/v1/admin/inventory/{variant}/movements",
    operation_id = "verify_movements",
    tag = "system",
    security(("token" = [])),
    params(("variant" = String, Path, description = "Variant id")),
    responses(
        (status = 200, body = MovementsAuditView),
        (status = 401, description = "Not signed in", body = ProblemView),
        (status = 403, description = "Not finance or administrator", body = ProblemView),
        (status = 404, description = "No such variant", body = ProblemView),
    )
)]
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    request::staff(app, &request, Role::Finance).await?;
    let variant = request::path(&request, "variant", VariantId::parse)?;
    let audit = chains::verify_variant(app, &variant, Reads::at_most(READS_MAX)).await?;
    Ok(response::ok(&MovementsAuditView::from(audit)))
}
