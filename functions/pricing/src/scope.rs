//! Whose coupons a call is about. It never names an owner: that is whoever calls.

use serde::Deserialize;
use sutler_domain::{coupon::Funder, ids::UserId};
use sutler_http::{ApiError, Request, request};
use sutler_services::{App, auth::Role, coupons};
use utoipa::ToSchema;

/// Whose coupons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The marketplace's own, on all goods. For finance and administrators.
    Marketplace,
    /// Those of the caller's shop, on its goods.
    Shop,
}

impl Scope {
    /// Reads a parameter.
    ///
    /// # Errors
    /// A message when it is none of the two.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "marketplace" => Ok(Self::Marketplace),
            "shop" => Ok(Self::Shop),
            _ => Err("expected marketplace or shop"),
        }
    }
}

/// The caller, and who pays for coupons of this scope.
///
/// # Errors
/// 401 or 403 unless the caller may speak for it.
pub async fn funder(app: &App, request: &Request, scope: Scope) -> Result<(UserId, Funder), ApiError> {
    match scope {
        Scope::Marketplace => {
            let staff = request::staff(app, request, Role::Finance).await?.sub;
            Ok((staff, Funder::Platform))
        }
        Scope::Shop => {
            let user = request::verified_user(app, request).await?.sub;
            let funder = coupons::funder_of(app, &user).await?;
            Ok((user, funder))
        }
    }
}
