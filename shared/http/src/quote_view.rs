//! How a quote looks: to whoever asks for one, and in the refusal of an order whose quote changed.

use serde::Serialize;
use sutler_domain::{order::Totals, quote::QuotePart};
use sutler_services::carts::CartQuote;
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
    /// Price of all.
    pub total: MoneyView,
}

/// Sums; `total` is the others together.
#[derive(Debug, Serialize, ToSchema)]
pub struct TotalsView {
    /// All lines.
    pub goods: MoneyView,
    /// Shipping.
    pub shipping: MoneyView,
    /// Tax on both.
    pub tax: MoneyView,
    /// What is to be paid.
    pub total: MoneyView,
}

impl From<&Totals> for TotalsView {
    fn from(totals: &Totals) -> Self {
        Self {
            goods: totals.goods.into(),
            shipping: totals.shipping.into(),
            tax: totals.tax.into(),
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
        });
        Self {
            seller: part.seller.to_string(),
            seller_name: part.seller_name.clone(),
            lines: lines.collect(),
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
            hash: quote.hash.clone(),
        }
    }
}
