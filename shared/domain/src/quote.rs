//! What a cart costs: prices, flat shipping per seller, tax, in whole minor units.

use crate::{
    ids::SellerId,
    money::{BasisPoints, Money, MoneyError},
    order::{OrderLine, Totals},
};

/// One seller's part of a quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotePart {
    /// Whose.
    pub seller: SellerId,
    /// The shop's name.
    pub seller_name: String,
    /// What.
    pub lines: Vec<OrderLine>,
    /// The part's sums.
    pub totals: Totals,
}

/// What a cart costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// One part per seller, in the order their goods came into the cart.
    pub parts: Vec<QuotePart>,
    /// The sums over all parts.
    pub totals: Totals,
}

/// What shipping and tax cost in this marketplace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Per seller.
    pub shipping: Money,
    /// On goods and shipping.
    pub tax: BasisPoints,
}

/// Adds up lines (with their sellers' names), grouped by seller.
///
/// # Errors
/// [`MoneyError`] when currencies differ or a sum does not fit.
pub fn quote(lines: Vec<(OrderLine, String)>, rates: Rates) -> Result<Quote, MoneyError> {
    let currency = rates.shipping.currency();
    let zero = Money::zero(currency);
    let nothing = Totals { goods: zero, shipping: zero, tax: zero, total: zero };
    let mut parts: Vec<QuotePart> = Vec::new();
    for (line, seller_name) in lines {
        match parts.iter_mut().find(|part| part.seller == line.seller) {
            Some(part) => part.lines.push(line),
            None => parts.push(QuotePart {
                seller: line.seller.clone(),
                seller_name,
                lines: vec![line],
                totals: nothing,
            }),
        }
    }
    let mut totals = nothing;
    for part in &mut parts {
        let goods = Money::try_sum(currency, part.lines.iter().map(|line| line.total))?;
        let before_tax = goods.try_add(rates.shipping)?;
        let (tax, _) = before_tax.split(rates.tax)?;
        part.totals = Totals { goods, shipping: rates.shipping, tax, total: before_tax.try_add(tax)? };
        totals = Totals {
            goods: totals.goods.try_add(goods)?,
            shipping: totals.shipping.try_add(rates.shipping)?,
            tax: totals.tax.try_add(tax)?,
            total: totals.total.try_add(part.totals.total)?,
        };
    }
    Ok(Quote { parts, totals })
}
