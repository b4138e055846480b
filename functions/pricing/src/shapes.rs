//! The shapes of rules in requests and answers, for the description of the API. The rules themselves are read and
//! written as `domain` spells them.

use sutler_http::views::MoneyView;
use utoipa::ToSchema;

/// How a marketplace taxes.
#[derive(Debug, ToSchema)]
pub struct TaxRules {
    /// Whether prices contain the tax: `inclusive`, or it comes on top: `exclusive`.
    #[schema(example = "exclusive")]
    pub prices: String,
    /// What is rounded to whole minor units, halves up: `per_line` or `per_order`.
    #[schema(example = "per_order")]
    pub rounding: String,
    /// Basis points where no rate fits, and while it is not known where goods go.
    #[schema(example = 2000)]
    pub default_rate: u16,
    /// How shipping is taxed.
    pub shipping: ShippingTax,
    /// At most 200. The rate that names the class wins, then the one that names the region.
    pub rates: Vec<TaxRate>,
}

/// How shipping is taxed.
#[derive(Debug, ToSchema)]
pub struct ShippingTax {
    /// `as_goods`: like goods without a class that go to the same place. `fixed`: at `rate` everywhere.
    #[schema(example = "as_goods")]
    pub kind: String,
    /// Basis points, of `fixed`.
    pub rate: Option<u16>,
}

/// A rate that applies to some goods in some place.
#[derive(Debug, ToSchema)]
pub struct TaxRate {
    /// ISO 3166 code of two letters.
    #[schema(example = "US")]
    pub country: String,
    /// Only in this state or province.
    #[schema(example = "CA")]
    pub region: Option<String>,
    /// Only for products of this `tax_class`.
    #[schema(example = "books")]
    pub class: Option<String>,
    /// Basis points.
    #[schema(example = 725)]
    pub rate: u16,
}

/// Where a seller sends goods, how, and at which prices.
#[derive(Debug, ToSchema)]
pub struct ShippingProfile {
    /// At most 10. What is in none of them cannot be reached.
    pub zones: Vec<Zone>,
}

/// Where to, and how.
#[derive(Debug, ToSchema)]
pub struct Zone {
    /// ISO 3166 codes of two letters; none for all countries that are in no other zone.
    #[schema(example = json!(["DE", "AT"]))]
    pub countries: Vec<String>,
    /// At most 5.
    pub options: Vec<ShippingOption>,
}

/// A way to send something.
#[derive(Debug, ToSchema)]
pub struct ShippingOption {
    /// What a buyer's client chooses it by: 1 to 32 of `a-z`, `0-9` and `-`, unique in its zone.
    #[schema(example = "express")]
    pub id: String,
    /// What people call it.
    #[schema(example = "Express")]
    pub name: String,
    /// After how many days it arrives at the earliest.
    #[schema(example = 1)]
    pub days_min: u16,
    /// After how many days it arrives at the latest.
    #[schema(example = 2)]
    pub days_max: u16,
    /// What it costs.
    pub price: PriceRule,
    /// It costs nothing for goods of this value or more, after any discount.
    pub free_from: Option<MoneyView>,
}

/// How a price is made.
#[derive(Debug, ToSchema)]
pub struct PriceRule {
    /// `flat`: always `amount`. `weight`: by `bands`. `items`: `base`, and `per_item` for each piece.
    #[schema(example = "flat")]
    pub kind: String,
    /// Of `flat`.
    pub amount: Option<MoneyView>,
    /// Of `weight`: from light to heavy, at most 10. What is heavier than the last cannot be sent this way.
    pub bands: Option<Vec<Band>>,
    /// Of `items`.
    pub base: Option<MoneyView>,
    /// Of `items`.
    pub per_item: Option<MoneyView>,
}

/// The price of parcels up to a weight.
#[derive(Debug, ToSchema)]
pub struct Band {
    /// The heaviest parcel of this price, in grams.
    #[schema(example = 2000)]
    pub up_to_g: u32,
    /// What it costs.
    pub amount: MoneyView,
}

/// What a coupon takes off.
#[derive(Debug, ToSchema)]
pub struct Worth {
    /// `percentage`: `rate` of the goods. `amount`: `amount`, or all when the goods cost less.
    #[schema(example = "percentage")]
    pub kind: String,
    /// Basis points, of `percentage`.
    #[schema(example = 1000)]
    pub rate: Option<u16>,
    /// Of `amount`.
    pub amount: Option<MoneyView>,
}
