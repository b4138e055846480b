//! What the stock endpoints take and show.

use serde::{Deserialize, Serialize};
use sutler_domain::{movement::Movement, problem::Problem, shards::FlashSale, stock::Quantities};
use sutler_services::{
    flash_sales::{Terms, TermsSet},
    inventory::{Adjustment, Count, StockedVariant},
};
use utoipa::ToSchema;

/// A correction: either `delta` or `on_hand`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdjustmentInput {
    /// So many more, or fewer when negative.
    #[schema(example = 5)]
    pub delta: Option<i64>,
    /// So many in the warehouse, those held and paid for included.
    pub on_hand: Option<u32>,
    /// Why; 1 to 200 characters.
    #[schema(example = "stocktaking")]
    pub reason: String,
}

impl AdjustmentInput {
    /// What was counted.
    ///
    /// # Errors
    /// 422 unless exactly one of both is given.
    pub fn count(&self) -> Result<Count, Problem> {
        match (self.delta, self.on_hand) {
            (Some(delta), None) => Ok(Count::Delta(delta)),
            (None, Some(on_hand)) => Ok(Count::OnHand(on_hand)),
            (None, None) => Err(Problem::field("/delta", "missing")),
            (Some(_), Some(_)) => Err(Problem::field("/on_hand", "ambiguous")),
        }
    }
}

/// How a variant in great demand is to be sold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlashSaleInput {
    /// Over how many shards its units are spread: 1 to 64. Each shard sells some hundred orders a second.
    #[schema(minimum = 1, maximum = 64, example = 16)]
    pub shards: u32,
    /// How many one buyer may have: 1 to 99, or any number when left out.
    #[schema(minimum = 1, maximum = 99, example = 2)]
    pub per_buyer_limit: Option<u32>,
}

impl FlashSaleInput {
    /// What was asked for; what is out of range stays so.
    #[must_use]
    pub fn terms(&self) -> Terms {
        Terms { shards: u8::try_from(self.shards).unwrap_or(0), per_buyer_limit: self.per_buyer_limit }
    }
}

/// How a variant in great demand is sold.
#[derive(Debug, Serialize, ToSchema)]
pub struct FlashSaleView {
    /// Variant id.
    pub variant: String,
    /// Over how many shards its units are spread.
    pub shards: u8,
    /// How many one buyer may have.
    pub per_buyer_limit: Option<u32>,
}

impl From<&TermsSet> for FlashSaleView {
    fn from(set: &TermsSet) -> Self {
        let TermsSet { variant, sale } = set;
        Self { variant: variant.to_string(), shards: sale.shards, per_buyer_limit: sale.per_buyer_limit }
    }
}

/// A correction that was carried out.
#[derive(Debug, Serialize, ToSchema)]
pub struct AdjustmentView {
    /// Variant id.
    pub variant: String,
    /// How many more or fewer there are now.
    pub delta: i64,
    /// Why.
    pub reason: String,
    /// When.
    pub at: String,
}

/// The stock of a variant.
#[derive(Debug, Serialize, ToSchema)]
pub struct StockView {
    /// Variant id.
    #[schema(example = "var_01J8ZQ5K3N0V7X2Y4T6B8D9FGH00")]
    pub variant: String,
    /// Title of the product.
    pub title: String,
    /// Article number.
    pub sku: String,
    /// Whether it can be bought.
    pub for_sale: bool,
    /// Everything in the warehouse.
    pub on_hand: u64,
    /// Free to be ordered.
    pub available: u32,
    /// Held for unpaid orders.
    pub reserved: u32,
    /// Paid and not shipped.
    pub committed: u32,
    /// Kept for partners.
    pub partner: u32,
    /// Over how many shards the free units are spread.
    pub shards: u8,
    /// How many one buyer may have.
    pub per_buyer_limit: Option<u32>,
    /// How often it changed.
    pub version: u64,
}

/// How many are in each place.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuantitiesView {
    /// Free to be ordered.
    pub available: u32,
    /// Held for unpaid orders.
    pub reserved: u32,
    /// Paid and not shipped.
    pub committed: u32,
    /// Kept for partners.
    pub partner: u32,
}

/// One change of stock.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovementView {
    /// In which shard.
    pub shard: u8,
    /// Counts up from 1 without gaps in each shard.
    pub number: u64,
    /// What happened.
    #[schema(example = "reserve")]
    pub operation: &'static str,
    /// What for: an order's id, or the reason of a correction.
    pub reference: String,
    /// How many units moved.
    pub quantity: u32,
    /// The quantities before.
    pub before: QuantitiesView,
    /// The quantities after.
    pub after: QuantitiesView,
    /// When.
    pub at: String,
    /// Hash of the movement before; empty for the first.
    pub prev_hash: String,
    /// SHA-256 over the movement and `prev_hash`.
    pub hash: String,
}

impl From<&Adjustment> for AdjustmentView {
    fn from(adjustment: &Adjustment) -> Self {
        Self {
            variant: adjustment.variant.to_string(),
            delta: adjustment.delta,
            reason: adjustment.reason.clone(),
            at: adjustment.at.rfc3339(),
        }
    }
}

impl From<&StockedVariant> for StockView {
    fn from(found: &StockedVariant) -> Self {
        let stock = &found.stock.value;
        let sale = found.variant.flash_sale.unwrap_or(FlashSale::NONE);
        Self {
            variant: stock.variant.to_string(),
            title: found.variant.title.clone(),
            sku: found.variant.sku.clone(),
            for_sale: found.variant.is_active(),
            on_hand: stock.on_hand(),
            available: stock.available,
            reserved: stock.reserved,
            committed: stock.committed,
            partner: stock.partner,
            shards: sale.shards,
            per_buyer_limit: sale.per_buyer_limit,
            version: found.stock.version.0,
        }
    }
}

impl From<Quantities> for QuantitiesView {
    fn from(quantities: Quantities) -> Self {
        let Quantities { available, reserved, committed, partner } = quantities;
        Self { available, reserved, committed, partner }
    }
}

impl From<&Movement> for MovementView {
    fn from(movement: &Movement) -> Self {
        Self {
            shard: movement.shard,
            number: movement.number,
            operation: movement.op.name(),
            reference: movement.reference.clone(),
            quantity: movement.quantity,
            before: movement.before.into(),
            after: movement.after.into(),
            at: movement.at.rfc3339(),
            prev_hash: movement.prev_hash.clone(),
            hash: movement.hash.clone(),
        }
    }
}
