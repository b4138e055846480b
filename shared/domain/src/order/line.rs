//! What was bought and what it cost, as it was when the order was placed.

use serde::{Deserialize, Serialize};

use super::Progress;
use crate::{
    ids::{SellerId, VariantId},
    money::{Money, MoneyError},
    product::OptionValue,
    shards::Origin,
};

/// What was bought, as it was when the order was placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredLine")]
pub struct OrderLine {
    /// What.
    pub variant: VariantId,
    /// Whose.
    pub seller: SellerId,
    /// The product's title.
    pub title: String,
    /// Such as colour and size.
    pub options: Vec<OptionValue>,
    /// The seller's own number.
    pub sku: String,
    /// Price of one.
    pub unit_price: Money,
    /// How many.
    pub quantity: u32,
    /// Price of all, before any discount.
    pub total: Money,
    /// What a coupon takes off `total`.
    pub discount: Money,
    /// The tax on what is left, in the price or on top of it.
    pub tax: Money,
    /// Where its units come from.
    #[serde(default, skip_serializing_if = "Origin::is_plain")]
    pub origin: Origin,
    /// What became of it since.
    #[serde(default, skip_serializing_if = "Progress::is_untouched")]
    pub progress: Progress,
}

/// A line as it is stored: before there were coupons, lines had neither discount nor a tax of their own.
#[derive(Deserialize)]
struct StoredLine {
    variant: VariantId,
    seller: SellerId,
    title: String,
    options: Vec<OptionValue>,
    sku: String,
    unit_price: Money,
    quantity: u32,
    total: Money,
    discount: Option<Money>,
    tax: Option<Money>,
    #[serde(default)]
    origin: Origin,
    #[serde(default)]
    progress: Progress,
}

impl From<StoredLine> for OrderLine {
    fn from(stored: StoredLine) -> Self {
        let zero = Money::zero(stored.total.currency());
        Self {
            variant: stored.variant,
            seller: stored.seller,
            title: stored.title,
            options: stored.options,
            sku: stored.sku,
            unit_price: stored.unit_price,
            quantity: stored.quantity,
            total: stored.total,
            discount: stored.discount.unwrap_or(zero),
            tax: stored.tax.unwrap_or(zero),
            origin: stored.origin,
            progress: stored.progress,
        }
    }
}

/// The sums of an order or of a part. `total` is goods less discount, and shipping, and the tax unless prices
/// contain it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredTotals")]
pub struct Totals {
    /// All lines, before any discount.
    pub goods: Money,
    /// What a coupon takes off the goods.
    pub discount: Money,
    /// Shipping.
    pub shipping: Money,
    /// Tax on both.
    pub tax: Money,
    /// Whether goods and shipping contain the tax.
    pub tax_included: bool,
    /// What is to be paid.
    pub total: Money,
}

/// Sums as they are stored: before there were coupons, tax always came on top.
#[derive(Deserialize)]
struct StoredTotals {
    goods: Money,
    discount: Option<Money>,
    shipping: Money,
    tax: Money,
    #[serde(default)]
    tax_included: bool,
    total: Money,
}

impl From<StoredTotals> for Totals {
    fn from(stored: StoredTotals) -> Self {
        let StoredTotals { goods, discount, shipping, tax, tax_included, total } = stored;
        let discount = discount.unwrap_or(Money::zero(goods.currency()));
        Self { goods, discount, shipping, tax, tax_included, total }
    }
}

impl Totals {
    /// Adds up what is to be paid.
    ///
    /// # Errors
    /// [`MoneyError`] when the discount is more than the goods, or a sum does not fit.
    pub fn try_new(
        goods: Money,
        discount: Money,
        shipping: Money,
        tax: Money,
        tax_included: bool,
    ) -> Result<Self, MoneyError> {
        let before_tax = goods.try_sub(discount)?.try_add(shipping)?;
        let total = if tax_included { before_tax } else { before_tax.try_add(tax)? };
        Ok(Self { goods, discount, shipping, tax, tax_included, total })
    }

    /// The sums of two parts together.
    ///
    /// # Errors
    /// [`MoneyError`] when currencies differ or a sum does not fit.
    pub fn try_add(self, other: Self) -> Result<Self, MoneyError> {
        Self::try_new(
            self.goods.try_add(other.goods)?,
            self.discount.try_add(other.discount)?,
            self.shipping.try_add(other.shipping)?,
            self.tax.try_add(other.tax)?,
            self.tax_included,
        )
    }
}
