//! How a quote looks: to whoever asks for one, and in the refusal of an order whose quote changed.

use serde::Serialize;
use sutler_domain::{
    coupon::UsedCoupon,
    order::Totals,
    quote::{QuotePart, QuotedCoupon},
    shipping::{Delivery, Offer},
};
use sutler_services::quotes::CartQuote;
use utoipa::ToSchema;

use crate::views::MoneyView;

/// What a cart costs. An order has to repeat `hash`.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuoteView {
    /// The cart.
    pub cart: String,
    /// Where to.
    pub address: Option<String>,
    /// One part per seller.
    pub parts: Vec<QuotePartView>,
    /// The sums.
    pub totals: TotalsView,
    /// The coupon in the cart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coupon: Option<QuotedCouponView>,
    /// Stands for everything above.
    pub hash: String,
}

/// One seller's part of a quote.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuotePartView {
    /// Whose.
    pub seller: String,
    /// The shop's name.
    pub seller_name: String,
    /// Its lines.
    pub lines: Vec<QuoteLineView>,
    /// How it is sent: as chosen, or else the cheapest way.
    pub shipping: OfferView,
    /// All ways to send it there.
    pub shipping_options: Vec<OfferView>,
    /// The part's sums.
    pub totals: TotalsView,
}

/// A line of a quote.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuoteLineView {
    /// What.
    pub variant: String,
    /// The product's title.
    pub title: String,
    /// Price of one.
    pub unit_price: MoneyView,
    /// How many.
    pub quantity: u32,
    /// Price of all, before any discount.
    pub total: MoneyView,
    /// What the coupon takes off.
    pub discount: MoneyView,
    /// The tax on what is left, in the price or on top of it.
    pub tax: MoneyView,
}

/// A way to send something.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryView {
    /// What to choose it by.
    #[schema(example = "standard")]
    pub id: String,
    /// What it is called.
    #[schema(example = "Standard")]
    pub name: String,
    /// After how many days it arrives at the earliest.
    #[schema(example = 2)]
    pub days_min: u16,
    /// After how many days it arrives at the latest.
    #[schema(example = 7)]
    pub days_max: u16,
}

impl From<&Delivery> for DeliveryView {
    fn from(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id.as_str().to_owned(),
            name: delivery.name.clone(),
            days_min: delivery.days_min,
            days_max: delivery.days_max,
        }
    }
}

/// A way to send something with its price.
#[derive(Debug, Serialize, ToSchema)]
pub struct OfferView {
    /// How.
    #[serde(flatten)]
    pub delivery: DeliveryView,
    /// What it costs.
    pub price: MoneyView,
}

impl From<&Offer> for OfferView {
    fn from(offer: &Offer) -> Self {
        Self { delivery: (&offer.delivery).into(), price: offer.price.into() }
    }
}

/// The coupon in the cart: what it takes off, or why it takes nothing off.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuotedCouponView {
    /// Its code.
    #[schema(example = "SPRING-10")]
    pub code: String,
    /// What it takes off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount: Option<MoneyView>,
    /// Why it takes nothing off, such as `coupon-below-minimum`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<&'static str>,
}

impl From<&QuotedCoupon> for QuotedCouponView {
    fn from(coupon: &QuotedCoupon) -> Self {
        let (discount, refused) = match &coupon.outcome {
            Ok(used) => (Some(used.discount.into()), None),
            Err(refusal) => (None, Some(refusal.code())),
        };
        Self { code: coupon.code.to_string(), discount, refused }
    }
}

/// The coupon of an order.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsedCouponView {
    /// Its code.
    #[schema(example = "SPRING-10")]
    pub code: String,
    /// What it took off.
    pub discount: MoneyView,
}

impl From<&UsedCoupon> for UsedCouponView {
    fn from(used: &UsedCoupon) -> Self {
        Self { code: used.code.to_string(), discount: used.discount.into() }
    }
}

/// Sums; `total` is goods less discount, and shipping, and tax unless that is included.
#[derive(Debug, Serialize, ToSchema)]
pub struct TotalsView {
    /// All lines, before any discount.
    pub goods: MoneyView,
    /// What a coupon takes off the goods.
    pub discount: MoneyView,
    /// Shipping.
    pub shipping: MoneyView,
    /// Tax on both.
    pub tax: MoneyView,
    /// Whether goods and shipping contain the tax.
    pub tax_included: bool,
    /// What is to be paid.
    pub total: MoneyView,
}

impl From<&Totals> for TotalsView {
    fn from(totals: &Totals) -> Self {
        Self {
            goods: totals.goods.into(),
            discount: totals.discount.into(),
            shipping: totals.shipping.into(),
            tax: totals.tax.into(),
            tax_included: totals.tax_included,
            total: totals.total.into(),
        }
    }
}

impl From<&QuotePart> for QuotePartView {
    fn from(part: &QuotePart) -> Self {
        let lines = part.lines.iter().map(|line| QuoteLineView {
            variant: line.variant.to_string(),
            title: line.title.clone(),
            unit_price: line.unit_price.into(),
            quantity: line.quantity,
            total: line.total.into(),
            discount: line.discount.into(),
            tax: line.tax.into(),
        });
        Self {
            seller: part.seller.to_string(),
            seller_name: part.seller_name.clone(),
            lines: lines.collect(),
            shipping: (&part.shipping).into(),
            shipping_options: part.offers.iter().map(OfferView::from).collect(),
            totals: (&part.totals).into(),
        }
    }
}

impl From<&CartQuote> for QuoteView {
    fn from(quote: &CartQuote) -> Self {
        Self {
            cart: quote.cart.to_string(),
            address: quote.address.as_ref().map(ToString::to_string),
            parts: quote.quote.parts.iter().map(QuotePartView::from).collect(),
            totals: (&quote.quote.totals).into(),
            coupon: quote.quote.coupon.as_ref().map(QuotedCouponView::from),
            hash: quote.hash.clone(),
        }
    }
}
