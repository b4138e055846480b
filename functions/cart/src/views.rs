//! How carts look.

use serde::Serialize;
use sutler_domain::idempotency::Answer;
use sutler_http::{response, views::MoneyView};
use sutler_services::carts::{CartPage, OpenedCart, PricedLine};
use utoipa::ToSchema;

/// A cart that was just opened.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenedCartView {
    /// Its id.
    #[schema(example = "crt_01J8ZQ5K3N0V7X2Y4T6B8D9FGH")]
    pub id: String,
    /// A guest's secret, to be sent as `Cart-Token`. It is shown only here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl From<&OpenedCart> for OpenedCartView {
    fn from(opened: &OpenedCart) -> Self {
        Self { id: opened.id.to_string(), token: opened.token.clone() }
    }
}

/// A cart with what its lines are and cost now.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartView {
    /// Its id.
    pub id: String,
    /// Its lines.
    pub lines: Vec<CartLineView>,
    /// The coupon in it; a quote says what it takes off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coupon: Option<String>,
    /// What the lines that can be bought cost, without shipping and tax.
    pub goods: Option<MoneyView>,
    /// When the cart was asked for: the `hash` of its quote without an address. It changes when any of its costs does,
    /// and is absent while something in the cart cannot be bought. Only a quote with an address can be ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote_hash: Option<String>,
    /// The order that was last made from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_order: Option<String>,
}

/// A line of a cart.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartLineView {
    /// What.
    pub variant: String,
    /// How many.
    pub quantity: u32,
    /// The product's title; absent when it is not for sale any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The shop's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seller_name: Option<String>,
    /// Price of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<MoneyView>,
    /// Price of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<MoneyView>,
    /// How many are free.
    pub available: u32,
    /// Whether the line can be bought as it is.
    pub buyable: bool,
}

impl From<&PricedLine> for CartLineView {
    fn from(priced: &PricedLine) -> Self {
        let quantity = priced.line.quantity.get();
        let variant = priced.variant.as_ref();
        Self {
            variant: priced.line.variant.to_string(),
            quantity,
            title: variant.map(|variant| variant.title.clone()),
            seller_name: variant.map(|variant| variant.seller_name.clone()),
            unit_price: variant.map(|variant| variant.price.into()),
            total: variant.and_then(|variant| variant.price.try_mul(quantity).ok()).map(MoneyView::from),
            available: priced.available,
            buyable: priced.is_buyable(),
        }
    }
}

impl From<&CartPage> for CartView {
    fn from(page: &CartPage) -> Self {
        let CartPage { cart, lines, quote_hash } = page;
        let totals = lines.iter().filter(|priced| priced.is_buyable()).filter_map(|priced| {
            priced.variant.as_ref().and_then(|variant| variant.price.try_mul(priced.line.quantity.get()).ok())
        });
        let goods = totals.map(Some).reduce(|sum, next| sum?.try_add(next?).ok()).flatten();
        Self {
            id: cart.id.to_string(),
            lines: lines.iter().map(CartLineView::from).collect(),
            coupon: cart.coupon.as_ref().map(ToString::to_string),
            goods: goods.map(MoneyView::from),
            quote_hash: quote_hash.clone(),
            last_order: cart.last_order.as_ref().map(ToString::to_string),
        }
    }
}

/// Renders a changed cart.
#[must_use]
pub fn changed(page: &CartPage) -> Answer {
    response::ok_answer(&CartView::from(page))
}
