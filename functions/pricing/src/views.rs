//! How rules and coupons look.

use serde::Serialize;
use sutler_domain::{
    coupon::{self, Coupon},
    quote::Rules,
    shipping, tax,
};
use sutler_http::views::MoneyView;
use sutler_store::Versioned;
use utoipa::ToSchema;

use crate::shapes;

/// How this marketplace makes prices.
#[derive(Debug, Serialize, ToSchema)]
pub struct SettingsView {
    /// To be sent as `If-Match` with a change; 0 until the first.
    pub version: u64,
    /// Tax.
    #[schema(value_type = shapes::TaxRules)]
    pub tax: tax::TaxRules,
    /// How sellers without a profile of their own send things.
    #[schema(value_type = shapes::ShippingProfile)]
    pub shipping: shipping::ShippingProfile,
}

impl From<&Versioned<Rules>> for SettingsView {
    fn from(read: &Versioned<Rules>) -> Self {
        let Rules { tax, shipping } = read.value.clone();
        Self { version: read.version.0, tax, shipping }
    }
}

/// How a seller sends things.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShippingProfileView {
    /// To be sent as `If-Match` with a change; 0 until the first, while the marketplace's way is shown.
    pub version: u64,
    /// Where to, and how.
    #[schema(value_type = Vec<shapes::Zone>)]
    pub zones: Vec<shipping::Zone>,
}

impl From<&Versioned<shipping::ShippingProfile>> for ShippingProfileView {
    fn from(read: &Versioned<shipping::ShippingProfile>) -> Self {
        Self { version: read.version.0, zones: read.value.zones.clone() }
    }
}

/// A coupon as whoever made it sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CouponView {
    /// Its code.
    #[schema(example = "SPRING-10")]
    pub code: String,
    /// To be sent as `If-Match` with a change of its terms. Uses do not change it.
    pub version: u64,
    /// Who pays for it: `platform` or `seller`.
    pub funder: &'static str,
    /// What it takes off.
    #[schema(value_type = shapes::Worth)]
    pub worth: coupon::Worth,
    /// What the goods it is for must cost.
    pub minimum: Option<MoneyView>,
    /// From when on.
    #[schema(example = "2027-01-01T00:00:00.000Z")]
    pub starts_at: String,
    /// Until when.
    #[schema(example = "2027-02-01T00:00:00.000Z")]
    pub ends_at: String,
    /// How many orders may use it.
    pub uses_max: Option<u32>,
    /// How many orders of one user may use it.
    pub uses_per_user_max: Option<u32>,
    /// How much it may take off all orders together.
    pub budget: Option<MoneyView>,
    /// Whether it can be used at all.
    pub active: bool,
    /// How many live orders use it.
    pub uses: u32,
    /// What it takes off them.
    pub spent: MoneyView,
    /// When it was made.
    pub created_at: String,
}

impl From<&Coupon> for CouponView {
    fn from(coupon: &Coupon) -> Self {
        let terms = &coupon.terms;
        Self {
            code: coupon.code.to_string(),
            version: coupon.revision,
            funder: coupon.funder.name(),
            worth: terms.worth,
            minimum: terms.minimum.map(MoneyView::from),
            starts_at: terms.starts_at.rfc3339(),
            ends_at: terms.ends_at.rfc3339(),
            uses_max: terms.uses_max,
            uses_per_user_max: terms.uses_per_user_max,
            budget: terms.budget.map(MoneyView::from),
            active: terms.active,
            uses: coupon.uses,
            spent: coupon.spent.into(),
            created_at: coupon.created_at.rfc3339(),
        }
    }
}
